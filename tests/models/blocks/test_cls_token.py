"""One block for the CLS token alone, against the block itself and its unfused softmax."""

from typing import Any

import pytest
import torch
from timm.layers.attention import Attention
from timm.models.eva import EvaBlock
from timm.models.vision_transformer import Block, ResPostBlock
from torch import Tensor, nn

from a2pipe.models.blocks.cls_token import cls_attended, cls_row
from a2pipe.models.blocks.steps import add_attended, add_mlp, attention_input

BLOCKS = {
    "plain": lambda: Block(48, 3, qkv_bias=True),
    "scaled": lambda: Block(48, 3, init_values=0.3),
    "post norm": lambda: ResPostBlock(48, 3, qkv_bias=True),
    "query and key norm": lambda: Block(48, 3, qk_norm=True),
    "EVA": lambda: EvaBlock(48, 3, num_prefix_tokens=1, init_values=0.3),
    "EVA without scale": lambda: EvaBlock(48, 3, num_prefix_tokens=1),
    "separate projections": lambda: EvaBlock(48, 3, num_prefix_tokens=1, qkv_fused=False),
}


@pytest.fixture(params=BLOCKS)
def block(request: pytest.FixtureRequest) -> Any:
    """A block with random weights, in evaluation mode."""
    made: nn.Module = BLOCKS[request.param]().eval()
    generator = torch.Generator().manual_seed(1)
    for weights in made.parameters():
        weights.data.normal_(std=0.3, generator=generator)
    return made.requires_grad_(False)


@pytest.fixture
def tokens() -> Tensor:
    return torch.randn((2, 17, 48), generator=torch.Generator().manual_seed(2))


def test_the_cls_token_leaves_as_from_the_whole_block(block, tokens) -> None:
    entering = attention_input(block, tokens)
    attended = cls_attended(block.attn, entering, cls_row(block.attn, entering))
    torch.testing.assert_close(attended, block.attn(entering)[:, :1], atol=1e-5, rtol=1e-5)
    leaving = add_mlp(block, add_attended(block, tokens[:, :1], attended))
    torch.testing.assert_close(leaving, block(tokens)[:, :1], atol=1e-5, rtol=1e-5)


def test_rows_sum_to_one_whatever_the_scale_of_the_tokens(block, tokens) -> None:
    row = cls_row(block.attn, 100 * tokens)
    assert row.shape == (2, 3, 17)
    torch.testing.assert_close(row.sum(dim=-1), torch.ones(2, 3))


def test_a_bias_on_the_keys_changes_no_row(tokens) -> None:
    """The scores of one query all move by the same number."""
    attention = Attention(48, num_heads=3, qkv_bias=True).eval().requires_grad_(False)
    before = cls_row(attention, tokens)
    attention.qkv.bias[48:96] += 5
    torch.testing.assert_close(cls_row(attention, tokens), before, atol=0, rtol=0)


def test_only_patches_are_rotated() -> None:
    """A turn by half a circle changes the sign of the keys of patches, and of no other score."""
    generator = torch.Generator().manual_seed(4)
    block = EvaBlock(48, 3, num_prefix_tokens=5).eval().requires_grad_(False)
    tokens = torch.randn((1, 5 + 4, 48), generator=generator)
    half_turn = torch.cat([torch.zeros(4, 16), -torch.ones(4, 16)], dim=-1)  # sine, cosine
    plain = cls_row(block.attn, tokens).log()
    turned = cls_row(block.attn, tokens, half_turn).log()
    plain, turned = (each - each[..., :1] for each in (plain, turned))
    torch.testing.assert_close(turned[..., :5], plain[..., :5])
    assert (turned[..., 5:] - plain[..., 5:]).abs().min() > 1e-4


def test_head_width_may_differ_from_dim_over_heads() -> None:
    attention = Attention(48, num_heads=3, attn_head_dim=24, qkv_bias=True).eval()
    generator = torch.Generator().manual_seed(0)
    for weights in attention.parameters():
        weights.data.normal_(std=0.2, generator=generator)
    tokens = torch.randn((2, 30, 48), generator=generator)
    caught = []
    attention.fused_attn = False
    attention.attn_drop.register_forward_pre_hook(lambda _, given: caught.append(given[0]))
    with torch.no_grad():
        attention(tokens)
        row = cls_row(attention, tokens)
    assert (row.amax(-1) > 0.3).any()
    torch.testing.assert_close(row, caught[0][:, :, 0], rtol=0, atol=1e-6)
