"""A study of patches holds distributions of their norms and scores, model by model.

It is plain frozen data that `patches.json` holds and the tables and plots read.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ...metrics.patches.distribution import QUANTILES, Distribution
from ..json_file import FloatOrNaN, JsonFile
from ..tables import csv_text

_NUMBERS = ("n", "mean", *QUANTILES, "smallest", "largest", "above")
_COLUMNS = [
    *("study", "dataset", "collection", "split", "image_size", "geometry", "cut"),
    *("model", "family", "parameters", "kind", "registers", "patch", "statistic"),
    *("images", "images_with_sides", "patches", *_NUMBERS),
]


@dataclass(frozen=True)
class PatchLine:
    """A PatchLine is a statistic of the patches of one model, and how it is distributed.

    model, family, parameters, kind, registers, patch: as in a localisation study.
    statistic: "norm", "norm:before", "patch-score:cls", "pooled-score:49" or the like. Scores are
        brought to [0, 1] by the smallest and the largest one of each image.
    images: how many were read. images_with_sides: those that have foreground and background.
    distributions: of "all" patches, and of "foreground" and "background" where there are any.
    """

    model: str
    family: str
    parameters: FloatOrNaN
    kind: Literal["attention", "control"]
    registers: int
    patch: int
    statistic: str
    images: int
    images_with_sides: int
    distributions: tuple[Distribution, ...]

    @property
    def is_norm(self) -> bool:
        """Return whether norms are described, and not scores in [0, 1]."""
        return self.statistic.startswith("norm")


@dataclass(frozen=True)
class PatchStudy:
    """A PatchStudy describes the patches of every model of an experiment, on one split.

    name, dataset, collection, split, image_size, geometry, created, version, notes, run: as in a
        localisation study. cut: the norm above which patches are counted; None for none.
    lines: one for each model and statistic.
    masks: digest of the masks that say which patches are foreground; "" if boxes say it.
    """

    name: str
    dataset: str
    collection: str
    split: str
    image_size: int
    geometry: str
    created: str
    version: str
    cut: float | None
    lines: tuple[PatchLine, ...]
    notes: tuple[str, ...] = ()
    run: dict[str, Any] = field(default_factory=dict)
    masks: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, as they stand in the file."""
        return PATCHES_FILE.content(self)


PATCHES_FILE = JsonFile(
    PatchStudy,
    1,
    "patches",
    "is no study of patches; give a patches.json of `a2pipe patches`",
    "write the study again",
)


def read_patches(path: Path) -> PatchStudy:
    """Return the study in a `patches.json`. Raises A2pipeError if it is missing or is none."""
    return PATCHES_FILE.read(path)


def foreground_words(study: PatchStudy) -> str:
    """Say in a sentence what foreground is; "" if no image has foreground and background."""
    if not any(line.images_with_sides for line in study.lines):
        return ""
    where = "in the mask of the image"
    if not study.masks:
        where = "in a box of the image (boxes stand in for masks)"
    return (
        f"foreground: patches of which more than half lies {where}; an image that has no patch on "
        "one of the sides counts among all patches alone"
    )


def patches_csv(study: PatchStudy) -> str:
    """Return one line for each distribution, at full precision, without its histogram."""
    lines = (
        {
            **vars(study),
            **vars(line),
            **vars(found),
            "study": study.name,
            "cut": study.cut if line.is_norm else None,
            "patches": found.name,
        }
        for line in study.lines
        for found in line.distributions
    )
    return csv_text(_COLUMNS, lines)


def patches_table(study: PatchStudy) -> list[dict[str, Any]]:
    """Return a line for each distribution, for a terminal: the numbers with four digits."""
    return [
        {
            "model": line.model,
            "statistic": line.statistic,
            "patches": found.name,
            "n": found.n,
            **{name: f"{getattr(found, name):.4g}" for name in ("mean", *QUANTILES, "largest")},
            **_above(study, line, found),
        }
        for line in study.lines
        for found in line.distributions
    ]


def _above(study: PatchStudy, line: PatchLine, found: Distribution) -> dict[str, str]:
    """Return the column of the share above the cut, if there is a cut; scores have a dash in it."""
    if study.cut is None:
        return {}
    known = line.is_norm and found.above is not None
    return {f"above {study.cut:g}": f"{found.above:.2%}" if known else "-"}
