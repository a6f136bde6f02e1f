"""Find out what is the matter with the boxes of a dataset, box by box."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...metrics.localization import covers_a_centre
from ...stages.geometry import Canvas

EXAMPLES = 3
"""So many images are named for each trait."""

OUTSIDE, WITHOUT_AREA = "outside the image", "without area"
BEYOND, CUT_AWAY = "that reach beyond the edge", "cut away by image.geometry"
VANISHING = "without a pixel on the canvas"
WRONG = (OUTSIDE, WITHOUT_AREA)
"""No image can have boxes of these traits; the others only tell what becomes of a box."""

Size = tuple[int, int]
"""A size is the width and height of an upright image in pixels."""
Boxes = NDArray[np.float64]
"""Boxes are (k, 4), each as x0, y0, x1, y1 in pixels of the upright image."""


@dataclass(frozen=True)
class BoxFinding:
    """A BoxFinding counts the boxes that share one trait.

    trait: what is the matter with them, as words after "boxes". boxes: how many there are.
    examples: ids of the first images that have one.
    """

    trait: str
    boxes: int
    examples: tuple[str, ...]


def find_traits(boxed: Iterable[tuple[str, Boxes, Size]], canvas: Canvas) -> Iterator[BoxFinding]:
    """Yield each trait that boxes have, with their number.

    boxed: id, boxes and size of each image. canvas: what the images are mapped to.
    """
    found: dict[str, list[str]] = {trait: [] for trait in (*WRONG, BEYOND, CUT_AWAY, VANISHING)}
    for image, boxes, size in boxed:
        for trait in filter(None, (trait_of(box, size, canvas) for box in boxes)):
            found[trait].append(image)
    details = {VANISHING: f" of {canvas.side}", CUT_AWAY: f" {canvas.geometry}"}
    for trait, images in found.items():
        if images:
            examples = tuple(dict.fromkeys(images))[:EXAMPLES]
            yield BoxFinding(trait + details.get(trait, ""), len(images), examples)


def trait_of(box: NDArray[np.float64], size: Size, canvas: Canvas) -> str:
    """Return what is the matter with a box (4,) of an image of this size, or ""."""
    x0, y0, x1, y1 = box.tolist()
    width, height = size
    if x1 <= x0 or y1 <= y0:
        return WITHOUT_AREA
    if x1 <= 0 or y1 <= 0 or x0 >= width or y0 >= height:
        return OUTSIDE
    if x0 < 0 or y0 < 0 or x1 > width or y1 > height:
        return BEYOND
    mapped = canvas.frame(width, height).to_canvas(box)
    if not len(mapped):
        return CUT_AWAY
    return "" if covers_a_centre(mapped, canvas.side) else VANISHING
