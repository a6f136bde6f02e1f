"""What makes the blocks of a network run faster: weights in a lower precision, compiled code."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from ..errors import A2pipeError

PROJECTIONS = (nn.Linear, nn.Conv2d)


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
def explained() -> Iterator[None]:
    """Say in one sentence why the blocks could not be compiled."""
    from torch._dynamo.exc import TorchDynamoException

    try:
        yield
    except TorchDynamoException as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise A2pipeError(
            f"The blocks cannot be compiled on this machine ({reason}); leave out `--compile`."
        ) from error
