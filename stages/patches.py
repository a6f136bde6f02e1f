"""The patches stage says what is stored of each patch, and which maps are made of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..cache.layout import ArrayField
from ..errors import UsageError
from ..models.outputs import Selection, Statistic, parse_statistic
from .maps import normalize, square
from .passes import ModelSpec, WholeCanvas

if TYPE_CHECKING:
    from ..models.identity import BackboneInfo


@dataclass(frozen=True)
class PatchSpec(WholeCanvas):
    """A PatchSpec is one number of each patch of the last block: (N,), row by row.

    Patches are those after the final norm, without CLS and registers. Votes are uint16, all other
    statistics float32, whatever the precision of the blocks.

    statistic: the canonical text of a `Statistic` (`models.outputs`), with its vector named and K a
        number: "patch-score:cls", "norm", "votes:49", "pooled-score:49:paper".
    input_size, geometry, draft, decoder: of the canvas, as in `AttentionSpec`.
    """

    stage: ClassVar[str] = "patches"
    version: ClassVar[int] = 1
    has_heads: ClassVar[bool] = False

    model: ModelSpec
    input_size: int
    statistic: str
    geometry: str = "squash"
    draft: bool = False
    decoder: str = "pillow"

    @property
    def output(self) -> Statistic:
        """Return what the pass is asked for."""
        return parse_statistic(self.statistic)

    @property
    def source(self) -> str:
        """Return what maps of it are made of, as an experiment calls it."""
        return self.statistic

    @property
    def place(self) -> str:
        """Return what tells it apart from others of the model, in the key of a matrix's row."""
        return self.statistic

    def layer_words(self, only_last: bool) -> str:
        """Return the words after the model's name in the label of a row: " votes:49"."""
        del only_last
        return f" {self.statistic}"

    @property
    def name(self) -> str:
        """Return the model and the statistic in words: "dinov2_vits14, votes of 49 patches"."""
        return f"{self.model.name}, {self.source_words}"

    @property
    def source_words(self) -> str:
        """Return the statistic in words: "votes of 49 patches a channel, form paper"."""
        found = self.output
        if found.selection:
            what = "votes" if found.kind == "votes" else "score to the selective pooling"
            return f"{what} of {_patches(found.selection)}"
        if found.kind == "norm":
            return f"norm {found.stage} the final norm"
        return f"patch score to {'CLS' if found.vector == 'cls' else 'the mean patch'}"

    def array(self, models: Mapping[str, BackboneInfo]) -> ArrayField:
        """Return what is stored of an image: (N,), votes uint16, others float32.

        models: what is known of the models, by their names. A bad image has NaN, or no votes.
        """
        shape = (models[self.model.name].patches(self.input_size),)
        if self.output.kind == "votes":
            return ArrayField(self.stage, shape, "uint16", 0)
        return ArrayField(self.stage, shape, "float32", math.nan)

    def maps(self, rows: NDArray[Any], prefix: int, heads: str, reading: str) -> NDArray[Any]:
        """Return statistics (B, N) as maps over the patch grid: float64 (B, g, g).

        Each map sums to 1. Votes are divided by their sum. Scores are first brought to [0, 1] for
        each image; an image whose scores are all equal has a uniform map. prefix, heads and reading
        mean nothing here, as there are no prefix tokens and no heads.

        Raises UsageError for norms, which say nothing of where to look.
        """
        del prefix, heads, reading
        if self.output.kind == "norm":
            raise UsageError("The norms of patches are no map of where to look.")
        values = np.asarray(rows, np.float64)
        return normalize(square(values if self.output.kind == "votes" else _spread(values)))


def _spread(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bring the scores of each image, (B, N), to [0, 1]; equal ones become 1."""
    least = scores.min(axis=1, keepdims=True)
    span = scores.max(axis=1, keepdims=True) - least
    with np.errstate(invalid="ignore"):
        return np.where(span == 0, 1.0, (scores - least) / span)


def _patches(selection: Selection) -> str:
    patches = "1 patch" if selection.k == "1" else f"{selection.k} patches"
    form = "" if selection.form == "released" else f", form {selection.form}"
    kernel = "" if selection.kernel == "released" else f", kernel {selection.kernel}"
    return f"{patches} a channel{form}{kernel}"
