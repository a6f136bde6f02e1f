"""Embed prompts with the text tower that belongs to an OpenCLIP image tower.

A text tower goes by the name of its image tower. Its weights are taken from the file given for the
image tower, if that holds the whole model, and else from the hub. open_clip and torch are imported
only to embed a prompt, or to digest a file for the first time.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import A2pipeError, UsageError
from .identity import locate_weights
from .openclip_checkpoint import projection_in, same_image_tower, text_digest, text_tensors
from .weights.checkpoint import read_tensors, tensor_digest
from .weights.hub import locate_open_clip
from .zoo.model_entry import ModelEntry
from .zoo.names import entries, resolve

if TYPE_CHECKING:
    from torch import Tensor, nn

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class TextInfo:
    """A TextInfo has the facts of a text tower.

    Equal `architecture` and `weights` mean the same function of a prompt.

    name: the model's name, which is that of its image tower.
    architecture: canonical JSON of what shapes the function, tokenizer included, except weights.
    weights: digest of the text tower's tensors, 32 hex digits.
    image_weights: digest of the file of the image tower, as in `BackboneInfo.weights`.
    """

    name: str
    architecture: str
    weights: str
    image_weights: str


def identify_text(
    name: str, *, weights: Path | None = None, offline: bool = False, memo: Path | None = None
) -> TextInfo:
    """Return the facts of the text tower of the model called `name`.

    weights: the file that is given for the image tower; if it holds no text tower, the published
    one is used. offline: whether the network must not be touched. memo: a JSON file that keeps the
    answer for unchanged files.

    Raises UsageError for an unknown name or a model without a text tower; A2pipeError if weights
    cannot be had, or if the published text tower belongs to another image tower than the file's.
    """
    entry = text_entry(name)
    image, text = _locate_towers(entry, weights, offline, memo)
    architecture = {"library": "open_clip", "model": entry.open_clip}
    return TextInfo(
        name=entry.name,
        architecture=json.dumps(architecture, sort_keys=True, separators=(",", ":")),
        weights=text_digest(text, memo),
        image_weights=tensor_digest(image, memo),
    )


def text_entry(name: str) -> ModelEntry:
    """Return the model called `name`; raise UsageError if there is none or it has no text tower."""
    entry = resolve(name)
    if not entry.open_clip:
        known = ", ".join(entry.name for entry in entries() if entry.open_clip)
        raise UsageError(f"{entry.name} has no text tower, which these have: {known}.")
    return entry


def read_projection(name: str, *, weights: Path | None = None, offline: bool = False) -> Floats:
    """Return the projection of CLS embeddings into the space shared with text, float32 (d, e).

    The arguments are as for `identify_text`. Raises what `identify_text` raises, and A2pipeError
    for a weights file without a projection or with one that is not finite.
    """
    # It is read from the image tower's file, never the text tower's, so that `BackboneInfo.weights`
    # covers it and a projected embedding keeps its address.
    path = locate_weights(text_entry(name), weights, offline)
    assert path is not None, "a model with a text tower has a weights file"
    projection: Floats = projection_in(read_tensors(path), f"{path}").numpy()
    if not np.isfinite(projection).all():
        raise A2pipeError(f"The projection in the weights {path} is not finite; get them anew.")
    return projection


class TextTower:
    """A TextTower embeds prompts on the CPU; `load_text_tower` makes one.

    info: its facts.
    """

    def __init__(self, info: TextInfo, module: nn.Module, tokenizer: Any) -> None:
        self.info = info
        self._module: Any = module
        self._tokenizer = tokenizer

    def embed(self, prompts: Sequence[str]) -> Floats:
        """Return the embeddings of P prompts, float32 (P, e), scaled to unit length.

        Raises UsageError for a prompt that is longer than the model reads.
        """
        import torch

        for prompt in prompts:
            self._check_length(prompt)
        # One prompt a call: in a batch its last bits would depend on the other prompts.
        with torch.inference_mode():
            rows = [
                self._module.encode_text(self._tokenizer([prompt]), normalize=True)
                for prompt in prompts
            ]
        embedded: Floats = torch.cat(rows).numpy()
        return embedded

    def _check_length(self, prompt: str) -> None:
        """Raise UsageError for a prompt that open_clip would cut off without saying so."""
        # Two places of the context are taken by the tokens of start and end.
        count, room = len(self._tokenizer.encode(prompt)), self._tokenizer.context_length - 2
        if count > room:
            raise UsageError(
                f"The prompt {prompt!r} has {count} tokens, and {self.info.name} reads {room}; "
                "shorten it."
            )


def load_text_tower(
    name: str, *, weights: Path | None = None, offline: bool = False, memo: Path | None = None
) -> TextTower:
    """Load the text tower of a model onto the CPU, frozen, as float32.

    The arguments are as for `identify_text`. Raises what `identify_text` raises, and A2pipeError
    if open_clip is not installed or the weights do not fit its model.
    """
    entry = text_entry(name)
    open_clip = _open_clip()
    info = identify_text(name, weights=weights, offline=offline, memo=memo)
    _, path = _locate_towers(entry, weights, True, memo)
    module = _with_weights(_empty_tower(entry, open_clip), text_tensors(read_tensors(path)), path)
    return TextTower(info, module, open_clip.get_tokenizer(entry.open_clip))


def _locate_towers(
    entry: ModelEntry, weights: Path | None, offline: bool, memo: Path | None
) -> tuple[Path, Path]:
    """Return the files of the image tower and of its text tower, which may be the same file."""
    image = locate_weights(entry, weights, offline)
    assert image is not None, "a model with a text tower has a weights file"
    if text_digest(image, memo):
        return image, image
    published = locate_open_clip(entry, offline)
    if not text_digest(published, memo):
        raise A2pipeError(f"{published} holds no text tower; delete it and fetch it again.")
    if not same_image_tower(entry, image, published, memo):
        raise A2pipeError(
            f"The weights {image} are another image tower than the one whose text tower is "
            f"published for {entry.name}; give the whole model with `--weights {entry.name}=FILE`."
        )
    return image, published


def _open_clip() -> Any:
    """Import open_clip; raise A2pipeError, which names the extra, if it is not installed."""
    try:
        import open_clip
    except ImportError as error:
        raise A2pipeError(
            "Prompts are embedded by open_clip, which is not installed; "
            "run `pip install a2pipe[clip]`."
        ) from error
    return open_clip


def _empty_tower(entry: ModelEntry, open_clip: Any) -> Any:
    """Return open_clip's whole model on the meta device, with its image tower taken out."""
    import torch

    config = open_clip.get_model_config(entry.open_clip)
    if config is None:
        raise A2pipeError(
            f"The installed open_clip knows no model {entry.open_clip}; upgrade it with "
            "`pip install --upgrade a2pipe[clip]`."
        )
    gelu = config.get("quick_gelu", False)
    with torch.device("meta"):
        model = open_clip.CLIP(config["embed_dim"], config["vision_cfg"], config["text_cfg"], gelu)
    # Only the text tower is filled and compared with the file, so nothing else may be in the model.
    model.visual = model.logit_scale = None
    return model


def _with_weights(model: Any, tensors: dict[str, Tensor], path: Path) -> nn.Module:
    """Put the tensors into an empty text tower; return it frozen, in evaluation mode."""
    import torch

    from .weights.loading import check_fit, check_numbers

    check_fit(model, tensors, f"{path}")
    check_numbers(tensors, f"{path}")
    model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, assign=True)
    # The causal mask is a buffer that no checkpoint holds, so it is still on the meta device.
    model.attn_mask = torch.full(tuple(model.attn_mask.shape), float("-inf")).triu(1)
    filled: nn.Module = model.requires_grad_(False).eval()
    return filled
