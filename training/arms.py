"""The arms of a training are all combinations of the values that the experiment lists."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

from ..models.classifiers.design import Design
from ..pipeline.experiment.schema import Experiment


@dataclass(frozen=True)
class Arm:
    """An Arm is one network that is trained. design: what it is. seed: of all that is drawn."""

    design: Design
    seed: int

    @property
    def traits(self) -> dict[str, str | int]:
        """Return what tells arms of one experiment apart, by name."""
        if not self.design.is_vit:
            return {"network": self.design.network, "pool": self.design.pool, "seed": self.seed}
        windows = self.design.window or "global"
        return {
            "pool": self.design.pool,
            "patch": self.design.patch,
            "window": windows,
            "seed": self.seed,
        }

    @property
    def name(self) -> str:
        """Return a name of its own, fit for a folder, such as "selective-1_patch-16_seed-0"."""
        traits = {name: value for name, value in self.traits.items() if value != "global"}
        words = [str(traits.pop("network", "")), str(traits.pop("pool"))]
        words += [f"{name}-{value}" for name, value in traits.items()]
        return "_".join(filter(None, words)).replace(":", "-").replace("/", "-of-")

    def settings(self) -> dict[str, Any]:
        """Return the design and the seed as plain values."""
        return {**asdict(self.design), "seed": self.seed}


def arms_of(experiment: Experiment, classes: int) -> Iterator[Arm]:
    """Yield the arms: every pool with every patch, window and seed.

    A ResNet has neither patches nor windows. classes: of the dataset.
    """
    section, side = experiment.training, experiment.image.size
    blocks = () if section.windowed == "all" else section.windowed
    if section.network != "vit":
        for pool, window, seed in product(section.pool, section.window, section.seed):
            yield Arm(Design(section.network, pool, classes, side, window=window), seed)
        return
    for pool, patch, window, seed in product(
        section.pool, section.patch, section.window, section.seed
    ):
        yield Arm(
            Design(
                network="vit",
                pool=pool,
                classes=classes,
                side=side,
                patch=patch,
                dim=section.dim,
                depth=section.depth,
                heads=section.heads,
                window=window,
                windowed=blocks if window else (),
            ),
            seed,
        )
