"""Read the numbers that the A² paper prints: its tables 1 to 31 (arXiv 2606.03148v1).

They lie in `published_data/a2_tables.csv`, one line a number, under this package's own names for
models, datasets and head aggregators. The paper's DINOv2 is read as the models with registers, its
OpenCLIP "ViT-G-14" as ViT-g/14.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from typing import Any

from ..errors import UsageError


@dataclass(frozen=True)
class Number:
    """A Number stands in the paper; a text is "", a number 0 where none is printed or apt.

    table, row: from 1, in the order of the paper. label: of the row, the paper's words.
    method: "a2-lr", "a2-zs", "full-lr", "center-lr", "dfr", "dfr-a2", "ttr", ...; "" is attention
        maps or data alone. "-lr" is a logistic regression, "-zs" zero-shot, "full" the full image.
    dataset: a name of this package, or "mean-of-five" for the mean of tables 25 to 29.
    split: "train", "val" or "test"; ImageNet's validation images are "test", as in this package.
    subset: a group, class or distance stratum of the split; "" is all of it. In table 4 also what
        else is counted.
    metric: "accuracy", "wga", "worst_class", "mass", "hit", "entropy" (normalised), "top10",
        "top25", "count", "coverage", or the setting of table 31. "worst" is a mean of "wga" over
        four datasets and "worst_class" over one (table 24). "adjusted_accuracy" weighs groups by
        their share of the training set, as the work does whose ResNet-50 rows table 8 repeats.
    unit: "percent", "share" (of 1), "count" or "setting"; std has that of value.
    std: None where none is printed; over images in tables 19, 20, 22 and 23, elsewhere over seeds.
    n: test images. attention, embedding: models; "resnet50" is none of this package. A method that
        has one model has it as embedding.
    heads: the aggregator that tables 21 to 23 are about. crops: sides in pixels, where stated.
    image_size: side in pixels. parameters: millions, of the model that the rows compare.
    group_labels: whether the method is trained with group labels.
    seeds: over how many the value is a mean.
    """

    table: int
    row: int
    label: str
    method: str
    dataset: str
    split: str
    subset: str
    metric: str
    unit: str
    value: float
    std: float | None
    n: int
    attention: str
    embedding: str
    heads: str
    crops: tuple[int, ...]
    image_size: int
    parameters: float
    group_labels: bool
    seeds: int

    @property
    def key(self) -> str:
        """Return where the number stands, in words that no other has; results refer to it so."""
        place = (self.method, self.dataset, self.split, self.subset, self.metric, self.embedding)
        return "/".join([f"table-{self.table}", f"row-{self.row}", *filter(None, place)])


def published(
    table: int | None = None, dataset: str | None = None, metric: str | None = None
) -> tuple[Number, ...]:
    """Return the numbers of a table, a dataset and a metric, in the paper's order.

    None stands for any. Nothing is returned if each is known but no number is of all three.

    Raises:
        UsageError: the paper has no number at all of the table, the dataset or the metric.
    """
    numbers = _numbers()
    _check("table", table, dict.fromkeys(each.table for each in numbers))
    _check("dataset", dataset, dict.fromkeys(each.dataset for each in numbers if each.dataset))
    _check("metric", metric, dict.fromkeys(each.metric for each in numbers))
    return tuple(
        each
        for each in numbers
        if table in (None, each.table)
        and dataset in (None, each.dataset)
        and metric in (None, each.metric)
    )


def _check(kind: str, name: int | str | None, known: Collection[int | str]) -> None:
    if name is not None and name not in known:
        choices = ", ".join(map(str, known))
        raise UsageError(f"The A² paper has no numbers of {kind} {name!r}; choose from: {choices}.")


@cache
def _numbers() -> tuple[Number, ...]:
    data = files(__package__).joinpath("published_data", "a2_tables.csv")
    lines = data.read_text(encoding="utf-8").splitlines()
    return tuple(map(_number, csv.DictReader(lines)))


def _number(line: dict[str, str]) -> Number:
    return Number(**{each.name: _READ[str(each.type)](line[each.name]) for each in fields(Number)})


_READ: dict[str, Callable[[str], Any]] = {
    "str": str,
    "int": lambda text: int(text or 0),
    "float": lambda text: float(text or 0),
    "float | None": lambda text: float(text) if text else None,
    "bool": lambda text: text == "1",
    "tuple[int, ...]": lambda text: tuple(int(side) for side in text.split("+") if side),
}
"""It gives what reads a column, by the type of the field."""
