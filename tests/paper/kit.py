"""Results of presets, the published numbers of a table each a little off, and tiny collections."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from a2pipe.datasets.collection import Collection
from a2pipe.paper.cells import CANVAS
from a2pipe.paper.published import published
from a2pipe.paper.results import Measured, PaperResult, Replacement, result_json
from a2pipe.pipeline.planning.rows import PlanRow
from a2pipe.pipeline.results.cells import CellResult
from a2pipe.stages.specs import AttentionSpec, MapSpec, ModelSpec

SMALL, BASE, LARGE, GIANT = (f"dinov2_vit{letter}14_reg" for letter in "sblg")


MATRIX_DATASETS = dict(
    zip(
        range(11, 16),
        (
            "spawrious-o2o-hard",
            "spawrious-m2m-hard",
            "waterbirds",
            "metashift-cat-dog",
            "metashift-animals",
        ),
        strict=True,
    )
)


def result(table: int, dataset: str, shift: float = 0.0, **fields: object) -> PaperResult:
    """The published numbers of a table on a dataset, each shifted by so many of its unit."""
    measured = tuple(
        Measured(number.key, number.value + shift)
        for number in published(table)
        if number.dataset == dataset
    )
    base = PaperResult(f"table-{table}", (table,), dataset, "c0", "2026", "1", measured)
    return replace(base, **fields)


O2O = "spawrious-o2o-hard"


def dinov3() -> list[PaperResult]:
    places = ("metashift-animals", "metashift-cat-dog", O2O, "spawrious-m2m-hard", "waterbirds")
    return [result(table, name) for table, name in zip(range(25, 30), places, strict=True)]


STAND_INS = (Replacement("attention", SMALL, "tiny"), Replacement("embedding", SMALL, "tiny"))


def write(folder: Path, *results: PaperResult) -> Path:
    for number, each in enumerate(results):
        place = folder / f"{number}"
        place.mkdir(parents=True)
        (place / "paper.json").write_text(result_json(each), encoding="utf-8")
    return folder


CLASSES, GROUPS = ("cat", "dog"), ("cat in", "cat out", "dog in", "dog out")

MODEL = ModelSpec("vit", "00", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), name="localizer")


def collection(
    labels: list[int], groups: list[int], splits: list[str], boxes: list[tuple[float, ...]] = ()
) -> Collection:
    """Samples of 224 x 224 px."""
    n = len(labels)
    return Collection(
        name="tiny",
        paths=tuple(f"/{i}.png" for i in range(n)),
        labels=np.array(labels, np.int64),
        class_names=CLASSES,
        groups=np.array(groups, np.int64),
        group_names=GROUPS,
        splits=np.array(splits),
        boxes=tuple(np.array([box], float) for box in boxes) or (np.zeros((0, 4)),) * n,
        image_ids=tuple(map(str, range(n))),
        digests=tuple(f"{i:032x}" for i in range(n)),
        sizes=np.full((n, 2), CANVAS, np.int64),
        unreadable={},
    )


def cell(row: PlanRow, **predicted: tuple[list[int], list[int]]) -> CellResult:
    """A cell with positions and predictions by split."""
    arrays = {}
    for split, (index, classes) in predicted.items():
        arrays[f"{split}_index"] = np.array(index, np.int64)
        arrays[f"{split}_predictions"] = np.array(classes, np.int64)
    return CellResult(row, "embedder", "logistic", "record", {}, arrays)


def row(crops: tuple[int, ...] = (64,)) -> PlanRow:
    attention = AttentionSpec(MODEL, CANVAS, 12)
    return PlanRow(
        f"localizer/{crops}",
        "localizer",
        "attention",
        (),
        "localizer",
        crops,
        map=MapSpec(attention, "mean", "slice", 1),
    )


FOUR = collection([0, 0, 0, 1, 1, 0], [0, 0, 1, 2, 3, 0], ["test"] * 5 + ["train"])
