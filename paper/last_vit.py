"""Read the numbers that the LaSt-ViT paper prints (arXiv 2602.22394v2), those of others among them.

They lie in `published_data/last_vit.csv`, one line a number, under this package's own names for
datasets and the paper's for methods and backbones. Where the paper prints a figure and no number,
the number was read off the figure.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

_COMMANDS = {
    "object-discovery": ("boxes of objects found without labels", "a2pipe discover"),
    "choice-of-k": ("pooling, and K, by accuracy and CorLoc", "a2pipe discover"),
    "coarse-segmentation": ("foreground against masks", "a2pipe discover"),
    "point-in-box": (
        "highest patch in the box (tables 1, 3)",
        "a2pipe localize --evaluation point-in-box",
    ),
    "window-attention": ("windows in place of global attention", "a2pipe train lastvit"),
    "patch-size": ("larger patches (figure 3)", "a2pipe train lastvit"),
    "masking": ("accuracy by hidden patches (figure 6)", "a2pipe probe-masking"),
    "norms": ("norms of patches (a figure)", "a2pipe patches"),
    "checkpoint": ("accuracy of the released checkpoint", ""),
}
"""What each table is about, and the command that measures the like; "" if none does alone."""


@dataclass(frozen=True)
class LastVitNumber:
    """A LastVitNumber is one number of the paper.

    table: one of those that `overview` lists. method: what the row is about, such as "LOST" or
        "LaSt-ViT". backbone: in words. dataset: a name of this package, or "" for none of it.
    metric: "corloc", "miou", "point_in_box", "top1" or "top5", in percent; "norm_mean",
        "norm_median" or "norm_tail", where the histogram ends; "images_per_second"; "column_voc"
        and "column_coco" stand as the columns VOC and COCO of the table, in percent.
    value: the number. read_off: whether it was read off a figure, to about one in a hundred of the
        figure's height.
    """

    table: str
    method: str
    backbone: str
    dataset: str
    metric: str
    value: float
    read_off: bool

    @property
    def label(self) -> str:
        """Return the row in words: "LOST, DINO ViT-S"."""
        return f"{self.method}, {self.backbone}"


def published_of(dataset: str, metrics: Sequence[str]) -> tuple[LastVitNumber, ...]:
    """Return the numbers of a dataset and of some metrics, in the paper's order; () if none."""
    return tuple(each for each in numbers() if each.dataset == dataset and each.metric in metrics)


def overview() -> list[dict[str, Any]]:
    """Return one row a table, as plain values.

    id, what, datasets, numbers: its name, what it is about, on which datasets, and how many numbers
    it has. read_off: how many of these were read off a figure. command: what measures the like, on
    models whose weights you have or on small ones that it trains; "" where no command does.
    """
    tables: dict[str, list[LastVitNumber]] = {}
    for each in numbers():
        tables.setdefault(each.table, []).append(each)
    return [
        {
            "id": f"last-vit/{table}",
            "what": _COMMANDS[table][0],
            "datasets": list(dict.fromkeys(each.dataset for each in found if each.dataset)),
            "numbers": len(found),
            "read_off": sum(each.read_off for each in found),
            "command": _COMMANDS[table][1],
        }
        for table, found in tables.items()
    ]


@cache
def numbers() -> tuple[LastVitNumber, ...]:
    """Return all numbers, table by table."""
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
            line["read_off"] == "1",
        )
        for line in lines
    )
