"""An entry of the table of models has the facts of a backbone, known without loading it."""

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
    """A ModelEntry has the facts of one backbone.

    name: the name that records and cells of a matrix show.
    family: what the list of models groups it under, such as "DINOv2".
    timm: timm model name with its tag. "" stands for timm's `VisionTransformer`, built from the
        "architecture" in the weights file's metadata or else from `arguments`.
    arguments: keyword arguments for the model, as pairs of name and value.
    paper_name: what the A² paper calls it; "" if it does not. It and the `aliases` can be given in
        place of the name, in any case.
    mean, std: normalisation per RGB channel of values in [0, 1].
    input_size: native side in pixels.
    source: where weights come from. "hub": fetched once from the Hugging Face hub. "shipped": in a
        file of a package. "random": drawn from seed 0, for a control that never saw an image.
    licence: of the weights, in words.
    repo: hub repository of the weights; "" if there is none and a weights file has to be given.
    positions: how position embeddings are resampled to another grid. "antialias": bicubically with
        antialiasing, as timm and the official DINOv2 models with registers do. "offset": without
        it, by a scale 0.1 patches too large, as the official DINO, iBOT and DINOv2 models do.
    file: path of the weights of a "shipped" model; "" if they lie in this package.
    aliases: other names that it can be given by.
    parameters: in millions, without any classification head or projection; 0 if not known.
    patch: side of a patch in pixels; 0 if not known.
    prefix_tokens: number of tokens before the patches, CLS and registers; 0 if not known.
    rotary: whether all positions are rotary angles, which are computed for any grid, so that
        nothing is resampled.
    open_clip: open_clip's name of the whole model whose image tower this is; "" if it has no text
        tower.
    whole_repo: hub repository of the whole model in open_clip's format; "" if there is none.
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
        """Return every other name that it can be given by, the paper's first."""
        return (self.paper_name, *self.aliases) if self.paper_name else self.aliases
