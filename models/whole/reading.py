"""Run a network as a whole, and read pools and statistics off its grid of features.

It is for networks that are not run block by block: those without attention, and those whose
attention this package does not read. Their patches are the cells of the grid that timm's
`forward_features` gives, row by row.
"""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from ...errors import A2pipeError
from ..outputs import Output, Pool
from ..patches.reading import Patches, read_patches


def run_whole(module: Any, images: Tensor) -> Tensor:
    """Return what `forward_features` of a timm network gives, in the network's precision.

    images: (B, 3, S, S), normalised, in that precision.
    """
    features: Tensor = module.forward_features(images)
    return features


def patch_tokens(module: Any, features: Tensor) -> Tensor:
    """Return features as patches (B, N, D), row by row, without CLS and registers.

    features: what `run_whole` returned, (B, tokens, D), (B, D, rows, columns), or (B, rows,
    columns, D) where timm says that the network gives them so.
    """
    if features.ndim == 3:
        return features[:, getattr(module, "num_prefix_tokens", 0) :]
    if getattr(module, "output_fmt", "NCHW") == "NHWC":
        return features.flatten(1, 2)
    return features.flatten(2).transpose(1, 2)


def read_whole(
    module: Any,
    images: Tensor,
    outputs: Sequence[Output],
    patches: int,
    run: Callable[[Any, Tensor], Tensor] = run_whole,
) -> dict[Output, Tensor]:
    """Run a network once, and return pools (B, D) and statistics (B, N) of its patches, float32.

    images: (B, 3, S, S), normalised. outputs: at least one, none of which needs a CLS token, blocks
    or patches before the final norm; K is a number. patches: how many an image has. run:
    `run_whole`, as it is or compiled.

    The pool "native" is what timm's `forward_head` makes of the features before any classifier, in
    the precision of the network. All else is computed in float32.

    Raises A2pipeError if the network gives another number of patches.
    """
    features = run(module, images.to(next(module.parameters()).dtype))
    tokens = patch_tokens(module, features).float().contiguous()
    if tokens.shape[1] != patches:
        raise A2pipeError(
            f"The network gives {tokens.shape[1]} patches of an image of {images.shape[-1]} px "
            f"and not {patches}; choose another input size."
        )
    found: dict[Output, Tensor] = {}
    if Pool("native") in outputs:
        found[Pool("native")] = module.forward_head(features, pre_logits=True).float()
    others = [output for output in outputs if output not in found]
    found |= read_patches(Patches(tokens, tokens), others)
    return {output: found[output] for output in outputs}
