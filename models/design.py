"""The network of a backbone: described, outlined without memory, and filled with weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from ..errors import A2pipeError, UsageError, first_line
from .weights.official import to_timm
from .weights.reading import read_architecture
from .zoo.entry import ModelEntry

KEYWORDS = {"dim": "embed_dim", "depth": "depth", "heads": "num_heads", "patch": "patch_size"}
FEW = 3


@dataclass(frozen=True)
class Design:
    """Everything that shapes the function of a backbone but its weights and its input size.

    model: timm architecture name without tag, or "VisionTransformer".
    arguments: keyword arguments of it, sorted pairs.
    positions: rule for resampling position embeddings, as in `ModelEntry`.
    grid: patches per side that "VisionTransformer" is built for; 0 leaves it to timm. It is a
        matter of input size and not part of the description.
    """

    model: str
    arguments: tuple[tuple[str, Any], ...]
    positions: str
    grid: int = 0

    def canonical(self) -> str:
        """The description as JSON with sorted keys and no spaces."""
        content = {
            "arguments": dict(self.arguments),
            "library": "timm",
            "model": self.model,
            "positions": self.positions,
        }
        return json.dumps(content, sort_keys=True, separators=(",", ":"))


def design_of(entry: ModelEntry, path: Path | None) -> Design:
    """The design of an entry; where the entry has no timm name, the weights file's "architecture"
    (dim, depth, heads, patch, grid) says it, or else the entry's arguments."""
    if entry.timm:
        return Design(entry.timm.split(".")[0], _pairs(dict(entry.arguments)), entry.positions)
    written = None if path is None else read_architecture(path)
    arguments = dict(entry.arguments) if written is None else written
    wanted = sorted({*KEYWORDS, "grid"})
    wrong = [key for key in wanted if type(arguments.get(key)) is not int or arguments[key] < 1]
    if wrong:
        raise A2pipeError(
            f"The weights{f' {path}' if path else ''} of {entry.name} do not say the architecture "
            f"({', '.join(wrong)} as positive numbers); give a safetensors file with it as JSON "
            'under "architecture" in its metadata.'
        )
    named = {KEYWORDS[name]: arguments[name] for name in KEYWORDS}
    return Design("VisionTransformer", _pairs(named), entry.positions, arguments["grid"])


def _pairs(arguments: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(arguments.items()))


def outline(design: Design) -> nn.Module:
    """The network on the meta device: shapes without memory, no random numbers drawn."""
    try:
        with torch.device("meta"):
            return _built(design, dict(design.arguments))
    except (
        ArithmeticError,
        AssertionError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise UsageError(
            f"Timm cannot outline {design.model} ({first_line(error)}); choose a plain ViT."
        ) from error


def _built(design: Design, arguments: dict[str, Any]) -> nn.Module:
    if design.model == "VisionTransformer":
        side = design.grid * arguments["patch_size"]
        return VisionTransformer(side, num_classes=0, weight_init="skip", **arguments)
    return timm.create_model(design.model, pretrained=False, num_classes=0, **arguments)


def count_parameters(module: nn.Module) -> int:
    """Numbers that were learned, of a network that may be outlined only."""
    return sum(parameter.numel() for parameter in module.parameters())


def fill(module: nn.Module, tensors: dict[str, Tensor], origin: str) -> nn.Module:
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
