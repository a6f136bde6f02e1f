"""Read CLS attention of any block, embeddings and patches, for less than a forward pass.

Blocks run by steps, with fused attention, from what enters the attention of one block to what
enters that of the next. Of a block whose attention is read, the CLS token's row of the softmax is
computed from the same; of the last block that row alone is computed, and for an embedding what the
row does to the CLS token. Where patches are asked for too, the last block also runs as a whole. The
(tokens x tokens) matrix is never formed, and no block runs after the last one asked for. A result
has the same bits whatever else is read in the same pass.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from timm.layers.attention import Attention, AttentionRope
from timm.layers.patch_embed import PatchEmbed
from timm.models.eva import Eva, EvaAttention, EvaBlock
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn

from ..outputs import Block as BlockOutput
from ..outputs import Output, Pool, Statistic, blocks_of, needs_patches
from ..patches.reading import Patches, read_patches
from ..whole.reading import run_whole
from .cls_token import cls_leaves, cls_row
from .steps import POST_NORM, Entering, add_mlp, attend_block, enter_block

BLOCKS: tuple[type[nn.Module], ...] = (Block, EvaBlock, *POST_NORM)
ATTENTIONS: tuple[type[nn.Module], ...] = (Attention, EvaAttention, AttentionRope)


def why_unreadable(module: Any, name: str) -> str:
    """Say why the CLS attention of a timm network cannot be read; "" if it can.

    module: the network, which may be on the meta device. name: what it is called. The answer is the
    beginning of a sentence: "resnet18 is a ResNet, not a vision transformer ...".
    """
    found = why_not_by_steps(module, name)
    if not found and module.cls_token is None:
        return f"{name} has no CLS token (it pools its patches)"
    return found


def why_not_by_steps(module: Any, name: str) -> str:
    """Say why the blocks of a timm network cannot be run by the steps of this file, or "".

    module, name, and what is returned: as for `why_unreadable`. A CLS token is not needed for it.
    """
    kind = type(module).__name__
    if not isinstance(module, VisionTransformer | Eva):
        what = f"{'an' if kind[0] in 'AEIOU' else 'a'} {kind}"
        return f"{name} is {what}, not a vision transformer whose CLS attention can be read"
    if not isinstance(module.patch_embed, PatchEmbed):
        embedding = type(module.patch_embed).__name__
        return f"{name} does not cut the image itself into patches (it has a {embedding})"
    for block in module.blocks:
        attention = getattr(block, "attn", None)
        # Exact types: a subclass may compute its scores in another way than `cls_token` does.
        if type(block) not in BLOCKS or type(attention) not in ATTENTIONS:
            return (
                f"{name} is made of {type(block).__name__} with {type(attention).__name__}, whose "
                "attention this package does not read"
            )
    return ""


def embed_patches(module: Any, images: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return the tokens (B, T, D) that enter the first block, and the rotary angles or None.

    module: a timm network that `why_not_by_steps` has nothing against. images: float (B, 3, S, S),
    normalised by the model's mean and deviation. The angles are those of the patches; models with
    learned positions have none.
    """
    # timm has no public way to stop before the blocks; in timm 1.0 `_pos_embed` returns a pair
    # exactly where the model has rotary positions.
    precision = module.patch_embed.proj.weight.dtype
    embedded = module._pos_embed(module.patch_embed(images.to(precision)))
    tokens, rotation = embedded if isinstance(embedded, tuple) else (embedded, None)
    # Positions are added, and an embedding is normed, in float32 in any precision of the blocks.
    return module.norm_pre(tokens).to(precision), rotation


def proceed(block: Any, following: Any, tokens: Tensor, rotation: Tensor | None) -> Entering:
    """Run the MLP of a block, and return what enters the attention of the following block.

    tokens: (B, T, D), as `attend_block` returned them. rotation: the angles of the patches in the
    following block, or None.
    """
    return enter_block(following, add_mlp(block, tokens), rotation)


def cls_embedding(block: Any, norm: Any, entering: Entering, row: Tensor) -> Tensor:
    """Return the CLS embedding (B, D): token 0 as it leaves the last block, normed in float32.

    block: the last one. norm: the final norm. entering: what entered the attention of the block.
    row: its CLS row.
    """
    normed: Tensor = norm(cls_leaves(block, entering, row).float())
    return normed[:, 0]


def leave(block: Any, entering: Entering, rotation: Tensor | None) -> Tensor:
    """Return all tokens (B, T, D) as they leave the last block, float32.

    entering: what entered its attention. rotation: the angles of the patches in it, or None.
    """
    return add_mlp(block, attend_block(block, entering, rotation)).float()


