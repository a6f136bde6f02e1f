"""The network of a backbone: described, outlined without memory, and filled with weights."""

from __future__ import annotations

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

KEYWORDS = {"dim": "embed_dim", "depth": "depth", "heads": "num_heads", "patch": "patch_size"}


@dataclass(frozen=True)
class Architecture:
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


def architecture_of(entry: ModelEntry, path: Path | None) -> Architecture:
    """The design of an entry; where the entry has no timm name, the weights file's "architecture"
    (dim, depth, heads, patch, grid) says it, or else the entry's arguments."""
    if entry.timm:
        return Architecture(
            entry.timm.split(".")[0], _pairs(dict(entry.arguments)), entry.positions
        )
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
    return Architecture("VisionTransformer", _pairs(named), entry.positions, arguments["grid"])


def _pairs(arguments: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(arguments.items()))


def empty_network(design: Architecture) -> nn.Module:
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


def _built(design: Architecture, arguments: dict[str, Any]) -> nn.Module:
    if design.model == "VisionTransformer":
        side = design.grid * arguments["patch_size"]
        return VisionTransformer(side, num_classes=0, weight_init="skip", **arguments)
    return timm.create_model(design.model, pretrained=False, num_classes=0, **arguments)


def count_parameters(module: nn.Module) -> int:
    """Numbers that were learned, of a network that may be outlined only."""
    return sum(parameter.numel() for parameter in module.parameters())
