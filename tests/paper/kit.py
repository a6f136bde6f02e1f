"""Results of presets for these tests: the published numbers of a table, each a little off."""

from dataclasses import replace
from pathlib import Path

from a2pipe.paper.published import published
from a2pipe.paper.results import Measured, PaperResult, Replacement, result_json

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
