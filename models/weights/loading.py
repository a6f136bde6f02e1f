"""Put the tensors of a checkpoint into a network that was built without memory."""

from typing import Any

import torch
from torch import Tensor, nn

from ...errors import A2pipeError
from .conversion import to_timm

NAMES_SHOWN = 3


def load_weights(module: nn.Module, tensors: dict[str, Tensor], origin: str) -> nn.Module:
    """Put weights into a network on the meta device; return it frozen, in evaluation mode.

    The network holds float32 on the CPU afterwards, whatever the type of the tensors; whole numbers
    stay as they are.

    tensors: a checkpoint by the names of timm or of the official code (see `conversion`). origin:
    where they come from, for the error.

    Raises A2pipeError if they do not fit the network exactly, as a file of another patch or grid
    is not resampled, or if any number is not finite.
    """
    given = _with_counts(module, to_timm(module, tensors, origin))
    check_fit(module, given, origin)
    counts = {name for name, own in module.state_dict().items() if not own.is_floating_point()}
    check_numbers({name: given[name] for name in given.keys() - counts}, origin)
    converted = {
        name: tensor if name in counts else tensor.float() for name, tensor in given.items()
    }
    # assign: a tensor cannot be copied into one on the meta device, it has to take its place.
    module.load_state_dict(converted, strict=True, assign=True)
    _make_buffers(module)
    _fuse(module)
    return module.requires_grad_(False).eval()


def check_fit(module: nn.Module, tensors: dict[str, Tensor], origin: str) -> None:
    """Raise A2pipeError unless the tensors are those of the module by name and shape.

    origin: where the tensors come from, for the error, which names the first few that differ.
    """
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


def _with_counts(module: nn.Module, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors with the counts of batches that normalisations keep while they train."""
    # Nothing is computed from them here, and files that are older than the counts lack them.
    counts = (name for name in module.state_dict() if name.endswith(".num_batches_tracked"))
    return {**{name: torch.zeros((), dtype=torch.int64) for name in counts}, **tensors}


def _fuse(module: nn.Module) -> None:
    """Switch fused attention on wherever there is attention."""
    # timm takes its default from TIMM_FUSED_ATTN; unfused attention rounds differently, so the
    # environment would decide the bits of a row.
    part: Any
    for part in module.modules():
        if hasattr(part, "fused_attn"):
            part.fused_attn = True


def _tensors(count: int) -> str:
    return "1 tensor differs" if count == 1 else f"{count} tensors differ"


def _first_few(kind: str, names: list[str]) -> str:
    more = ", ..." if len(names) > NAMES_SHOWN else ""
    return f"{len(names)} {kind} ({', '.join(names[:NAMES_SHOWN])}{more})"


def _shown(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _make_buffers(module: nn.Module) -> None:
    """Compute the buffers that no checkpoint holds, such as rotary frequencies, on the CPU."""
    part: Any
    for part in module.modules():
        absent = [name for name, buffer in part.named_buffers(recurse=False) if buffer.is_meta]
        if not absent:
            continue
        if not hasattr(part, "init_non_persistent_buffers"):
            raise A2pipeError(f"{type(part).__name__} needs a newer timm; upgrade timm.")
        # In timm 1.0 a module that has such buffers can compute them anew in place.
        for name in absent:
            part._buffers[name] = torch.empty_like(part.get_buffer(name), device="cpu")
        part.init_non_persistent_buffers()
