"""Random boxes: fixed draws, uniform among the free positions, the same in any batch."""

import numpy as np
import pytest

from a2pipe.errors import A2pipeError, UsageError
from a2pipe.stages.boxes.random import RandomBox
from a2pipe.stages.geometry import Canvas


def random_box(digests, size, canvas, seed, previous=None):
    """One box an image."""
    return RandomBox(size, canvas, seed).place(digests, previous, None)


def meet(one, other) -> bool:
    """Whether two half-open squares share a pixel."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


DIGESTS = tuple(f"{i:032x}" for i in range(300))


def test_the_draws_are_fixed_for_ever():
    boxes = random_box(DIGESTS[:3], 64, 224, 0)
    second = random_box(DIGESTS[:3], 32, 224, 0, boxes[None])
    assert boxes[:, :2].tolist() == GOLDEN_FIRST
    assert second[:, :2].tolist() == GOLDEN_SECOND


def test_an_image_draws_the_same_in_any_batch_and_order():
    boxes = random_box(DIGESTS, 64, 224, 1)
    assert np.array_equal(random_box(DIGESTS[::-1], 64, 224, 1), boxes[::-1])


def test_seeds_images_and_order_draw_apart():
    first = random_box(DIGESTS, 32, 224, 0)
    far = np.full((1, len(first), 4), -1)  # a box off the canvas takes no position away
    others = (
        random_box(DIGESTS, 32, 224, 1),
        random_box(DIGESTS[1:] + DIGESTS[:1], 32, 224, 0),
        random_box(DIGESTS, 32, 224, 0, far),
    )
    assert all((first == other).all(axis=1).mean() < 0.02 for other in others)


def test_draws_stay_off_the_previous_boxes():
    first = random_box(DIGESTS, 5, 12, 0)
    second = random_box(DIGESTS, 3, 12, 0, first[None])
    third = random_box(DIGESTS, 3, 12, 0, np.stack([first, second]))
    for image in np.stack([first, second, third]).swapaxes(0, 1):
        assert not any(meet(a, b) for i, a in enumerate(image) for b in image[:i])
    assert (third >= 0).all()
    assert (third <= 12).all()


def test_free_positions_are_equally_likely():
    digests = [f"{i:032x}" for i in range(6000)]
    taken = np.tile(np.array([0, 0, 4, 4], np.int32), (1, len(digests), 1))
    boxes = random_box(digests, 3, 8, 0, taken)
    _, counts = np.unique(boxes, axis=0, return_counts=True)
    expected = len(digests) / (36 - 16)
    assert len(counts) == 20
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert chi_square < 43.8  # p = 0.001 at 19 degrees of freedom


def test_the_global_generator_is_left_alone():
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    random_box(DIGESTS, 32, 224, 0)
    assert np.array_equal(np.random.get_state()[1], before)


def test_an_image_without_room_is_named():
    taken = np.array([[[1, 1, 3, 3]]])
    with pytest.raises(A2pipeError, match="Image ab has no room"):
        random_box(["ab"], 2, 4, 0, taken)


GOLDEN_FIRST = [[36, 45], [119, 101], [89, 126]]
GOLDEN_SECOND = [[66, 180], [44, 21], [50, 169]]


def test_no_images_give_no_boxes():
    assert random_box([], 4, 8, 0).shape == (0, 4)


def test_a_size_larger_than_the_canvas_is_refused():
    with pytest.raises(UsageError, match="9 px does not fit a canvas of 8 px"):
        random_box(["ab"], 9, 8, 0)


def test_a_name_stands_for_a_chain_of_the_crops_in_order():
    named = RandomBox.named("7", Canvas(48, "letterbox"), (16, 8), None)
    first, second = named.boxes
    assert first == RandomBox(16, 48, 7, None, "letterbox")
    assert second == RandomBox(8, 48, 7, first, "letterbox")
    assert (named.key, named.label) == ("random:7/16+8", "random crops, 16+8 px, seed 7")
    assert (named.crops, second.chain, second.upstream) == ((16, 8), (first,), (first,))
    assert second.words == "random crop 2, 8 px, letterboxed"


def test_the_seed_is_zero_unless_given():
    assert RandomBox.named("", Canvas(48), (16,), None).boxes[0].seed == 0