@dataclass(frozen=True)
class Steps:
    """Steps are the functions that a pass is made of, as they are or compiled.

    All blocks share them, and what they compute does not depend on what else is asked for: so the
    code of a compiled step is made once for a model and size, and gives a row the same bits
    whichever other rows are read.

    embed, enter, attend, proceed, row, finish, leave: `embed_patches`, `enter_block`,
        `attend_block`, `proceed`, `cls_row`, `cls_embedding` and `leave`.
    whole: `run_whole`, all there is to run of a network that goes without these.
    """

    embed: Callable[[Any, Tensor], tuple[Tensor, Tensor | None]] = embed_patches
    enter: Callable[[Any, Tensor, Tensor | None], Entering] = enter_block
    attend: Callable[[Any, Entering, Tensor | None], Tensor] = attend_block
    proceed: Callable[[Any, Any, Tensor, Tensor | None], Entering] = proceed
    row: Callable[[Any, Tensor, Tensor | None, Tensor | None], Tensor] = cls_row
    finish: Callable[[Any, Any, Entering, Tensor], Tensor] = cls_embedding
    leave: Callable[[Any, Entering, Tensor | None], Tensor] = leave
    whole: Callable[[Any, Tensor], Tensor] = run_whole


EAGER = Steps()


def read_outputs(
    module: Any,
    tokens: Tensor,
    rotation: Tensor | None,
    outputs: Sequence[Output],
    steps: Steps = EAGER,
) -> dict[Output, Tensor]:
    """Run the blocks once, and return what is asked for of every image, float32.

    tokens, rotation: as returned by `embed_patches`. outputs: at least one; the vector of a patch
    score is named, and K is a number. steps: the functions that run the blocks.

    The row of a block is (B, heads, tokens): it covers the prefix tokens too and sums to 1. A pool
    is (B, D), a statistic (B, N).
    """
    asked, whole = blocks_of(outputs), any(map(needs_patches, outputs))
    embed = any(map(_needs_cls, outputs))
    last = len(module.blocks) if embed or whole else max(asked)
    angles = [_angles(module, rotation, number) for number in range(1, last + 1)]
    rows: dict[int, Tensor] = {}
    entering = steps.enter(module.blocks[0], tokens, angles[0])
    for number, block in enumerate(module.blocks[:last], start=1):
        if number in asked or (embed and number == last):
            rows[number] = steps.row(block.attn, entering.normed, angles[number - 1], entering.keys)
        # Of the last block only its row and what follows from it is computed, unless patches are
        # asked for.
        if number < last:
            tokens = steps.attend(block, entering, angles[number - 1])
            # The MLP takes the most memory of all, and needs nothing of what entered the attention.
            del entering
            entering = steps.proceed(block, module.blocks[number], tokens, angles[number])
            del tokens
    found: dict[Output, Tensor] = {BlockOutput(number): rows[number] for number in asked}
    block, norm, cls = module.blocks[last - 1], _final_norm(module), None
    if embed:
        cls = steps.finish(block, norm, entering, rows[last])
        found[Pool("cls")] = cls
    if whole:
        leaving = steps.leave(block, entering, angles[last - 1])
        found |= _read_patches(module, norm, leaving, cls, outputs)
    return {output: found[output] for output in outputs}


def _needs_cls(output: Output) -> bool:
    is_score = isinstance(output, Statistic) and output.vector == "cls"
    return is_score or output == Pool("cls")


def _read_patches(
    module: Any, norm: nn.Module, leaving: Tensor, cls: Tensor | None, outputs: Sequence[Output]
) -> dict[Output, Tensor]:
    """Return pools and statistics of the tokens (B, T, D) that leave the last block."""
    prefix = module.num_prefix_tokens
    found: dict[Output, Tensor] = {}
    if Pool("native") in outputs:
        found[Pool("native")] = module.forward_head(module.norm(leaving), pre_logits=True)
    patches = Patches(norm(leaving)[:, prefix:], leaving[:, prefix:], cls)
    of_patches = [each for each in outputs if needs_patches(each) and each not in found]
    return found | read_patches(patches, of_patches)


def _final_norm(module: Any) -> nn.Module:
    """Return the norm after the last block.

    timm names it `fc_norm`, and makes `norm` the identity, in models that pool patches by default.
    """
    norm: nn.Module = module.norm
    return getattr(module, "fc_norm", norm) if isinstance(norm, nn.Identity) else norm


def _angles(module: Any, rotation: Tensor | None, number: int) -> Tensor | None:
    """Return the angles of one block, which are the same for all unless the model learns them."""
    mixed = getattr(module, "rope_mixed", False)
    return rotation[number - 1] if mixed and rotation is not None else rotation
