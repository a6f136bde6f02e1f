"""Draw a sheet of images with the patches that get votes, beside what looked before aggregation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...metrics.patches.votes import LEVELS, marked
from ..drawing import INK, MUTED
from ..labels import shortened, wrapped
from ..overlay import draw_attention, draw_boxes, draw_patches

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIDE = 1.35  # inches of a picture
_NO_BOXES = np.zeros((0, 4))


@dataclass(frozen=True, eq=False)
class VotedImage:
    """A VotedImage is one image of the sheet.

    name: of the image. image: uint8 (S, S, 3). truth: ground-truth boxes (k, 4) in its pixels.
    before: maps over the patches, (g, g), by what they are, such as "CLS attention".
    votes: whole numbers (g, g).
    """

    name: str
    image: NDArray[np.uint8]
    truth: NDArray[Any]
    before: dict[str, NDArray[np.floating[Any]]]
    votes: NDArray[Any]


@dataclass(frozen=True, eq=False)
class VoteSheet:
    """A VoteSheet holds the images that one model is shown on.

    model: its name. votes: what they are, in words. statistic: the same as the experiment has it,
    "votes:1". items: at least one, with the same maps each.
    """

    model: str
    votes: str
    statistic: str
    items: tuple[VotedImage, ...]


def vote_sheet(sheet: VoteSheet) -> Figure:
    """Draw a row for each image: the image, the maps before, the votes, and patches above levels.

    Maps are shown in the squares of the patches, brightest at their peak. Patches that are not
    above a level are darkened.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    before = list(sheet.items[0].before)
    heads = ["image", *before, "votes", *(f"above {level} %" for level in LEVELS)]
    size = _SIDE * len(heads) + 0.2, (_SIDE - 0.03) * len(sheet.items) + 0.75
    close = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.04, wspace=0.02, hspace=0.02)
    figure = Figure(figsize=size, layout=close)
    title = f"{wrapped(sheet.model, 60)}: {sheet.votes}"
    figure.suptitle(title, fontsize=9, color=INK, parse_math=False)
    panels = figure.subplots(len(sheet.items), len(heads), squeeze=False)
    for row, item in zip(panels, sheet.items, strict=True):
        for panel, picture in zip(row, _pictures(item), strict=True):
            _show(panel, picture)
        row[0].set_ylabel(shortened(item.name, 20), fontsize=6, color=MUTED, parse_math=False)
    for panel, head in zip(panels[0], heads, strict=True):
        panel.set_title(head, fontsize=8, color=INK, pad=3)
    if before:
        panels[-1][1].set_xlabel("before aggregation", fontsize=7.5, color=MUTED, loc="left")
    after = "after: share of the image's largest votes"
    panels[-1][1 + len(before)].set_xlabel(after, fontsize=7.5, color=MUTED, loc="left")
    return figure


def _pictures(item: VotedImage) -> list[NDArray[np.uint8]]:
    side = item.image.shape[0]
    maps = [*item.before.values(), item.votes]
    votes = item.votes.reshape(1, -1)
    chosen = [marked(votes, level).reshape(item.votes.shape) for level in LEVELS]
    return [
        draw_boxes(item.image, _NO_BOXES, item.truth),
        *(
            draw_attention(item.image, in_squares(each, side), _NO_BOXES, _NO_BOXES)
            for each in maps
        ),
        *(draw_patches(item.image, in_squares(each, side)) for each in chosen),
    ]


def in_squares(patches: NDArray[Any], side: int) -> NDArray[Any]:
    """Return values of patches, (g, g), on the pixels of an image: (side, side), each a square."""
    of_patch = np.arange(side) * len(patches) // side
    return np.asarray(patches)[np.ix_(of_patch, of_patch)]


def _show(panel: Axes, picture: NDArray[np.uint8]) -> None:
    panel.imshow(picture, interpolation="lanczos")
    panel.set_xticks([])
    panel.set_yticks([])
    for spine in panel.spines.values():
        spine.set_visible(False)
