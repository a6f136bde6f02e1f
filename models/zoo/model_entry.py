"""What is known of one backbone without loading anything: an entry of the table of models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Channels = tuple[float, float, float]
Source = Literal["hub", "shipped", "random"]
Positions = Literal["antialias", "offset"]

IMAGENET: tuple[Channels, Channels] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP: tuple[Channels, Channels] = (
    (0.48145466, 0.4578275, 0.40821073),
    (0.26862954, 0.26130258, 0.27577711),
)
HALVES: tuple[Channels, Channels] = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True)
class ModelEntry:
    """One backbone.

    timm: timm model name with its tag; "" is timm's `VisionTransformer` built from `arguments`, or,
        where the weights file says it, from the file's own "architecture".
    arguments: keyword arguments for the model, as pairs.
    paper_name: what the A² paper calls it, "" where it does not. It and the `aliases` can be given
        in place of the name, in any case.
    mean, std: normalisation per RGB channel of values in [0, 1].
    input_size: native side in pixels.
    source: "hub" is fetched once from the Hugging Face hub; "shipped" lies in a file of the
        package; "random" is a control that never saw an image, drawn from seed 0.
    repo: hub repository of the weights, "" where there is none and a weights file has to be given.
    positions: how position embeddings are resampled to another grid: "antialias" is bicubic with
        antialiasing (timm, and the official DINOv2 models with registers); "offset" is bicubic
        without it, with a scale 0.1 patches too large (the official DINO, iBOT and DINOv2 models).
    file: path of the weights of a "shipped" model; "" is the package's own folder.
    parameters: in millions, without any classification head or projection; 0 if not known.
    patch: side of a patch in pixels; 0 if not known.
    prefix_tokens: tokens before the patches, CLS and registers; 0 if not known.
    rotary: positions are rotary angles alone, computed for any grid, and nothing is resampled.
    open_clip: what open_clip calls the whole model, whose image tower this is; "" if it has no text
        tower.
    whole_repo: hub repository of the whole model in open_clip's format, "" where there is none.
    """

    name: str
    family: str
    timm: str
    arguments: tuple[tuple[str, Any], ...]
    paper_name: str
    mean: Channels
    std: Channels
    input_size: int
    source: Source
    licence: str
    repo: str = ""
    positions: Positions = "antialias"
    file: str = ""
    aliases: tuple[str, ...] = ()
    parameters: float = 0.0
    patch: int = 0
    prefix_tokens: int = 0
    rotary: bool = False
    open_clip: str = ""
    whole_repo: str = ""

    @property
    def called(self) -> tuple[str, ...]:
        """Every other name it goes by, the paper's first."""
        return (self.paper_name, *self.aliases) if self.paper_name else self.aliases
