"""Plain forward passes, which give no attention: what ours has to keep up with.

The same weights can be run under autocast or cast once for all, and uncompiled or compiled. Which
of them is the fastest differs from machine to machine, so ours is compared with whichever it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from networks import SCALING, network
from torch import Tensor

from a2pipe.models.preprocessing import normalize

LOW = {"bf16": torch.bfloat16, "fp16": torch.float16}
EAGER, COMPILED = "eager", "compiled"
Forward = Callable[[], Tensor]


def plain_forwards(
    name: str, device: str, precision: str, modes: Iterable[str], images: Tensor
) -> dict[str, Forward]:
    """Return every plain forward pass of a network over images, by its name.

    modes: EAGER, COMPILED or both. images: float32 (B, 3, S, S) on the device. Each call returns
    token 0 after the final norm, float32 (B, D), on the host.
    """
    module = network(name, images.shape[-1]).to(device)
    low = LOW.get(precision)
    ways: dict[str, Callable[[], Any]] = {}
    for mode in modes:
        ways[f"plain, {mode}"] = bare(module, mode, images, low)
        if low:
            cast = network(name, images.shape[-1]).to(device, low)
            ways[f"plain, cast weights, {mode}"] = bare(cast, mode, images.to(low), None)
    return ways


def bare(module: Any, mode: str, images: Tensor, low: torch.dtype | None) -> Forward:
    """Return the call of `forward_features` on images; low: the type of autocast, or None."""
    run = queued(module, mode, images, low)
    return lambda: run().cpu()


def queued(module: Any, mode: str, images: Tensor, low: torch.dtype | None) -> Forward:
    """Return the same call, which leaves its result on the device and waits for nothing."""
    forward = module.forward_features
    forward = torch.compile(forward, dynamic=False) if mode == COMPILED else forward

    def run() -> Tensor:
        with torch.autocast(images.device.type, low or torch.bfloat16, enabled=low is not None):
            tokens: Tensor = forward(images)[:, 0].float()
            return tokens

    return run


def eager_rows(name: str, device: str, precision: str, images: Tensor) -> Tensor:
    """Return CLS rows of plain eager attention, softmax(q k') unfused, under autocast.

    images: float (B, 3, S, S) in [0, 1]. Returns float32 (B, blocks, heads, tokens), on the host.
    """
    module = network(name, images.shape[-1]).to(device)
    rows: list[Tensor] = []
    for block in module.blocks:
        block.attn.fused_attn = False
        block.attn.attn_drop.register_forward_pre_hook(lambda _, given: rows.append(given[0]))
    mean, std = (torch.tensor(each, device=device) for each in SCALING)
    low = LOW.get(precision)
    kind = torch.device(device).type
    with torch.inference_mode(), torch.autocast(kind, low or torch.bfloat16, enabled=bool(low)):
        module.forward_features(normalize(images.to(device), mean, std))
    return torch.stack([each[:, :, 0].float().cpu() for each in rows], dim=1)


def fastest(spent: dict[str, float], modes: Iterable[str]) -> str:
    """Return the name of the fastest plain pass of some modes.

    spent: seconds of each way, plain or not, by its name.
    """
    plain = [way for way in spent if way.startswith("plain") and way.endswith(tuple(modes))]
    return min(plain, key=lambda way: spent[way])
