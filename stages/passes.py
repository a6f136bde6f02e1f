"""A pass is a run of a model over pixels, of which several specs may be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

NUMERICS = 2
"""The version of the arithmetic of models in low precision and of compiled ones."""


def label() -> Any:
    """Make a field for people: it is in spec.json, but not in the fingerprint or in equality."""
    return field(default="", compare=False, metadata={"label": True})


@dataclass(frozen=True)
class ModelSpec:
    """A ModelSpec is a frozen backbone as a function of its input pixels.

    architecture: canonical description of everything that shapes the function but the weights.
    weights: digest of the weight tensors.
    mean, std: per-channel normalisation of RGB in [0, 1].
    precision: fp32, bf16 or fp16.
    compiled: the blocks ran as code of torch.compile, which rounds differently.
    numerics: version of the arithmetic in low precision and in compiled code, `NUMERICS` today;
        rows of eager float32 keep 1, as their bits have not changed.
    name: how people call it; not part of the address.
    """

    stage: ClassVar[str] = "model"
    version: ClassVar[int] = 1

    architecture: str
    weights: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    precision: str = "fp32"
    compiled: bool = False
    numerics: int = 1
    name: str = label()


@dataclass(frozen=True)
class ForwardPass:
    """A ForwardPass is a run of a model; specs with equal passes are computed together.

    side: of the model's input, in pixels. shown: what tells the pixels apart, such as a canvas.
    """

    model: ModelSpec
    side: int
    shown: object
