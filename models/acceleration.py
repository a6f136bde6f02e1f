"""Run the blocks of a network faster, by weights in a lower precision and by compiled code."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from ..errors import A2pipeError, first_line

PROJECTIONS = (nn.Linear, nn.Conv2d)
MOST_COMPILED = 4096
"""So many variants of one block torch.compile may keep: more than any run has networks."""


def cast_projections(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Cast the weights of linear layers and convolutions to `dtype`, in place, and return `module`.

    These are the weights that autocast would cast at every call, so the blocks compute the same
    bits as under autocast alone, from half the memory. With float32 nothing is changed.
    """
    if dtype != torch.float32:
        for part in module.modules():
            if isinstance(part, PROJECTIONS):
                part.to(dtype)
    return module


def compile_blocks(module: Any) -> None:
    """Compile every block of a timm ViT with torch.compile, in place, for all sizes at once.

    The code is made when a block first runs, which has to be inside `compilation`.
    """
    for block in module.blocks:
        block.compile(dynamic=True)


@contextlib.contextmanager
def compilation() -> Iterator[None]:
    """Run compiled blocks inside this context, so that no block falls back to uncompiled code.

    Raises A2pipeError, in one sentence, if a block cannot be compiled on this machine.
    """
    from torch._dynamo import config
    from torch._dynamo.exc import TorchDynamoException

    # torch counts the variants of a block's code over all networks of the process and by default
    # goes on uncompiled after eight. Compiled code rounds differently and has an address of its own
    # in the cache, so rows of uncompiled code would be stored under a compiled address.
    limits = {
        "recompile_limit": MOST_COMPILED,
        "accumulated_recompile_limit": MOST_COMPILED,
        "fail_on_recompile_limit_hit": True,
    }
    try:
        with config.patch(limits):
            yield
    except TorchDynamoException as error:
        raise A2pipeError(
            f"The blocks cannot be compiled on this machine ({first_line(error)}); "
            "leave out `--compile`."
        ) from error
