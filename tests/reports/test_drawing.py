"""A figure as PNG."""

import io

from matplotlib.figure import Figure
from PIL import Image

from a2pipe.reports.drawing import comment_of, png


def figure() -> Figure:
    """Two by one inches with a word in the middle."""
    drawn = Figure(figsize=(2, 1))
    drawn.text(0.4, 0.5, "word")
    return drawn


def test_a_picture_has_the_size_of_the_figure_or_of_what_is_drawn() -> None:
    whole = Image.open(io.BytesIO(png(figure(), cropped=False, dpi=100)))
    cropped = Image.open(io.BytesIO(png(figure(), cropped=True, dpi=100)))
    assert whole.size == (200, 100)
    assert cropped.width < 200
    assert cropped.height < 100


def test_equal_figures_give_equal_bytes_without_a_version() -> None:
    first = png(figure(), cropped=False)
    assert png(figure(), cropped=False) == first
    assert Image.open(io.BytesIO(first)).info["Software"] == "a2pipe"


def test_a_comment_is_found_again_in_a_file_that_is_whole() -> None:
    content = png(figure(), cropped=False, comment="shows a word")
    assert comment_of(content) == "shows a word"
    assert comment_of(png(figure(), cropped=False)) == ""
    assert comment_of(content[:-20]) == ""
    assert comment_of(b"") == ""


def test_the_background_is_white() -> None:
    corner = Image.open(io.BytesIO(png(figure(), cropped=False))).convert("RGB").getpixel((0, 0))
    assert corner == (255, 255, 255)
