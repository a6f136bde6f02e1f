"""An output is one thing that a pass through a backbone is asked for, of each image.

`Block` is the CLS attention of a block, `Pool` an embedding, `Statistic` a number for each patch.
Pools and statistics are written as texts, each of which has one canonical spelling. A text may say
K as a share of the number of patches N, such as "N/4", until it is known which number that is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..errors import UsageError

FORMS = ("released", "paper", "plot-paper")
KERNELS = ("released", "centred")
VECTORS = ("cls", "mean")
_COUNT = re.compile(r"[1-9][0-9]{0,5}|N(?:/[1-9][0-9]{0,3})?")
_POOLS = "cls, mean, native or selective:K[:FORM][:KERNEL]"
_STATISTICS = (
    "patch-score[:cls|mean], norm[:before], votes:K[:FORM][:KERNEL] or "
    "pooled-score:K[:FORM][:KERNEL]"
)
_SELECTION = (
    f"with K patches, at least 1, such as 49 or N/4, a FORM of {', '.join(FORMS)} and a "
    f"KERNEL of {', '.join(KERNELS)}"
)


@dataclass(frozen=True)
class Block:
    """A Block asks for the CLS token's row of the softmax of one block: (heads, tokens).

    number: from 1 to the depth, which is the last block.
    """

    number: int


@dataclass(frozen=True)
class Selection:
    """A Selection says which patches each channel takes (LaSt-ViT, section 4).

    k: how many, as a number, or as "N" or "N/4" of the N patches.
    form: of the stability score, and kernel: of its filter, as `patches.selection` explains them.
    """

    k: str
    form: str = "released"
    kernel: str = "released"

    @property
    def text(self) -> str:
        """Return the canonical text, "49" or "49:paper:centred", without what is the default."""
        ways = (self.form, self.kernel)
        return ":".join([self.k, *(way for way in ways if way != "released")])

    def of(self, patches: int) -> Selection:
        """Return the selection of so many patches, with K as a number.

        Raises UsageError if K is larger than that.
        """
        whole, _, divisor = self.k.partition("/")
        parts = int(divisor or 1)
        k = int(whole) if whole != "N" else max(1, (2 * patches + parts) // (2 * parts))
        if k > patches:
            raise UsageError(f"K = {k} is more than the {patches} patches of an image.")
        return replace(self, k=str(k))


@dataclass(frozen=True)
class Pool:
    """A Pool asks for an embedding, (dim,).

    kind: "cls" is the CLS token after the final norm; "mean" the mean of the patches after it,
        without registers; "selective" the mean, in each channel, of the patches that are selected;
        "native" is the network's own pooling, as timm defines it.
    selection: of "selective", None for the others.
    """

    kind: str
    selection: Selection | None = None

    @property
    def text(self) -> str:
        """Return the canonical text, such as "mean" or "selective:49"."""
        return _text(self.kind, self.selection)

    @property
    def needs_patches(self) -> bool:
        """Tell whether patches after the final norm are needed, and not the CLS token alone."""
        return self.kind != "cls"


@dataclass(frozen=True)
class Statistic:
    """A Statistic asks for a number of each patch, (N,), in row-major order of the grid.

    kind: "patch-score" is the cosine with a global vector, "norm" the length, "votes" in how many
        channels the patch is selected, "pooled-score" the cosine with the mean of what is selected.
    vector: of "patch-score", "cls" or "mean"; empty where the network decides: its CLS token if it
        has one. stage: of "norm", "before" or "after" the final norm.
    selection: of "votes" and "pooled-score", None for the others.
    """

    kind: str
    vector: str = ""
    stage: str = "after"
    selection: Selection | None = None

    @property
    def text(self) -> str:
        """Return the canonical text, such as "patch-score:cls" or "votes:49"."""
        option = self.vector or ("" if self.stage == "after" else self.stage)
        return _text(self.kind, self.selection, option)


Output = Block | Pool | Statistic


def parse_pool(text: str) -> Pool:
    """Read `cls`, `mean`, `native`, `selective:49` or `selective:N/4:paper:centred`.

    Raises UsageError if the text names no pool.
    """
    kind, colon, option = text.strip().partition(":")
    selection = _selection(option) if kind == "selective" else None
    if selection or (kind in ("cls", "mean", "native") and not colon):
        return Pool(kind, selection)
    raise UsageError(f"There is no pool {text!r}; write {_POOLS}, {_SELECTION}.")


def parse_pools(text: str) -> tuple[Pool, ...]:
    """Read pools whose embeddings are put side by side, `cls+mean`; one alone is one.

    Raises UsageError if one of them is none, or one is named twice.
    """
    pools = tuple(parse_pool(part) for part in text.split("+"))
    if len(set(pools)) < len(pools):
        raise UsageError(f"The pools {text!r} name one twice.")
    return pools


def parse_statistic(text: str) -> Statistic:
    """Read `patch-score`, `patch-score:mean`, `norm:before`, `votes:49` or `pooled-score:N/4`.

    Raises UsageError if the text names no statistic.
    """
    kind, colon, option = text.strip().partition(":")
    if kind == "patch-score" and (not colon or option in VECTORS):
        return Statistic(kind, vector=option)
    if kind == "norm" and (not colon or option in ("before", "after")):
        return Statistic(kind, stage=option or "after")
    selection = _selection(option) if kind in ("votes", "pooled-score") else None
    if selection:
        return Statistic(kind, selection=selection)
    raise UsageError(f"There is no patch statistic {text!r}; write {_STATISTICS}, {_SELECTION}.")


def needs_patches(output: Output) -> bool:
    """Tell whether an output is made from the patches as they leave the network."""
    return isinstance(output, Statistic) or (isinstance(output, Pool) and output.needs_patches)


def blocks_of(outputs: Sequence[Output]) -> list[int]:
    """Return the blocks whose attention is asked for, in the order of the outputs."""
    return [output.number for output in outputs if isinstance(output, Block)]


def _selection(option: str) -> Selection | None:
    """Read "49", "N/4:paper" or "49:paper:centred"; None if the option is none of these."""
    k, *ways = option.split(":")
    form = ways.pop(0) if ways and ways[0] in FORMS else "released"
    kernel = ways.pop(0) if ways and ways[0] in KERNELS else "released"
    if ways or not _COUNT.fullmatch(k):
        return None
    return Selection("N" if k == "N/1" else k, form, kernel)


def _text(kind: str, selection: Selection | None, option: str = "") -> str:
    return ":".join(part for part in (kind, option, selection.text if selection else "") if part)
