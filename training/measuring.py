"""Measure a classifier: accuracy, Point-in-Box, norms of patches, and accuracy under masking.

All scores follow LaSt-ViT (arXiv 2602.22394), sections 3 and 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from math import isqrt

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from ..errors import A2pipeError, BadImageError
from ..metrics.localization import patch_centres
from ..metrics.point_in_box import point_in_box, share_inside, touched_patches
from ..models.classifiers.network import Classifier, Tokens, chosen
from ..models.outputs import Pool, Selection
from ..models.patches.reading import cosine
from ..models.patches.selection import count_votes
from ..models.preprocessing import normalize, to_unit
from ..models.zoo.model_entry import IMAGENET
from ..stages.geometry import Canvas
from ..stages.pixels import load_canvas
from .data import Boxed, Measured
from .draws import seed_of

AT_ONCE = 128
"""A pass has so many images."""
QUANTILE = 0.99
ORDERS = ("highest", "lowest", "random")
VOTES = Selection("1")
"""Votes are those of one patch a channel, whatever K a head reads, so that heads compare."""

MayStop = Callable[[], None]
Numbers = dict[str, float]


@dataclass(frozen=True)
class Shown:
    """Shown are the measured images as a network is shown them.

    pixels: uint8 (n, side, side, 3). labels: int64 (n,). digests: of their files. boxed: those with
    boxes. rule: "point-in-box" or "centre". shares: of the patches that are masked.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    digests: tuple[str, ...]
    boxed: Boxed
    rule: str
    shares: tuple[float, ...]


@dataclass(frozen=True)
class Readings:
    """Readings are what one pass over the measured images gave.

    logits: float32 (n, classes). maps: by name, float32 (n, N). norms: float32 (n, N), lengths of
    the patches after the final norm. ranked: which map says how a patch stands to what the head
    reads.
    """

    logits: Tensor
    maps: dict[str, Tensor]
    norms: Tensor
    ranked: str


def show(
    measured: Measured, canvas: Canvas, rule: str, shares: Sequence[float], threads: int
) -> Shown:
    """Decode the measured images. Raises A2pipeError for one that cannot be read."""
    images = measured.images
    with ThreadPoolExecutor(threads) as pool:
        pixels = list(pool.map(partial(_canvas, canvas), images.paths))
    return Shown(
        np.stack(pixels), images.labels, images.digests, measured.boxed, rule, tuple(shares)
    )


def _canvas(canvas: Canvas, path: str) -> NDArray[np.uint8]:
    try:
        return load_canvas(path, canvas)
    except BadImageError as error:
        raise A2pipeError(f"{path} cannot be measured on: {error}; leave it out.") from error


def measure(classifier: Classifier, shown: Shown, may_stop: MayStop) -> Numbers:
    """Return accuracy, loss, Point-in-Box, norms and accuracy under masking of a classifier.

    may_stop: is called before each pass.

    "accuracy", and "accuracy_highest_50" for half of the patches masked, highest score first, are
    shares. "pib_cls", "pib_pooled" and "pib_votes" are the shares of images whose highest patch is
    in a box, by the cosine with CLS, the cosine with the pooled vector, and the votes; "inside" is
    what a random patch would score. "norm_max" is the mean over images of the longest patch, and
    "norm_q99" the 0.99 quantile over all patches. What needs boxes is left out without them.
    """
    readings = read(classifier, shown, may_stop)
    labels = torch.from_numpy(shown.labels)
    found = {
        "accuracy": _accuracy(readings.logits, shown.labels),
        "loss": float(cross_entropy(readings.logits.double(), labels)),
        **_points(readings, shown),
        "norm_max": float(readings.norms.max(dim=1).values.double().mean()),
        "norm_q99": float(np.quantile(readings.norms.double().numpy(), QUANTILE)),
    }
    return found | masking_curves(classifier, shown, readings.maps[readings.ranked], may_stop)


