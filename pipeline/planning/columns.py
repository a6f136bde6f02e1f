"""A column of a matrix is an embedding model with a pool, or with several side by side."""

from __future__ import annotations

from dataclasses import dataclass

from ...models.identity import BackboneInfo
from ...models.outputs import parse_pools
from ..experiment.sections import EmbeddingSection


@dataclass(frozen=True)
class Column:
    """A Column says what is extracted.

    model: the name of the embedding model. pools: canonical texts, as the experiment has them; the
        embeddings of a box are put side by side in this order.
    """

    model: str
    pools: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return the model alone for its CLS token, else with its pools: "dinov2_vits14, mean"."""
        return self.model if self.pools == ("cls",) else f"{self.model}, {'+'.join(self.pools)}"

    def pools_at(self, info: BackboneInfo, side: int) -> tuple[str, ...]:
        """Return the pools for an input of side x side pixels, in which K is a number.

        Raises UsageError for a pool that the model lacks, or that takes more patches than it has.
        """
        found = parse_pools("+".join(self.pools))
        return tuple(info.resolve(pool, side).text for pool in found)


def find_columns(section: EmbeddingSection) -> tuple[Column, ...]:
    """Return the columns that an experiment names: every pool of every model."""
    return tuple(
        Column(model, tuple(pool.text for pool in parse_pools(pools)))
        for model in section.models
        for pools in section.pool
    )
