"""What every kind of box says of itself."""

from a2pipe.stages.attention import AttentionSpec, MapSpec, ModelSpec
from a2pipe.stages.boxes.full import FullBox
from a2pipe.stages.boxes.greedy import GreedyBox
from a2pipe.stages.geometry import Canvas

MODEL = ModelSpec("{}", "0" * 32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), name="tiny")
ATTENTION = AttentionSpec(MODEL, 56, 12, "letterbox", draft=True)
FIRST = GreedyBox(MapSpec(ATTENTION, smooth=3), 16, 48)
SECOND = GreedyBox(MapSpec(ATTENTION, smooth=3), 8, 48, FIRST)


def test_a_box_by_attention_reads_the_attention_and_the_boxes_before_it():
    assert FIRST.upstream == (ATTENTION,)
    assert SECOND.chain == (FIRST,)
    assert SECOND.upstream == (ATTENTION, FIRST)


def test_a_box_by_attention_has_the_geometry_of_the_attention_and_its_own_side():
    assert SECOND.image_canvas == Canvas(48, "letterbox")


def test_words_say_the_number_the_size_and_what_places_the_box():
    assert SECOND.words == "greedy crop 2, 8 px by tiny, block 12 smooth 3, letterboxed"


def test_four_coordinates_are_stored_and_no_pixels_are_read():
    field = FullBox(48).array({})
    assert (field.name, field.shape, field.dtype, field.fill) == ("box", (4,), "int32", -1)
    assert FullBox(48).pixels is None
