"""Images a pass: a table of widths, tokens and devices."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import linear

from a2pipe.models.forward_shape import CPU, images_a_pass, nearest_power

WIDTHS = st.sampled_from([48, 96, 192, 384, 768, 1024, 1280, 1536, 4096])
TOKENS = st.integers(2, 10_000)
KINDS = st.sampled_from(["cpu", "cuda", "mps"])


@pytest.mark.parametrize(
    ("width", "tokens", "images"),
    [
        (96, 37, 128),
        (384, 261, 128),
        (768, 261, 128),
        (1024, 261, 64),
        (1536, 261, 32),
        (384, 201, 128),
        (384, 1374, 32),
        (768, 1374, 32),
        (1024, 1374, 16),
        (1536, 1374, 8),
        (1536, 9000, 8),
    ],
)
def test_images_a_pass_on_cuda(width, tokens, images) -> None:
    assert images_a_pass(width, tokens, "cuda") == images


@pytest.mark.parametrize(
    ("tokens", "images"), [(37, 16), (145, 16), (201, 4), (261, 4), (1374, 2), (4000, 1)]
)
def test_images_a_pass_on_a_cpu(tokens, images) -> None:
    assert {images_a_pass(width, tokens, "cpu") for width in (96, 384, 1536)} == {images}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("images", sorted(CPU.values()))
def test_equal_rows_of_a_product_are_equal_on_this_cpu(images, threads) -> None:
    torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(0)
    for inner, outer in ((48, 96), (96, 384), (384, 384), (384, 1536), (1536, 384)):
        weight, row = (torch.randn(n, inner, generator=generator) for n in (outer, 1))
        for rows in (images, 37 * images, 261 * images):
            product = linear(row.expand(rows, inner).contiguous(), weight)
            assert torch.equal(product, product[:1].expand(rows, outer))


@given(WIDTHS, TOKENS, KINDS)
def test_it_is_a_power_of_two_that_no_larger_image_and_no_wider_model_raises(
    width, tokens, kind
) -> None:
    images = images_a_pass(width, tokens, kind)
    assert 1 <= images <= 128
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