def read(classifier: Classifier, shown: Shown, may_stop: MayStop) -> Readings:
    """Run a pass over all images and read scores, votes and norms off their tokens."""
    parts = []
    for images in _passes(classifier, shown.pixels, None, may_stop):
        tokens = classifier.tokens(images)
        maps = _maps(classifier, tokens)
        logits = classifier.logits(classifier.pooled(tokens))
        norms = tokens.patches.square().sum(dim=-1).sqrt()
        parts.append([logits.cpu(), norms.cpu(), *(each.cpu() for each in maps.values())])
    logits, norms, *rest = (torch.cat(each) for each in zip(*parts, strict=True))
    ranked = "cls" if classifier.pool.kind == "cls" else "pooled"
    return Readings(logits, dict(zip(maps, rest, strict=True)), norms, ranked)


def _maps(classifier: Classifier, tokens: Tokens) -> dict[str, Tensor]:
    # A head that reads CLS pools no patch; the plain mean stands for its pooled vector.
    pool = Pool("mean") if classifier.pool.kind == "cls" else classifier.pool
    found = {} if tokens.cls is None else {"cls": cosine(tokens.patches, tokens.cls)}
    found["pooled"] = cosine(tokens.patches, classifier.pooled(tokens, pool))
    found["votes"] = count_votes(chosen(tokens.patches, VOTES)).float()
    return found


def _points(readings: Readings, shown: Shown) -> Numbers:
    boxed = shown.boxed
    if not len(boxed.places):
        return {}
    grid, side = isqrt(readings.norms.shape[1]), shown.pixels.shape[1]
    if shown.rule == "centre":
        inside = patch_centres(boxed.boxes, side, grid)
    else:
        inside = touched_patches(np.concatenate(boxed.boxes), side, grid)
    found = {"inside": float(share_inside(inside).mean())}
    for name, scores in readings.maps.items():
        maps = scores[torch.from_numpy(boxed.places)].double().numpy().reshape(-1, grid, grid)
        found[f"pib_{name}"] = float(point_in_box(maps, inside).mean())
    return found


def masking_curves(
    classifier: Classifier, shown: Shown, scores: Tensor, may_stop: MayStop
) -> Numbers:
    """Return the accuracy with some patches of the input masked, by order and share in percent.

    scores: float32 (n, N), from the pass without masks. A masked patch is 0 after normalisation,
    the mean colour. In the order "random" each image has a permutation of its own.
    """
    patches = scores.shape[1]
    found = {}
    for order in ORDERS:
        ranks = _ranks(scores, shown.digests, order)
        for share in shown.shares:
            kept = ranks >= round(share * patches)
            logits = [
                classifier(images).cpu()
                for images in _passes(classifier, shown.pixels, kept, may_stop)
            ]
            name = f"accuracy_{order}_{round(100 * share)}"
            found[name] = _accuracy(torch.cat(logits), shown.labels)
    return found


def _ranks(scores: Tensor, digests: Sequence[str], order: str) -> Tensor:
    """Return the place of each patch in an order: int64 (n, N); of equal scores the first leads."""
    if order == "random":
        places = [
            np.random.Generator(np.random.PCG64(seed_of("mask", digest))).permutation(
                scores.shape[1]
            )
            for digest in digests
        ]
        return torch.from_numpy(np.stack(places))
    sorted_patches = scores.argsort(dim=1, descending=order == "highest", stable=True)
    return sorted_patches.argsort(dim=1)


def _passes(
    classifier: Classifier, pixels: NDArray[np.uint8], kept: Tensor | None, may_stop: MayStop
) -> Iterator[Tensor]:
    """Yield normalised images on the classifier's device, a pass at a time.

    kept: bool (n, N), False for patches that are masked; None masks none.
    """
    device = classifier.head.weight.device
    for start in range(0, len(pixels), AT_ONCE):
        may_stop()
        images = normalize(to_unit(pixels[start : start + AT_ONCE], device), *IMAGENET)
        if kept is not None:
            images = images * _squares(kept[start : start + AT_ONCE], images)
        yield images


def _squares(kept: Tensor, images: Tensor) -> Tensor:
    """Return a mask of patches (B, N) as one of pixels (B, 1, side, side)."""
    grid, side = isqrt(kept.shape[1]), images.shape[-1]
    cells = torch.arange(side, device=images.device) * grid // side
    mask = kept.to(images).reshape(-1, 1, grid, grid)
    return mask[:, :, cells][:, :, :, cells]


def _accuracy(logits: Tensor, labels: NDArray[np.int64]) -> float:
    return float((logits.argmax(dim=1).numpy() == labels).mean())
