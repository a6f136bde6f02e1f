"""Put the tensors of a checkpoint into a network that was built without memory."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ...errors import A2pipeError
from .conversion import to_timm

FEW = 3


def load_weights(module: nn.Module, tensors: dict[str, Tensor], origin: str) -> nn.Module:
    """Put the weights into an outlined network, as float32 on the CPU, frozen, in evaluation mode.

    tensors: by the names of timm or of an official checkpoint (see `official`). origin: where they
    come from, for the error. Raises A2pipeError if they do not fit the network exactly; a file of
    another patch or grid is not resampled.
    """
    given = to_timm(module, tensors, origin)
    check_fit(module, given, origin)
    check_numbers(given, origin)
    converted = {name: tensor.float() for name, tensor in given.items()}
    module.load_state_dict(converted, strict=True, assign=True)
    _make_buffers(module)
    _fuse(module)
    return module.requires_grad_(False).eval()


def check_fit(module: nn.Module, tensors: dict[str, Tensor], origin: str) -> None:
    """Raise A2pipeError unless the tensors are the module's by name and shape."""
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    given = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    reshaped = [
        f"{name} {_shown(given[name])} for {_shown(wanted[name])}"
        for name in sorted(wanted.keys() & given.keys())
        if wanted[name] != given[name]
    ]
    differing = {
        "missing": sorted(wanted.keys() - given.keys()),
        "left over": sorted(given.keys() - wanted.keys()),
        "of another shape": reshaped,
    }
    count = sum(map(len, differing.values()))
    if count:
        kinds = "; ".join(_first_few(kind, names) for kind, names in differing.items() if names)
        raise A2pipeError(
            f"The weights {origin} do not fit the model: {_tensors(count)}, {kinds}; "
            "give the checkpoint of this very model."
        )


def check_numbers(tensors: dict[str, Tensor], origin: str) -> None:
    """Raise A2pipeError unless all tensors are finite floating-point numbers."""
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or not bool(tensor.isfinite().all()):
            raise A2pipeError(
                f"The weights {origin} are not finite floating-point numbers (tensor {name}); give "
                "the checkpoint of this very model."
            )


def _fuse(module: Any) -> None:
    """Fused attention, whatever the environment tells timm: it rounds differently."""
    for block in module.blocks:
        block.attn.fused_attn = True


def _tensors(count: int) -> str:
    return "1 tensor differs" if count == 1 else f"{count} tensors differ"


def _first_few(kind: str, names: list[str]) -> str:
    more = ", ..." if len(names) > FEW else ""
    return f"{len(names)} {kind} ({', '.join(names[:FEW])}{more})"


def _shown(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _make_buffers(module: nn.Module) -> None:
    """Compute the buffers that no checkpoint holds, such as rotary frequencies."""
    part: Any
    for part in module.modules():
        waiting = [name for name, buffer in part.named_buffers(recurse=False) if buffer.is_meta]
        if not waiting:
            continue
        if not hasattr(part, "init_non_persistent_buffers"):
            raise A2pipeError(f"{type(part).__name__} needs a newer timm; upgrade timm.")
        for name in waiting:
            part._buffers[name] = torch.empty_like(part.get_buffer(name), device="cpu")
        part.init_non_persistent_buffers()
