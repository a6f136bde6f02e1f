"""A timm attention module taken apart: the parts are those that the module computes with."""

import pytest
import torch
from timm.layers.attention import Attention, AttentionRope
from timm.layers.pos_embed_sincos import RotaryEmbeddingCat
from timm.models.eva import EvaAttention
from torch.nn import LayerNorm
from torch.nn.functional import linear

from a2pipe.models.blocks.projections import (
    bias,
    key_heads,
    needs_keys,
    per_head,
    product,
    project,
    project_keys,
    weight,
)

ATTENTIONS = {
    "fused": lambda: Attention(48, num_heads=3, qkv_bias=True),
    "fused, biases apart": lambda: EvaAttention(
        48, num_heads=3, qk_norm=False, norm_layer=LayerNorm
    ),
    "separate": lambda: EvaAttention(
        48, num_heads=3, qkv_fused=False, qk_norm=False, norm_layer=LayerNorm
    ),
    "shared keys": lambda: AttentionRope(
        48, num_heads=3, num_kv_heads=1, qkv_fused=False, qkv_bias=True
    ),
}


@pytest.fixture(params=ATTENTIONS)
def attention(request):
    """A module with random weights and biases."""
    made = ATTENTIONS[request.param]().eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(1)
    for values in (*made.parameters(), *made.buffers()):
        if values.is_floating_point():
            values.data.normal_(std=0.3, generator=generator)
    return made


@pytest.fixture
def tokens():
    return torch.randn((2, 17, 48), generator=torch.Generator().manual_seed(2))


def test_projections_have_their_own_weights_and_biases(attention, tokens):
    for which, heads in (("q", 3), ("k", key_heads(attention)), ("v", key_heads(attention))):
        found = project(attention, which, tokens)
        own, offset = weight(attention, which), bias(attention, which)
        whole = linear(tokens, own, offset)
        assert found.shape == (2, heads, 17, 16)
        for head in range(heads):
            assert torch.equal(found[:, head], whole[..., 16 * head : 16 * (head + 1)])


def test_the_module_computes_with_these_parts(attention, tokens):
    queries, values = (project(attention, which, tokens) for which in "qv")
    keys = project_keys(attention, tokens, None)
    values = values.expand(2, 3, 17, 16)
    shares = (queries * attention.scale @ keys.transpose(-2, -1)).softmax(-1)
    mixed = (shares @ values).transpose(1, 2).flatten(2)
    expected = attention(tokens)
    torch.testing.assert_close(
        attention.proj(attention.norm(mixed)), expected, atol=1e-5, rtol=1e-5
    )


def test_keys_are_needed_where_they_are_rotated_or_normed():
    plain = Attention(48, num_heads=3)
    assert not needs_keys(plain, None)
    assert needs_keys(plain, torch.zeros(16, 32))
    assert needs_keys(Attention(48, num_heads=3, qk_norm=True, norm_layer=LayerNorm), None)


def test_prefix_tokens_are_not_rotated(tokens):
    attention = (
        EvaAttention(48, num_heads=3, num_prefix_tokens=1, qk_norm=False, norm_layer=LayerNorm)
        .eval()
        .requires_grad_(False)
    )
    angles = RotaryEmbeddingCat(16, in_pixels=False, feat_shape=[4, 4]).get_embed()
    plain, turned = (project_keys(attention, tokens, each) for each in (None, angles))
    assert torch.equal(plain[:, :, :1], turned[:, :, :1])
    assert not torch.allclose(plain[:, :, 2:], turned[:, :, 2:])
    torch.testing.assert_close(plain.norm(dim=-1), turned.norm(dim=-1))


def test_weights_per_head_are_repeated_for_queries_that_share_a_key(attention):
    found = per_head(attention, weight(attention, "k"))
    assert found.shape == (3, 16, 48)
    if key_heads(attention) == 1:
        assert torch.equal(found[0], found[2])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_products_of_low_precision_are_summed_and_returned_in_float32(dtype):
    generator = torch.Generator().manual_seed(0)
    left, right = (
        torch.randn(shape, generator=generator) for shape in ((2, 3, 5, 400), (2, 3, 400, 7))
    )
    left, right = left.to(dtype), right.to(dtype)
    found = product(left, right)
    assert found.dtype == torch.float32
    torch.testing.assert_close(
        found, (left.double() @ right.double()).float(), atol=1e-4, rtol=1e-5
    )
