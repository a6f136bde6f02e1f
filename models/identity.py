"""Identify a backbone: its facts and the digest of its weights, found without loading it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
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
    patch: side of a patch in pixels; the stride of a network that has a grid of features instead.
    prefix_tokens: number of tokens before the patches in every row: CLS and registers; 0 for a
        network that runs as a whole.
    heads: attention heads of a block; 0 for a network that runs as a whole.
    dim: length of an embedding, and of a patch.
    blocks: depth; 0 for a network that runs as a whole.
    parameters: number of weights.
    unreadable: why CLS attention cannot be read, the beginning of a sentence; "" if it can.
    native_dim: length of the pool "native", where it is not that of the others; 0 if the network
        pools nothing.
    fixed: whether it takes images of the native side alone.
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
    unreadable: str = ""
    native_dim: int | None = None
    fixed: bool = False

    @property
    def by_steps(self) -> bool:
        """Return whether the blocks are run one by one, and not the network as a whole."""
        return self.blocks > 0

    @property
    def registers(self) -> int:
        """Return the number of register tokens."""
        return self.prefix_tokens if self.unreadable else self.prefix_tokens - 1

    def tokens(self, side: int) -> int:
        """Return the number of tokens of an image of side x side pixels, with CLS and registers."""
        return self.prefix_tokens + self.patches(side)

    def patches(self, side: int) -> int:
        """Return the number of patches of an image of side x side pixels."""
        return (side // self.patch) ** 2

    def resolve(self, output: T, side: int) -> T:
        """Return an output as results of images of side x side pixels have it.

        A patch score names its vector, and K is a number.

        Raises UsageError for a block or an output that the model lacks, a side that it does not
        take, or a K above the number of patches.
        """
        self.refuse_lacking(output)
        self.refuse_size(side)
        if isinstance(output, Block):
            if not 1 <= output.number <= self.blocks:
                raise UsageError(f"{self.name} has blocks 1 to {self.blocks}, not {output.number}.")
            return output
        if isinstance(output, Statistic) and output.kind == "patch-score" and not output.vector:
            output = replace(output, vector="mean" if self.unreadable else "cls")
        selection = output.selection and output.selection.of(self.patches(side))
        return replace(output, selection=selection)

    def shape(self, output: Output, side: int) -> tuple[int, ...]:
        """Return the shape of an output of one image of side x side pixels."""
        if isinstance(output, Block):
            return self.heads, self.tokens(side)
        if isinstance(output, Statistic):
            return (self.patches(side),)
        if output.kind == "native" and self.native_dim is not None:
            return (self.native_dim,)
        return (self.dim,)

    def refuse_lacking(self, output: Output) -> None:
        """Raise UsageError for an output that the model lacks at any size, with those that it has.

        The number of a block and K are not checked here.
        """
        lacking = self._lacking(output)
        if lacking:
            pools = ("" if self.native_dim == 0 else "native, ") + "mean and selective:K"
            raise UsageError(
                f"{lacking}; its pools are {pools}, and its sources of maps patch-score, votes:K "
                "and pooled-score:K."
            )

    def _lacking(self, output: Output) -> str:
        """Say why the model lacks an output; "" if it does not."""
        if self.unreadable and isinstance(output, Block):
            return f"{self.unreadable}, so it gives no attention"
        if self.unreadable and output == Pool("cls"):
            return f"{self.unreadable}, so it has no pool cls"
        if self.unreadable and isinstance(output, Statistic) and output.vector == "cls":
            return f"{self.unreadable}, so it has no {output.text}"
        if not self.by_steps and isinstance(output, Statistic) and output.stage == "before":
            return f"{self.name} runs as a whole, without a last norm to stop before"
        if self.native_dim == 0 and output == Pool("native"):
            return f"{self.name} has no pooling of its own"
        return ""

    def refuse_size(self, side: int) -> None:
        """Raise UsageError for a side in pixels other than the only one that the model takes."""
        if self.fixed and side != self.input_size:
            raise UsageError(
                f"{self.name} takes images of {self.input_size} px alone, not {side}; set its "
                f"input size to {self.input_size}."
            )


FIELDS = {field.name for field in fields(BackboneInfo)}


def identify(
    name: str, *, weights: Path | None = None, offline: bool = False, memo: Path | None = None
) -> BackboneInfo:
    """Return the facts of a backbone, fetching its weights if they are not on this machine.

    name: as for `load_backbone`. weights: a checkpoint to use in place of the published one.
    offline: whether the network must not be touched. memo: a JSON file that keeps the answer, so
    that asking again about an unchanged weights file of a model of the table imports no torch.

    Raises UsageError, before anything is fetched, for an unknown name or a model without a grid of
    features; A2pipeError if the weights cannot be had.
    """
    entry = resolve(name)
    refuse_unusable(entry)
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
    refuse_unusable(entry)
    return _recalled(entry, locate_weights(entry, weights, offline), memo) is not None


def locate_weights(entry: ModelEntry, weights: Path | None, offline: bool) -> Path | None:
    """Return the weights file, fetched if need be; None for a control with random weights.

    Raises what `hub.locate` raises.
    """
    if entry.source == "random" and weights is None:
        return None
    return locate(entry, weights, offline)


def refuse_unusable(entry: ModelEntry, asked: Iterable[Output] = ()) -> None:
    """Raise UsageError for a timm model without a grid of features, or without what is asked for.

    It needs no weights, so it can be asked before gigabytes are fetched in vain.
    """
    # The tests hold the table's models to be readable; asking again would import torch for nothing.
    if entry.name in TABLE or not entry.timm:
        return
    info = _outline(entry)
    for output in asked:
        info.refuse_lacking(output)


@cache
def _outline(entry: ModelEntry) -> BackboneInfo:
    """Return the facts of a timm model without its weights, and so without their digest."""
    from .architecture import architecture_of, empty_network

    architecture = architecture_of(entry, None)
    return describe(entry, architecture, empty_network(architecture), "")


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
    from .weights.random_init import random_tensors

    architecture = architecture_of(entry, path)
    network = empty_network(architecture)
    if path is None:
        digest = digest_tensors(random_tensors(network).items())
    else:
        digest = tensor_digest(path, memo)
    return describe(entry, architecture, network, digest)


def describe(
    entry: ModelEntry, architecture: Architecture, module: Any, digest: str
) -> BackboneInfo:
    """Return the facts of a network that was built for an entry, with or without its weights.

    digest: of the weights. module: a timm network, which is on the meta device.

    Raises UsageError for a network without a grid of features.
    """
    from .architecture import count_parameters
    from .blocks.attention import why_not_by_steps, why_unreadable

    whole = bool(why_not_by_steps(module, entry.name))
    return BackboneInfo(
        name=entry.name,
        architecture=architecture.canonical(),
        weights=digest,
        mean=entry.mean,
        std=entry.std,
        parameters=count_parameters(module),
        unreadable=why_unreadable(module, entry.name),
        **(_of_grid(entry, module) if whole else _of_blocks(module)),
    )


def _of_blocks(module: Any) -> dict[str, int]:
    """Return the facts of a network whose blocks are run one by one."""
    return {
        "input_size": module.patch_embed.img_size[0],
        "patch": module.patch_embed.patch_size[0],
        "prefix_tokens": module.num_prefix_tokens,
        "heads": module.blocks[0].attn.num_heads,
        "dim": module.embed_dim,
        "blocks": len(module.blocks),
    }


def _of_grid(entry: ModelEntry, module: Any) -> dict[str, Any]:
    """Return the facts of a network that runs as a whole."""
    from .whole.layout import find_layout

    found = find_layout(module, entry.name, entry.input_size)
    return {
        "input_size": entry.input_size,
        "patch": found.stride,
        "prefix_tokens": 0,
        "heads": 0,
        "dim": found.dim,
        "blocks": 0,
        "native_dim": found.native_dim,
        "fixed": found.fixed,
    }
