"""This module gives facts of backbones as plain values, for `a2pipe models list` and `show`.

For the models of the table none of this imports torch.
"""

from dataclasses import replace
from typing import Any

from .identity import BackboneInfo, describe
from .weights.hub import on_this_machine, open_clip_on_this_machine
from .zoo.model_entry import CLIP, HALVES, IMAGENET, ModelEntry

SIDE = 224
NORMALIZATIONS = {IMAGENET: "ImageNet", CLIP: "CLIP", HALVES: "halves"}
COLUMNS = {
    "name": "name",
    "paper_name": "also called",
    "family": "family",
    "parameters": "size",
    "patch": "patch",
    "grid": "grid",
    "prefix_tokens": "prefix",
    "normalization": "norm",
    "licence": "licence",
    "weights": "weights",
}
PREPROCESSING = (
    "squashed to a square (Pillow, bilinear); crops resized (bilinear, antialiased); "
    "(pixel / 255 - mean) / std"
)
RESAMPLING = {
    "antialias": "position embeddings resampled bicubically with antialiasing, as timm does",
    "offset": "position embeddings resampled bicubically without antialiasing, by a scale 0.1 "
    "patches too large, as the official code does",
}


def summary(entry: ModelEntry) -> dict[str, Any]:
    """Return the facts of one backbone by name; a fact that is not known is None.

    "parameters" is in millions, without head or projection. "grid" is the patches of an image of
    224 pixels, such as "16x16". "prefix_tokens" counts CLS and registers. "weights" is "yes" or
    "no" for whether they are in the hub's local cache, "shipped" if they lie in the package, and
    "random" if the model has none. The other facts are those of `ModelEntry`.
    """
    return {
        "name": entry.name,
        "paper_name": entry.paper_name,
        "aliases": list(entry.aliases),
        "family": entry.family,
        "parameters": entry.parameters or None,
        "patch": entry.patch or None,
        "grid": _grid(entry.patch),
        "prefix_tokens": entry.prefix_tokens or None,
        "normalization": NORMALIZATIONS.get((entry.mean, entry.std), "its own"),
        "licence": entry.licence,
        "weights": _weights(entry),
        "source": entry.source,
    }


def _grid(patch: int) -> str | None:
    return f"{SIDE // patch}x{SIDE // patch}" if patch and SIDE % patch == 0 else None


def _weights(entry: ModelEntry) -> str:
    """Return whether the weights are on this machine, as `summary` says it."""
    if entry.source == "random":
        return "random"
    there = on_this_machine(entry) is not None
    return "shipped" if there and entry.source == "shipped" else "yes" if there else "no"


def columns(summaries: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Return a table of summaries, one dictionary of texts a row, that fits into 120 columns."""
    return [{head: _cell(key, row[key]) for key, head in COLUMNS.items()} for row in summaries]


def _cell(key: str, value: Any) -> str:
    """Return a fact as the text of a table cell, shortened."""
    if value is None:
        return ""
    if key == "parameters":
        return _size(value)
    return str(value).removesuffix(" licence").removesuffix("-4.0")


def _size(millions: float) -> str:
    """Return a number of parameters, given in millions, as text such as "86M" or "1.1B"."""
    if millions >= 1000:
        return f"{millions / 1000:.1f}B"
    return f"{millions:.0f}M" if millions >= 10 else f"{millions:.1f}M"


def details(entry: ModelEntry) -> dict[str, Any]:
    """Return everything that is known of one backbone, by name.

    For a timm model that is not in the table, its network is built without weights and measured.
    "cls_attention" is "yes", or the reason why it cannot be read.
    Raises UsageError if such a model has no grid of features.
    """
    info = None
    # The table gives parameters of all its models, so that only a timm name imports torch here.
    if not entry.parameters:
        entry, info = _measured(entry)
    path = on_this_machine(entry)
    return {
        **summary(entry),
        "timm": entry.timm,
        "repo": entry.repo,
        "mean": list(entry.mean),
        "std": list(entry.std),
        "input_size": entry.input_size,
        "preprocessing": PREPROCESSING,
        "other_sizes": _other_sizes(entry, info),
        "cls_attention": (info and info.unreadable) or "yes",
        "weights_file": None if path is None else str(path),
        "how_to_get_them": _how_to_get(entry),
        "text_tower": _text_tower(entry),
    }


def _measured(entry: ModelEntry) -> tuple[ModelEntry, BackboneInfo]:
    """Return the entry with what its network tells, and all other facts but the weights."""
    from .architecture import architecture_of, empty_network

    architecture = architecture_of(entry, on_this_machine(entry))
    module: Any = empty_network(architecture)
    info = describe(entry, architecture, module, "")
    measured = replace(
        entry,
        parameters=round(info.parameters / 1e6, 2),
        patch=info.patch,
        prefix_tokens=info.prefix_tokens,
        rotary=getattr(module, "pos_embed", None) is None,
    )
    return measured, info


def _other_sizes(entry: ModelEntry, info: BackboneInfo | None) -> str:
    if info and not info.by_steps:
        return "none" if info.fixed else f"every multiple of {info.patch} px; nothing is resampled"
    rotary = "rotary positions, computed for any grid; nothing is resampled"
    return rotary if entry.rotary else RESAMPLING[entry.positions]


def _text_tower(entry: ModelEntry) -> str | None:
    """Return where the text tower of a model comes from; None if it has none."""
    if not entry.open_clip:
        return None
    if not entry.whole_repo:
        return f"{entry.open_clip} of open_clip, in the file given with `--weights`"
    there = open_clip_on_this_machine(entry) is not None
    here = "on this machine" if there else f"a2pipe models fetch --text {entry.name}"
    return f"{entry.open_clip} of open_clip, from {entry.whole_repo}; {here}"


def _how_to_get(entry: ModelEntry) -> str:
    """Return how the weights of a model are had, in words."""
    if entry.source == "random":
        return "there are none: a control, drawn from a fixed seed"
    if entry.source == "shipped":
        return "they lie in the package"
    whose = "the authors' checkpoint"
    if entry.family == "trained":
        whose = f"the backbone.safetensors of `a2pipe train {entry.name}`"
    own = f"--weights {entry.name}=FILE with {whose}"
    return f"a2pipe models fetch {entry.name}, or {own}" if entry.repo else own
