"""The square in the middle of the canvas."""

import pytest

from a2pipe.errors import UsageError
from a2pipe.stages.boxes.center import CenterBox
from a2pipe.stages.geometry import Canvas


@pytest.mark.parametrize(
    ("size", "canvas", "start"), [(128, 224, 48), (3, 8, 2), (4, 7, 1), (5, 5, 0)]
)
def test_an_odd_rest_goes_right_and_below(size, canvas, start):
    box = [start, start, start + size, start + size]
    assert CenterBox(size, canvas).place(["a"], None, None).tolist() == [box]


def test_one_larger_than_the_canvas_is_refused():
    with pytest.raises(UsageError, match="300 px does not fit"):
        CenterBox(300, 224).place(["a"], None, None)
    with pytest.raises(UsageError, match="300 px does not fit into an image of 224 px"):
        CenterBox.named("300", Canvas(224), (), None)


def test_its_name_stands_for_one_box_of_that_size():
    named = CenterBox.named("0128", Canvas(224), (), None)
    assert (named.key, named.label, named.crops) == ("center:128", "centre crop, 128 px", (128,))
    assert named.boxes == (CenterBox(128, 224),)
