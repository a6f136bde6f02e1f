"""What a backbone is, found out without loading it."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..version import __version__
from .weights.checkpoint import digest_tensors, tensor_digest
from .weights.hub import locate
from .weights.memo import file_key, recall, remember
from .zoo.families import TABLE
from .zoo.model_entry import Channels, ModelEntry
from .zoo.names import resolve

if TYPE_CHECKING:
    from torch import nn

    from .architecture import Architecture


@dataclass(frozen=True)
class BackboneInfo:
    """A backbone as a function of pixels.

    architecture: canonical JSON of everything that shapes the function but weights and input size.
    weights: digest of the weight tensors, 32 hex digits.
    mean, std: normalisation per RGB channel of values in [0, 1].
    input_size: native side in pixels. patch: side of a patch in pixels.
    prefix_tokens: CLS plus registers, which stand before the patches in every row.
    heads, dim, blocks: attention heads, embedding length, depth. parameters: how many.
    """

    name: str
    architecture: str
    weights: str
    mean: Channels
    std: Channels
    input_size: int
    patch: int
    prefix_tokens: int
    heads: int
    dim: int
    blocks: int
    parameters: int


FIELDS = {field.name for field in fields(BackboneInfo)}


def identify(
    name: str,
    *,
    weights: Path | None = None,
    offline: bool = False,
    memo: Path | None = None,
) -> BackboneInfo:
    """Describe a backbone: its weights are digested, never put into a network.

    weights: a checkpoint to use in place of the published one. offline: never touch the network.
    memo: a file that remembers; for a model of the table and a weights file that it knows, torch is
    not even imported.

    Raises UsageError for an unknown name or a model without a CLS token, A2pipeError if the weights
    cannot be had.
    """
    entry = resolve(name)
    refuse_unreadable(entry)
    path = locate_weights(entry, weights, offline)
    known = _recalled(entry, path, memo)
    if known is not None:
        return known
    info = _inspect(entry, path, memo)
    remember(memo, _key(entry, path), asdict(info))
    return info


def is_known(name: str, *, weights: Path | None, offline: bool, memo: Path | None) -> bool:
    """Whether the memo describes a backbone. Raises as `identify`."""
    entry = resolve(name)
    refuse_unreadable(entry)
    return _recalled(entry, locate_weights(entry, weights, offline), memo) is not None


def locate_weights(entry: ModelEntry, weights: Path | None, offline: bool) -> Path | None:
    """The weights file; None for a control that has none."""
    if entry.source == "random" and weights is None:
        return None
    return locate(entry, weights, offline)


def refuse_unreadable(entry: ModelEntry) -> None:
    """Before anything is fetched, refuse a timm model whose CLS attention could not be read.

    Raises UsageError, which says why. The models of the table are known to be readable.
    """
    if entry.name in TABLE or not entry.timm:
        return
    from .architecture import architecture_of, empty_network
    from .attention import check_readable

    check_readable(empty_network(architecture_of(entry, None)), entry.name)


def _key(entry: ModelEntry, path: Path | None) -> str:
    """What the description depends on."""
    versions = [version(name) for name in ("timm", "torch")]
    parts = (repr(entry), "" if path is None else file_key(path), __version__, *versions)
    return f"model {entry.name} {hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}"


def _recalled(entry: ModelEntry, path: Path | None, memo: Path | None) -> BackboneInfo | None:
    known = recall(memo, _key(entry, path))
    if not isinstance(known, dict) or known.keys() != FIELDS:
        return None
    return BackboneInfo(**{**known, "mean": tuple(known["mean"]), "std": tuple(known["std"])})


def _inspect(entry: ModelEntry, path: Path | None, memo: Path | None) -> BackboneInfo:
    from .architecture import architecture_of, empty_network
    from .attention import check_readable

    design = architecture_of(entry, path)
    outlined = empty_network(design)
    check_readable(outlined, entry.name)
    digest = _random_digest(outlined) if path is None else tensor_digest(path, memo)
    return describe(entry, design, outlined, digest)


def _random_digest(outlined: nn.Module) -> str:
    from .weights.random_init import random_tensors

    return digest_tensors(random_tensors(outlined).items())


def describe(entry: ModelEntry, design: Architecture, module: Any, digest: str) -> BackboneInfo:
    """The facts of a network, outlined or filled."""
    from .architecture import count_parameters

    return BackboneInfo(
        name=entry.name,
        architecture=design.canonical(),
        weights=digest,
        mean=entry.mean,
        std=entry.std,
        input_size=module.patch_embed.img_size[0],
        patch=module.patch_embed.patch_size[0],
        prefix_tokens=module.num_prefix_tokens,
        heads=module.blocks[0].attn.num_heads,
        dim=module.embed_dim,
        blocks=len(module.blocks),
        parameters=count_parameters(module),
    )
