"""Find one object in each image by a map, and compare it with the image's boxes or its mask."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..datasets.collection import NO_BOXES, Collection
from ..datasets.masks import read_mask
from ..metrics.discovery import (
    IGNORED,
    THRESHOLDS,
    bounding_boxes,
    foreground_iou,
    found_objects,
    peak_components,
)
from .attention import grid_map
from .geometry import Frame
from .localization import samples_of
from .specs import DiscoverSpec

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scene:
    """A Scene is an image in which an object is to be found, and what is known of its objects.

    image: its digest. sample: position in the collection of the first sample that shows it.
    size: width and height of the upright original in pixels.
    boxes: float64 (k, 4), those of all its samples in pixels of the original; k may be 0.
    mask: path of its mask; "" if it has none.
    """

    image: str
    sample: int
    size: tuple[int, int]
    boxes: Floats
    mask: str


def find_scenes(collection: Collection, split: str) -> list[Scene]:
    """Return the images of a split that can be read, each once, in order of appearance.

    Raises:
        UsageError: the collection has splits, but no image in this one, or none can be read.
    """
    samples: dict[str, list[int]] = {}
    for sample in samples_of(collection, split):
        samples.setdefault(collection.digests[sample], []).append(sample)
    return [_scene(collection, image, found) for image, found in samples.items()]


def discovered_boxes(
    spec: DiscoverSpec, rows: NDArray[Any], prefix: int, sizes: Sequence[tuple[int, int]]
) -> Floats:
    """Return the box of the object that a map finds in each image, float64 (n, 4).

    The foreground of the map is thresholded; the box is around that part of it which is connected
    with the map's peak, from the outer edges of its patches. It is in pixels of the original, x0,
    y0, x1, y1, half-open, and shows no padding of the canvas. An image whose map is not finite has
    the box 0, 0, 0, 0.

    rows: what is stored of the map's source. prefix: how many tokens come before the patches.
    sizes: width and height of each original.
    """
    maps = grid_map(spec.map, rows, prefix)
    cells = bounding_boxes(peak_components(THRESHOLDS[spec.threshold](maps), maps))
    canvas = spec.map.attention.pixels
    patch = canvas.side // maps.shape[-1]
    found = np.zeros((len(cells), 4))
    for place, (box, size) in enumerate(zip(cells.tolist(), sizes, strict=True)):
        if any(box):
            x0, y0, x1, y1 = (edge * patch for edge in box)
            found[place] = canvas.frame(*size).seen((x0, y0, x1, y1))
    return found


def discovery_values(
    spec: DiscoverSpec, rows: NDArray[Any], prefix: int, scenes: Sequence[Scene]
) -> Floats:
    """Return how well a map finds the objects of n images, (n,); NaN where there is no answer.

    With the truth "boxes" it is 1 or 0 (`metrics.discovery.found_objects`), else the intersection
    over union of the foreground with the mask, over the pixels of the model's canvas.
    """
    if spec.truth == "boxes":
        boxes = discovered_boxes(spec, rows, prefix, [scene.size for scene in scenes])
        return found_objects(boxes, [scene.boxes for scene in scenes])
    maps = grid_map(spec.map, rows, prefix)
    canvas = spec.map.attention.pixels
    patch = canvas.side // maps.shape[-1]
    foreground = THRESHOLDS[spec.threshold](maps)
    values = np.full(len(scenes), np.nan)
    for place, scene in enumerate(scenes):
        truth = mask_on_canvas(
            read_mask(scene.mask, scene.size), canvas.frame(*scene.size), canvas.side
        )
        pixels = foreground[place].repeat(patch, axis=0).repeat(patch, axis=1)
        if foreground[place].any():
            values[place] = foreground_iou(pixels, truth)
    return values


def mask_on_canvas(mask: NDArray[np.uint8], frame: Frame, side: int) -> NDArray[np.uint8]:
    """Return what a canvas shows of a mask (height, width): uint8 (side, side).

    Each pixel has the value that the mask has under its centre. Padding does not count: it is 255.
    """
    left, top, right, bottom = frame.filled
    rows = _under_centres(frame, 1, mask.shape[0])
    columns = _under_centres(frame, 0, mask.shape[1])
    canvas = np.full((side, side), IGNORED, np.uint8)
    canvas[top:bottom, left:right] = mask[np.ix_(rows, columns)]
    return canvas


def _under_centres(frame: Frame, axis: int, length: int) -> NDArray[np.int64]:
    """Return the pixel of the original under each filled pixel's centre along an axis."""
    start, stop = frame.shown[axis], frame.shown[axis + 2]
    count = frame.filled[axis + 2] - frame.filled[axis]
    places = start + (np.arange(count) + 0.5) * (stop - start) / count
    return np.clip(np.floor(places).astype(np.int64), 0, length - 1)


def _scene(collection: Collection, image: str, samples: Sequence[int]) -> Scene:
    """Return what the samples that show an image say of it."""
    width, height = (int(length) for length in collection.sizes[samples[0]])
    masks = [collection.masks[sample] for sample in samples] if collection.masks else []
    known = [collection.boxes[sample] for sample in samples if len(collection.boxes[sample])]
    return Scene(
        image=image,
        sample=samples[0],
        size=(width, height),
        boxes=np.concatenate(known) if known else NO_BOXES,
        mask=next(filter(None, masks), ""),
    )
