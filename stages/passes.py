"""A pass is a run of a model over pixels, of which several specs may be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from .geometry import Canvas

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


class WholeCanvas:
    """A spec of what a model makes of a whole canvas is derived from this class.

    It has the fields `model`, `input_size` (the side of the canvas in pixels), and `geometry`,
    `draft` and `decoder` of the canvas (`geometry.Canvas`); and `name`, what it is in words.
    """

    only_when_read: ClassVar[bool] = False
    reads_original: ClassVar[bool] = False

    model: ModelSpec
    input_size: int
    geometry: str
    draft: bool
    decoder: str

    @property
    def pixels(self) -> Canvas:
        """Return the canvas that the model is shown."""
        return Canvas(self.input_size, self.geometry, self.draft, self.decoder)

    @property
    def upstream(self) -> tuple[Canvas]:
        """Return the specs whose rows are read to compute this one, where they are stored."""
        return (self.pixels,)

    @property
    def forward_pass(self) -> ForwardPass:
        """Return the pass that gives it; all that a model makes of one canvas shares one."""
        return ForwardPass(self.model, self.input_size, self.pixels)

    @property
    def name(self) -> str:
        """Return the model and what is taken of it in words, without the canvas."""
        raise NotImplementedError

    @property
    def words(self) -> str:
        """Return the spec in words: "dinov2_vits14, block 12, letterboxed"."""
        return self.name + self.pixels.suffix
