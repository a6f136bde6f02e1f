"""What makes the blocks of a network run faster: weights in a lower precision, compiled code."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from ..errors import A2pipeError, first_line

PROJECTIONS = (nn.Linear, nn.Conv2d)
NETWORKS = 4096


def lowered(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Cast the weights that autocast would cast at every call: same blocks, half the memory."""
    if dtype != torch.float32:
        for part in module.modules():
            if isinstance(part, PROJECTIONS):
                part.to(dtype)
    return module


def compile_blocks(module: Any) -> None:
    """Have torch.compile make the code of the blocks, once for all of them and for every size."""
    for block in module.blocks:
        block.compile(dynamic=True)


@contextlib.contextmanager
def compilation() -> Iterator[None]:
    """Where compiled blocks run. Nothing falls back to code that was not compiled, however many
    networks share the code of a block; what cannot be compiled is one sentence."""
    from torch._dynamo import config
    from torch._dynamo.exc import TorchDynamoException

    limits = {
        "recompile_limit": NETWORKS,
        "accumulated_recompile_limit": NETWORKS,
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
