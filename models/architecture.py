"""Describe the network of a backbone, and build it without memory for its weights."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from ..errors import A2pipeError, UsageError, first_line
from .weights.checkpoint import read_architecture
from .zoo.model_entry import ModelEntry

TIMM_ERRORS = (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError)
"""timm checks few arguments, so those that make no network raise nearly anything."""

KEYWORDS = {"dim": "embed_dim", "depth": "depth", "heads": "num_heads", "patch": "patch_size"}


@dataclass(frozen=True)
class Architecture:
    """An Architecture is all that shapes a backbone's function except weights and input size.

    model: timm's name of the architecture without a tag, or "VisionTransformer".
    arguments: keyword arguments of the model, as pairs sorted by name.
    positions: rule for resampling position embeddings, as in `ModelEntry`.
    grid: patches per side that "VisionTransformer" is built for; 0 leaves it to timm. It is a
        matter of input size, so `canonical` leaves it out.
    """

    model: str
    arguments: tuple[tuple[str, Any], ...]
    positions: str
    grid: int = 0

    def canonical(self) -> str:
        """Return the description as JSON with sorted keys and no spaces, for `BackboneInfo`."""
        content = {
            "arguments": dict(self.arguments),
            "library": "timm",
            "model": self.model,
            "positions": self.positions,
        }
        return json.dumps(content, sort_keys=True, separators=(",", ":"))


def architecture_of(entry: ModelEntry, path: Path | None) -> Architecture:
    """Return the architecture of an entry.

    path: the weights file, or None. Where the entry has no timm name, the "architecture" in the
    file's metadata (dim, depth, heads, patch, grid) counts, and else the entry's own arguments.

    Raises A2pipeError if neither gives all five as positive whole numbers, and for windowed
    attention, which no backbone has.
    """
    if entry.timm:
        return Architecture(
            entry.timm.split(".")[0], _pairs(dict(entry.arguments)), entry.positions
        )
    written = None if path is None else read_architecture(path)
    arguments = dict(entry.arguments) if written is None else written
    wanted = sorted({*KEYWORDS, "grid"})
    # type() and not isinstance: True is an int in Python, and no number of heads.
    wrong = [key for key in wanted if type(arguments.get(key)) is not int or arguments[key] < 1]
    if wrong:
        raise A2pipeError(
            f"The weights{f' {path}' if path else ''} of {entry.name} do not say the architecture "
            f"({', '.join(wrong)} as positive numbers); give a safetensors file with it as JSON "
            'under "architecture" in its metadata.'
        )
    if arguments.get("window"):
        raise A2pipeError(
            f"The weights {path} of {entry.name} were trained with windowed attention, and a "
            "backbone's is global; give weights of a network without windows."
        )
    named = {KEYWORDS[name]: arguments[name] for name in KEYWORDS}
    return Architecture("VisionTransformer", _pairs(named), entry.positions, arguments["grid"])


def _pairs(arguments: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(arguments.items()))


def empty_network(architecture: Architecture) -> nn.Module:
    """Build the network on torch's meta device, with shapes, but no memory and no numbers.

    Raises UsageError if timm cannot build it.
    """
    try:
        with torch.device("meta"):
            return _build(architecture, dict(architecture.arguments))
    except TIMM_ERRORS as error:
        raise UsageError(
            f"Timm cannot outline {architecture.model} ({first_line(error)}); choose a plain ViT."
        ) from error


def _build(architecture: Architecture, arguments: dict[str, Any]) -> nn.Module:
    if architecture.model == "VisionTransformer":
        side = architecture.grid * arguments["patch_size"]
        return VisionTransformer(side, num_classes=0, weight_init="skip", **arguments)
    return timm.create_model(architecture.model, pretrained=False, num_classes=0, **arguments)


def count_parameters(module: nn.Module) -> int:
    """Return the number of learned weights of a network, which may be on the meta device."""
    return sum(parameter.numel() for parameter in module.parameters())
