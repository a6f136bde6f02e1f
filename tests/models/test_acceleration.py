"""Lower precision and compiled blocks: how near the results stay, and what is said if it fails."""

import copy

import numpy as np
import pytest
import torch
from timm.models.vision_transformer import VisionTransformer

from a2pipe.errors import A2pipeError
from a2pipe.models.acceleration import cast_projections, compilation


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_cast_ahead_give_what_autocast_gives(kind, tiny, pixels, dtype) -> None:
    module = tiny(kind)
    images = pixels(module.patch_embed.img_size[0])
    with torch.inference_mode(), torch.autocast("cpu", dtype):
        expected = module.forward_features(images)
        found = cast_projections(copy.deepcopy(module), dtype).forward_features(images)
    assert torch.equal(found, expected)


def test_only_single_precision_leaves_the_weights_alone(tiny) -> None:
    module = tiny("registers")
    assert cast_projections(module, torch.float32).blocks[0].attn.qkv.weight.dtype == torch.float32
    cast = cast_projections(module, torch.bfloat16)
    assert cast.blocks[0].attn.qkv.weight.dtype == torch.bfloat16
    assert cast.blocks[0].norm1.weight.dtype == torch.float32


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_low_precision_stays_near_for_every_kind(
    kind, precision, tiny, backbone_of, pixels
) -> None:
    module = tiny(kind)
    images = pixels(module.patch_embed.img_size[0])
    exact = backbone_of(module).attention_and_embedding(images, [1, 3])
    rough = backbone_of(module, precision=precision).attention_and_embedding(images, [1, 3])
    assert [values.dtype for values in rough] == [np.float32, np.float32]
    np.testing.assert_allclose(rough[0].sum(axis=-1), 1, atol=1e-5)
    assert 0 < np.abs(rough[0][:, 0] - exact[0][:, 0]).max() < 0.1
    difference = np.linalg.norm(rough[1] - exact[1], axis=1) / np.linalg.norm(exact[1], axis=1)
    assert 0 < difference.max() < 0.3


@pytest.mark.slow
def test_compiled_blocks_differ_by_rounding(tiny, backbone_of, pixels) -> None:
    module = tiny("registers")
    exact, compiled = backbone_of(module), backbone_of(module, compiled=True)
    for images in (pixels(126, 3), pixels(126, 1), pixels(224, 2)):
        expected = exact.attention_and_embedding(images, [1, 3])
        found = compiled.attention_and_embedding(images, [1, 3])
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_every_network_of_a_long_run_is_compiled(pixels) -> None:
    """The networks share the code of their blocks, of which torch by default compiles eight kinds;
    a batch of one image is a kind of its own."""
    from torch._dynamo.utils import counters

    torch.compiler.reset()
    before = counters["stats"]["unique_graphs"]
    networks = 10
    for heads in range(1, networks + 1):
        module = VisionTransformer(48, 16, embed_dim=12 * heads, depth=1, num_heads=heads).eval()
        module.blocks[0].compile(backend="eager", dynamic=True)
        with torch.inference_mode(), compilation():
            module.forward_features(pixels(48, 3))
            module.forward_features(pixels(48, 1))
    assert counters["stats"]["unique_graphs"] - before >= networks
    torch.compiler.reset()


def test_a_failed_compilation_is_one_sentence() -> None:
    from torch._dynamo.exc import InternalTorchDynamoError

    said = "no compiler.*leave out `--compile`"
    with pytest.raises(A2pipeError, match=said) as refusal, compilation():
        raise InternalTorchDynamoError("no compiler\nand a long tale")
    assert "\n" not in str(refusal.value)
