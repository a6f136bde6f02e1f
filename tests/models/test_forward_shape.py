"""Images a pass: a table of widths, tokens and devices."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2pipe.models.forward_shape import images_a_pass, nearest_power

WIDTHS = st.sampled_from([48, 96, 192, 384, 768, 1024, 1280, 1536, 4096])
TOKENS = st.integers(2, 10_000)
KINDS = st.sampled_from(["cpu", "cuda", "mps"])


@pytest.mark.parametrize(
    ("width", "tokens", "images"),
    [
        (96, 37, 256),
        (384, 261, 256),
        (768, 261, 128),
        (1024, 261, 64),
        (1536, 261, 32),
        (384, 201, 256),
        (384, 1374, 64),
        (768, 1374, 32),
        (1024, 1374, 16),
        (1536, 1374, 8),
        (1536, 9000, 8),
    ],
)
def test_images_a_pass_on_cuda(width, tokens, images) -> None:
    assert images_a_pass(width, tokens, "cuda") == images


@given(WIDTHS, TOKENS, KINDS)
def test_it_is_a_power_of_two_that_no_larger_image_and_no_wider_model_raises(
    width, tokens, kind
) -> None:
    images = images_a_pass(width, tokens, kind)
    assert 1 <= images <= 256
    assert images & (images - 1) == 0
    assert images_a_pass(width, tokens + 1, kind) <= images
    assert images_a_pass(width + 1, tokens, kind) <= images


@given(WIDTHS, TOKENS)
def test_large_gpus_take_at_least_eight(width, tokens) -> None:
    assert images_a_pass(width, tokens, "cuda") >= 8
    assert images_a_pass(width, tokens, "mps") <= images_a_pass(width, tokens, "cuda")


def test_a_power_is_nearest_by_ratio() -> None:
    assert [nearest_power(value) for value in (0.1, 1, 1.4, 1.5, 5.6, 5.7, 251)] == [
        1,
        1,
        1,
        2,
        4,
        8,
        256,
    ]
