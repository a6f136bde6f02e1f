"""The whole canvas as a box."""

from a2pipe.stages.boxes.full import FullBox
from a2pipe.stages.geometry import Canvas


def test_it_is_the_whole_canvas_of_every_image():
    assert FullBox(224).place(["a", "b"], None, None).tolist() == [[0, 0, 224, 224]] * 2


def test_its_name_stands_for_one_box_on_the_canvas():
    named = FullBox.named("", Canvas(224, "letterbox"), (), None)
    assert (named.key, named.label, named.crops) == ("full", "full image", ())
    assert named.boxes == (FullBox(224, "letterbox"),)


def test_it_reads_nothing_and_covers_the_canvas():
    box = FullBox(224, "center-crop")
    assert box.upstream == ()
    assert box.covers_canvas
    assert box.words == "full image, centre-cropped"
