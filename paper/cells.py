"""Translate each published number into the cells of a matrix that it is the mean of.

One table of methods says how the paper's rows are configured; everything else that a number needs
stands in the number itself. Whether this version can run it is asked in `presets`.
"""

from dataclasses import dataclass
from typing import Any, Literal

from .published import Number

SEEDS = 5
"""The paper averages this many refits and random draws."""
CANVAS = 224

CROPS: dict[str, tuple[int, ...]] = {
    "spawrious-o2o-hard": (64, 32),
    "spawrious-m2m-hard": (64, 32),
    "waterbirds": (64,),
    "metashift-cat-dog": (64, 32),
    "metashift-animals": (64, 32),
}
"""A²_LR has these crops, by dataset; so have random crops, whose sizes the paper does not give."""

How = Literal["cells", "map", "count", "coverage", "mean", "none"]
"""It says how we make a number. cells: the mean over cells; map: a measure of an attention map;
count: of the dataset's samples; coverage: of the crops alone; mean: of other numbers; none: this
package has no such method."""


@dataclass(frozen=True)
class Source:
    """A Source says what is embedded: crops of an attention map, or a baseline.

    attention: the attention model; "" for a baseline. crops: their sides in pixels of the canvas,
    also those of random crops. heads: the aggregator of the map. baseline: as an experiment has it;
    "" for crops of a map.
    """

    attention: str = ""
    crops: tuple[int, ...] = ()
    heads: str = ""
    baseline: str = ""


@dataclass(frozen=True)
class PaperHead:
    """A PaperHead is a head of the paper.

    kind: as an experiment has it. seed: which of the refits that are averaged; -1 if there is one
    fit only. projected: whether it sees the features that OpenCLIP projects into the space that it
    shares with text.
    """

    kind: str
    seed: int = -1
    projected: bool = False

    @property
    def label(self) -> str:
        """Return the name that matrices show, such as "dfr seed 0" or "logistic projected"."""
        name = self.kind if self.seed < 0 else f"{self.kind} seed {self.seed}"
        return f"{name} projected" if self.projected else name

    @property
    def needs_text_tower(self) -> bool:
        """Return whether it needs the embeddings of an OpenCLIP model."""
        return self.projected or self.kind == "zero-shot"


@dataclass(frozen=True)
class PaperCell:
    """A PaperCell is a matrix cell on a dataset: what is embedded, by which model, and the head."""

    dataset: str
    source: Source
    embedding: str
    head: PaperHead


@dataclass(frozen=True)
class PaperMap:
    """A PaperMap is an attention map of a study: model and aggregator, on a split of a dataset."""

    dataset: str
    split: str
    attention: str
    heads: str


@dataclass(frozen=True)
class Target:
    """A Target is a published number and what of ours stands beside it.

    how: see `How`. cells: those it is the mean of. map: the attention map it measures. reason: why
    nothing of ours stands beside it.
    """

    number: Number
    how: How
    cells: tuple[PaperCell, ...] = ()
    map: PaperMap | None = None
    reason: str = ""

    @property
    def datasets(self) -> tuple[str, ...]:
        """Return the datasets on which it is measured."""
        places = [self.number.dataset] if self.how in ("cells", "map", "count") else []
        return tuple(places)


@dataclass(frozen=True)
class _Method:
    """A _Method says how a method of the paper is configured.

    source: "attention", or a kind of baseline. head: its kind. seeds: how many draws, of crops or
    of the head, are averaged; 0 for a method that draws nothing.
    """

    source: str
    head: str
    seeds: int = 0


_METHODS = {
    "a2-lr": _Method("attention", "logistic"),
    "a2-zs": _Method("attention", "zero-shot"),
    "dfr-a2": _Method("attention", "dfr", SEEDS),
    "full-lr": _Method("full", "logistic"),
    "full-classifier": _Method("full", "logistic"),
    "full-zs": _Method("full", "zero-shot"),
    "dfr": _Method("full", "dfr", SEEDS),
    "center-lr": _Method("center", "logistic"),
    "random-lr": _Method("random", "logistic", SEEDS),
    "s2-lr": _Method("s2", "logistic"),
}
_EARLIER = "ResNet-50 rows are from earlier papers: published numbers only"
_IFAM = "iFAM is trained end to end: published numbers only"
_PUBLISHED_ONLY = {
    **dict.fromkeys(
        ("erm", "group-dro", "irm", "coral", "causirl", "cvar-dro", "lff", "jtt"), _EARLIER
    ),
    **dict.fromkeys(("ifam-k4", "ifam-k8"), _IFAM),
    "ttr": "TTR, which works on one image after the other, is not implemented",
    "a2-adapter": "the adapter for CelebA is not implemented",
    "a2-default": "it selects among the adapter's 58 candidate crops, which is not implemented",
}
MAP_METRICS = ("mass", "hit", "entropy", "top10", "top25")


def target_of(number: Number) -> Target:
    """Return what of ours stands beside a published number, or the reason why nothing does."""
    if number.embedding == "resnet50":
        return Target(number, "none", reason=_EARLIER)
    if number.method in _PUBLISHED_ONLY:
        return Target(number, "none", reason=_PUBLISHED_ONLY[number.method])
    if number.metric == "coverage":
        return Target(number, "coverage")
    if number.unit == "count":
        return Target(number, "count")
    if number.dataset == "mean-of-five":
        return Target(number, "mean")
    if number.metric in MAP_METRICS:
        return Target(number, "map", map=_map_of(number))
    return Target(number, "cells", cells=_cells_of(number, _METHODS[number.method]))


def _map_of(number: Number) -> PaperMap:
    return PaperMap(number.dataset, number.split, number.attention, number.heads or "mean")


def _cells_of(number: Number, method: _Method) -> tuple[PaperCell, ...]:
    """Return a cell, or one a seed, which is of the crops if these are random, else of the head."""
    seeds = range(method.seeds) if method.seeds else [-1]
    probes_clip = method.head == "logistic" and number.embedding.startswith("openclip")
    return tuple(
        PaperCell(
            number.dataset,
            _source(number, method, seed),
            number.embedding,
            PaperHead(method.head, -1 if method.source == "random" else seed, probes_clip),
        )
        for seed in seeds
    )


def _source(number: Number, method: _Method, seed: int) -> Source:
    if method.source == "attention":
        return Source(number.attention, number.crops, number.heads or "mean")
    if method.source == "random":
        return Source(crops=CROPS[number.dataset], baseline=f"random:{seed}")
    if method.source == "center":
        return Source(baseline=f"center:{number.crops[0]}")
    enlarged = number.image_size not in (0, CANVAS)
    return Source(baseline=f"{method.source}@{number.image_size}" if enlarged else method.source)


def head_parameters(head: PaperHead, dataset: str) -> dict[str, Any]:
    """Return the parameters of a head on a dataset that are not the head's own defaults.

    DFR is retrained on Waterbirds' validation split and on part of the training split elsewhere.
    """
    if head.kind != "dfr":
        return {"projected": True} if head.projected else {}
    return {"variant": "val" if dataset == "waterbirds" else "train", "seed": head.seed}
