"""Identify a backbone: its facts and the digest of its weights, found without loading it."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import UsageError
from ..version import __version__
from .outputs import Block, Output, Pool, Statistic
from .weights.checkpoint import digest_tensors, tensor_digest
from .weights.hub import locate
from .weights.memo import file_key, recall, remember
from .zoo.families import TABLE
from .zoo.model_entry import Channels, ModelEntry
from .zoo.names import resolve

if TYPE_CHECKING:
    from .architecture import Architecture

T = TypeVar("T", bound=Output)


@dataclass(frozen=True)
class BackboneInfo:
    """A BackboneInfo has the facts of a backbone.

    Equal `architecture` and `weights` mean the same function of pixels.

    name: the one name that the table has for the model, or timm's name.
    architecture: canonical JSON of all that shapes the function except weights and input size.
    weights: digest of the weight tensors, 32 hex digits.
    mean, std: normalisation per RGB channel of values in [0, 1].
    input_size: native side in pixels.
    patch: side of a patch in pixels.
    prefix_tokens: number of tokens before the patches in every row: CLS and registers.
    heads: attention heads of a block.
    dim: length of an embedding.
    blocks: depth.
    parameters: number of weights.
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

    def tokens(self, side: int) -> int:
        """Return the number of tokens of an image of side x side pixels, with CLS and registers."""
        return self.prefix_tokens + self.patches(side)

    def patches(self, side: int) -> int:
        """Return the number of patches of an image of side x side pixels."""
        return (side // self.patch) ** 2

    def resolve(self, output: T, side: int) -> T:
        """Return an output as results of images of side x side pixels have it.

        A patch score names its vector, and K is a number.

        Raises UsageError for a block that the model lacks, or a K above the number of patches.
        """
        if isinstance(output, Block):
            if not 1 <= output.number <= self.blocks:
                raise UsageError(f"{self.name} has blocks 1 to {self.blocks}, not {output.number}.")
            return output
        if isinstance(output, Statistic) and output.kind == "patch-score" and not output.vector:
            output = replace(output, vector="cls")
        selection = output.selection and output.selection.of(self.patches(side))
        return replace(output, selection=selection)

    def shape(self, output: Output, side: int) -> tuple[int, ...]:
        """Return the shape of an output of one image of side x side pixels."""
        if isinstance(output, Block):
            return self.heads, self.tokens(side)
        return (self.dim,) if isinstance(output, Pool) else (self.patches(side),)


FIELDS = {field.name for field in fields(BackboneInfo)}


def identify(
    name: str, *, weights: Path | None = None, offline: bool = False, memo: Path | None = None
) -> BackboneInfo:
    """Return the facts of a backbone, fetching its weights if they are not on this machine.

    name: as for `load_backbone`. weights: a checkpoint to use in place of the published one.
    offline: whether the network must not be touched. memo: a JSON file that keeps the answer, so
    that asking again about an unchanged weights file of a model of the table imports no torch.

    Raises UsageError for an unknown name or a model whose CLS attention cannot be read, and
    A2pipeError if the weights cannot be had.
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
    """Return whether `identify` would answer from the memo alone. Raises what `identify` raises."""
    entry = resolve(name)
    refuse_unreadable(entry)
    return _recalled(entry, locate_weights(entry, weights, offline), memo) is not None


def locate_weights(entry: ModelEntry, weights: Path | None, offline: bool) -> Path | None:
    """Return the weights file, fetched if need be; None for a control with random weights.

    Raises what `hub.locate` raises.
    """
    if entry.source == "random" and weights is None:
        return None
    return locate(entry, weights, offline)


def refuse_unreadable(entry: ModelEntry) -> None:
    """Raise UsageError for a timm model whose CLS attention cannot be read.

    It needs no weights, so it can be asked before gigabytes are fetched in vain.
    """
    # The tests hold the table's models to be readable; asking again would import torch for nothing.
    if entry.name in TABLE or not entry.timm:
        return
    from .architecture import architecture_of, empty_network
    from .blocks.attention import check_readable

    check_readable(empty_network(architecture_of(entry, None)), entry.name)


def _key(entry: ModelEntry, path: Path | None) -> str:
    """Return the key of the memo, which holds everything that the answer depends on."""
    # Another release of timm may build another network under the same name.
    versions = [version(name) for name in ("timm", "torch")]
    parts = (repr(entry), "" if path is None else file_key(path), __version__, *versions)
    return f"model {entry.name} {hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}"


def _recalled(entry: ModelEntry, path: Path | None, memo: Path | None) -> BackboneInfo | None:
    """Return what the memo says of a backbone, or None."""
    known = recall(memo, _key(entry, path))
    # The memo is a file that anything may have written to: it counts only with the very fields.
    if not isinstance(known, dict) or known.keys() != FIELDS:
        return None
    return BackboneInfo(**{**known, "mean": tuple(known["mean"]), "std": tuple(known["std"])})


def _inspect(entry: ModelEntry, path: Path | None, memo: Path | None) -> BackboneInfo:
    """Work out the facts of a backbone from its network and its weights file."""
    from .architecture import architecture_of, empty_network
    from .blocks.attention import check_readable
    from .weights.random_init import random_tensors

    architecture = architecture_of(entry, path)
    network = empty_network(architecture)
    check_readable(network, entry.name)
    if path is None:
        digest = digest_tensors(random_tensors(network).items())
    else:
        digest = tensor_digest(path, memo)
    return describe(entry, architecture, network, digest)


def describe(
    entry: ModelEntry, architecture: Architecture, module: Any, digest: str
) -> BackboneInfo:
    """Return the facts of a network that was built for an entry, with or without its weights.

    digest: of the weights. module: a timm ViT, which may be on the meta device.
    """
    from .architecture import count_parameters

    return BackboneInfo(
        name=entry.name,
        architecture=architecture.canonical(),
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
