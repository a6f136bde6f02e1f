"""What crops are cut from: the choice for each, and how rows of the matrix say it."""

from __future__ import annotations

from ...stages.geometry import Canvas
from ...stages.specs import BoxSpec, FullBox


def crop_source(wanted: str, box: BoxSpec, size: int) -> str:
    """The source of one crop that is resized to `size`.

    A whole canvas in its own size has the same pixels either way; called "resized" under both, one
    stored embedding serves both.
    """
    same = isinstance(box, FullBox) and box.canvas == size
    return "resized" if same else wanted


def pixels_key(canvas: Canvas, source: str) -> str:
    """Nothing for crops of a squashed canvas, so that rows keep the key they had before."""
    ways = (canvas.geometry, source, "draft" if canvas.draft else "squash")
    return "".join(f"/{way}" for way in ways if way not in ("squash", "resized"))


def pixels_words(canvas: Canvas, source: str) -> str:
    """What sets the pixels of a row apart from those of a squashed canvas: ", letterboxed"."""
    return canvas.words + source_words(source)


def source_words(source: str) -> str:
    """What sets crops from the original apart, to be put after their name."""
    return ", cut from the original" if source == "original" else ""
