"""CLS embeddings against timm's own forward pass."""

import numpy as np
import pytest
import torch

from a2pipe.errors import A2pipeError, UsageError


def test_the_embedding_is_token_zero_after_the_final_norm(
    kind_and_size, tiny, backbone_of, timm_features, pixels
) -> None:
    kind, size = kind_and_size
    module = tiny(kind)
    images = pixels(size)
    embedded = backbone_of(module).embed(images)
    assert embedded.dtype == np.float32
    np.testing.assert_allclose(embedded, timm_features(module, images)[:, 0], atol=1e-5)


def test_a_third_size_in_between_changes_nothing(tiny, backbone_of, pixels) -> None:
    backbone = backbone_of(tiny("dinov2"))
    direct = backbone.embed(pixels(98))
    backbone.embed(pixels(42))
    np.testing.assert_array_equal(backbone.embed(pixels(98)), direct)


def test_images_of_a_batch_do_not_see_each_other(tiny, backbone_of, pixels) -> None:
    backbone = backbone_of(tiny("registers"))
    images = pixels(126, 3)
    alone = np.concatenate([backbone.embed(image[None]) for image in images])
    np.testing.assert_allclose(backbone.embed(images), alone, atol=1e-5)


def test_every_image_sent_through_is_counted(tiny, backbone_of, pixels) -> None:
    backbone = backbone_of(tiny("plain"))
    backbone.attention(pixels(48, 3), [1])
    backbone.embed(pixels(48, 2))
    assert backbone.forward_passes == 5


def test_an_empty_batch_gives_empty_rows(tiny, backbone_of, pixels) -> None:
    backbone = backbone_of(tiny("plain"))
    assert backbone.attention(pixels(48)[:0], [1, 3]).shape == (0, 2, 3, 37)
    assert backbone.embed(pixels(48)[:0]).shape == (0, 48)


def test_half_precision_stays_near(tiny, backbone_of, pixels) -> None:
    module = tiny("plain")
    exact = backbone_of(module).embed(pixels(48))
    rough = backbone_of(module, precision="bf16").embed(pixels(48))
    assert rough.dtype == np.float32
    assert 0 < np.abs(rough - exact).mean() < 0.1 * np.abs(exact).mean()


def test_a_size_that_cuts_a_patch_is_refused_with_its_neighbours(tiny, backbone_of, pixels) -> None:
    with pytest.raises(UsageError, match=r"100 is not a multiple of the 14 .* use 98 or 112"):
        backbone_of(tiny("dinov2")).embed(pixels(100))


@pytest.mark.parametrize("blocks", [[0], [4], [1, -1], []])
def test_a_block_that_is_not_there_is_refused(blocks, tiny, backbone_of, pixels) -> None:
    with pytest.raises(UsageError, match="has blocks 1 to 3"):
        backbone_of(tiny("plain")).attention(pixels(48), blocks)


def test_pixels_of_another_shape_are_refused(tiny, backbone_of) -> None:
    with pytest.raises(A2pipeError, match=r"\(B, 3, S, S\)"):
        backbone_of(tiny("plain")).embed(torch.rand(1, 3, 48, 56))
