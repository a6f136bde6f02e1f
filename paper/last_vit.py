"""Read the numbers that the LaSt-ViT paper prints (arXiv 2602.22394v2), those of others among them.

They lie in `published_data/last_vit.csv`, one line a number, under this package's own names for
datasets and the paper's for methods and backbones.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class LastVitNumber:
    """A LastVitNumber is one number of the paper.

    table: "object-discovery", "choice-of-k" (how K changes it) or "coarse-segmentation".
    method: what the row is about, such as "LOST" or "LaSt-ViT". backbone: in words.
    dataset: a name of this package. metric: "corloc" or "miou". value: in percent.
    """

    table: str
    method: str
    backbone: str
    dataset: str
    metric: str
    value: float

    @property
    def label(self) -> str:
        """Return the row in words: "LOST, DINO ViT-S"."""
        return f"{self.method}, {self.backbone}"


def published_of(dataset: str, metrics: Sequence[str]) -> tuple[LastVitNumber, ...]:
    """Return the numbers of a dataset and of some metrics, in the paper's order; () if none."""
    return tuple(each for each in _numbers() if each.dataset == dataset and each.metric in metrics)


@cache
def _numbers() -> tuple[LastVitNumber, ...]:
    data = files(__package__).joinpath("published_data", "last_vit.csv")
    lines = csv.DictReader(data.read_text(encoding="utf-8").splitlines())
    return tuple(
        LastVitNumber(
            line["table"],
            line["method"],
            line["backbone"],
            line["dataset"],
            line["metric"],
            float(line["value"]),
        )
        for line in lines
    )
