"""The sheet of votes: its panels, and what is marked in them."""

from __future__ import annotations

import numpy as np

from a2pipe.reports.patches.votes import VotedImage, VoteSheet, in_squares, vote_sheet


def item(name: str) -> VotedImage:
    votes = np.zeros((4, 4), int)
    votes[0, 0], votes[3, 3], votes[1, 1] = 10, 5, 3
    image = np.full((32, 32, 3), 200, np.uint8)
    before = {"CLS attention": np.full((4, 4), 1 / 16)}
    return VotedImage(name, image, np.array([[2, 2, 20, 20]]), before, votes)


def test_a_row_for_each_image_and_a_column_for_each_picture() -> None:
    figure = vote_sheet(VoteSheet("demo", "votes of 1 patch", "votes:1", (item("a"), item("b"))))
    assert len(figure.axes) == 2 * 6
    heads = [panel.get_title() for panel in figure.axes[:6]]
    assert heads == ["image", "CLS attention", "votes", "above 50 %", "above 30 %", "above 20 %"]
    assert figure.axes[6].get_ylabel() == "b"


def test_patches_at_a_level_are_dark_and_those_above_it_bright() -> None:
    figure = vote_sheet(VoteSheet("demo", "votes of 1 patch", "votes:1", (item("a"),)))
    half, fifth = (figure.axes[place].get_images()[0].get_array() for place in (3, 5))
    centres = [36 + 72 * place for place in range(4)]
    assert (half[centres[0], centres[0]] == 200).all()
    assert (half[centres[3], centres[3]] < 100).all()  # just half of the largest
    assert (fifth[centres[3], centres[3]] == 200).all()
    assert (fifth[centres[2], centres[2]] < 100).all()


def test_patches_are_squares_of_pixels_even_where_they_do_not_divide_the_image() -> None:
    grid = np.arange(9).reshape(3, 3)
    assert in_squares(grid, 6).tolist() == np.kron(grid, np.ones((2, 2), int)).tolist()
    assert in_squares(grid, 4)[0].tolist() == [0, 0, 1, 2]
