"""One timm block by steps gives what the block gives: the same bits in float32."""

import pytest
import torch
from timm.layers.pos_embed_sincos import RotaryEmbeddingCat
from timm.models.eva import EvaBlock, EvaBlockPostNorm
from timm.models.vision_transformer import Block, ResPostBlock

from a2pipe.models.blocks.steps import add_mlp, attend_block, attention_input, enter_block

PLAIN = {
    "plain": lambda: Block(48, 3, qkv_bias=True),
    "scaled": lambda: Block(48, 3, init_values=0.3),
    "post norm": lambda: ResPostBlock(48, 3, qkv_bias=True, init_values=0.3),
    "query and key norm": lambda: Block(48, 3, qk_norm=True),
    "EVA": lambda: EvaBlock(48, 3, num_prefix_tokens=1, init_values=0.3),
}
ROTATED = {
    "EVA": lambda: EvaBlock(48, 3, num_prefix_tokens=1, init_values=0.3),
    "EVA, separate": lambda: EvaBlock(48, 3, num_prefix_tokens=1, qkv_fused=False),
    "EVA, post norm": lambda: EvaBlockPostNorm(48, 3, num_prefix_tokens=1),
}


def weighted(block):
    """The block with random weights, in evaluation mode."""
    generator = torch.Generator().manual_seed(1)
    for weights in block.parameters():
        weights.data.normal_(std=0.3, generator=generator)
    return block.eval().requires_grad_(False)


@pytest.fixture
def tokens():
    """Two images of a CLS token and 4 x 4 patches."""
    return torch.randn((2, 17, 48), generator=torch.Generator().manual_seed(2))


@pytest.fixture
def angles():
    """The angles of 4 x 4 patches for heads of 16 dimensions."""
    return RotaryEmbeddingCat(16, in_pixels=False, feat_shape=[4, 4]).get_embed()


def by_steps(block, tokens, angles=None):
    return add_mlp(block, attend_block(block, enter_block(block, tokens, angles), angles))


@pytest.mark.parametrize("kind", PLAIN)
def test_steps_give_the_bits_of_the_block(kind, tokens):
    block = weighted(PLAIN[kind]())
    assert torch.equal(by_steps(block, tokens), block(tokens))


@pytest.mark.parametrize("kind", ROTATED)
def test_steps_give_the_bits_of_a_block_with_rotary_positions(kind, tokens, angles):
    block = weighted(ROTATED[kind]())
    assert torch.equal(by_steps(block, tokens, angles), block(tokens, rope=angles))


@pytest.mark.parametrize("kind", ["EVA", "EVA, post norm"])
def test_in_low_precision_steps_are_as_near_to_the_truth_as_the_block(kind, tokens, angles):
    truth = weighted(ROTATED[kind]())(tokens, rope=angles)
    block = weighted(ROTATED[kind]()).bfloat16()
    own = (by_steps(block, tokens.bfloat16(), angles).float() - truth).norm()
    timms = (block(tokens.bfloat16(), rope=angles.bfloat16()).float() - truth).norm()
    assert own < 1.5 * timms


def test_blocks_that_norm_after_take_tokens_as_they_are(tokens):
    assert attention_input(weighted(PLAIN["post norm"]()), tokens) is tokens
    block = weighted(PLAIN["plain"]())
    assert torch.equal(attention_input(block, tokens), block.norm1(tokens))
