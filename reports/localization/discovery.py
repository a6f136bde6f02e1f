"""Object discovery holds how well every map found objects, with intervals; all shares in [0, 1]."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..json_file import FloatOrNaN, JsonFile

COLUMNS = ("map", "threshold", "boxes", "CorLoc", "interval", "masks", "mIoU", "interval of mIoU")


@dataclass(frozen=True)
class Estimate:
    """An Estimate is a mean over images.

    n: the images that it is over. n_left_out: images of the split that have no answer, such as
        those without a box or a mask.
    mean: over the n images. low, high: the ends of its bootstrap interval.
    record: the fingerprint of the stored value of each image.
    """

    n: int
    n_left_out: int
    mean: FloatOrNaN
    low: FloatOrNaN
    high: FloatOrNaN
    record: str = ""


@dataclass(frozen=True)
class DiscoveryLine:
    """A DiscoveryLine is one map and one threshold.

    map: in words, such as "dinov2_vits14, block 12". model: its name.
    kind: "control" for a model with random weights.
    threshold: the rule by which the map becomes a foreground, "mean+std" or "top60".
    corloc: the share of images with boxes in which an object was found; None without boxes.
    miou: the mean intersection over union with masks; None without masks.
    """

    map: str
    model: str
    kind: Literal["attention", "control"]
    threshold: str
    corloc: Estimate | None
    miou: Estimate | None


@dataclass(frozen=True)
class Discovery:
    """A Discovery is every map of an experiment, compared with boxes and masks of one split.

    name: of the experiment. dataset: its name. collection: the digest of images, boxes and splits.
    split: "train", "val", "test", or "all" for every image.
    image_size, geometry: of the canvas that models are shown. created: the moment in ISO 8601.
    version: of the package. resamples, level, seed: of the bootstrap intervals.
    lines: one for each map and threshold. notes: paragraphs that a reader must see first.
    run: versions, device, host, command, seconds, forward passes and bad images.
    """

    name: str
    dataset: str
    collection: str
    split: str
    image_size: int
    geometry: str
    created: str
    version: str
    resamples: int
    level: FloatOrNaN
    seed: int
    lines: tuple[DiscoveryLine, ...]
    notes: tuple[str, ...] = ()
    run: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return DISCOVERY_FILE.content(self)


DISCOVERY_FILE = JsonFile(
    Discovery, 1, "discovery", "is no result of `a2pipe discover`", "run the command again"
)


@dataclass(frozen=True)
class PublishedLine:
    """A PublishedLine is a row of a paper: method and backbone in words, and shares or None."""

    map: str
    corloc: float | None = None
    miou: float | None = None


def discovery_table(
    discovery: Discovery, published: Sequence[PublishedLine] = ()
) -> list[dict[str, Any]]:
    """Return a line for each map and threshold in percent, then the published ones.

    Columns that would be empty are left out.
    """
    ours = [_line(each) for each in discovery.lines]
    theirs = [_published(each) for each in published]
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in (*ours, *theirs)]
    shown = [name for name in COLUMNS if any(row[name] not in ("", None) for row in rows)]
    return [{name: row[name] for name in shown} for row in rows]


def _line(line: DiscoveryLine) -> tuple[Any, ...]:
    return (line.map, line.threshold, *_estimate(line.corloc), *_estimate(line.miou))


def _published(line: PublishedLine) -> tuple[Any, ...]:
    found, segmented = (_percent(value) for value in (line.corloc, line.miou))
    return (f"published: {line.map}", "", None, found, "", None, segmented, "")


def _estimate(found: Estimate | None) -> tuple[Any, ...]:
    if found is None:
        return None, "", ""
    return found.n, _percent(found.mean), f"{_percent(found.low)} to {_percent(found.high)}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"
