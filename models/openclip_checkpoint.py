"""Take the text tower and the projection out of an open_clip checkpoint.

A checkpoint of a whole model holds the image tower below "visual.", its projection into the space
shared with text as "visual.proj" (d, e), and the text tower beside it: at the top, or below "text."
where open_clip keeps the tower as a module of its own. A copy by timm holds the image tower alone,
with the transposed projection as its head.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import A2pipeError
from .weights.checkpoint import digest_tensors, read_tensors
from .weights.memo import file_key, remembered
from .zoo.model_entry import ModelEntry

if TYPE_CHECKING:
    from torch import Tensor

Tensors = dict[str, "Tensor"]

OF_BOTH_TOWERS = ("logit_scale", "logit_bias")
RELATIVE, ABSOLUTE = 2.0**-7, 1e-6
"""Two towers are compared with these tolerances. bf16 rounds by at most 2^-8 of a number, so copies
in half precision pass, and two models that were trained apart are never so near."""


def text_tensors(tensors: Mapping[str, Tensor]) -> Tensors:
    """Return the tensors of a checkpoint's text tower by open_clip's names; {} if it has none."""
    below = {n.removeprefix("text."): t for n, t in tensors.items() if n.startswith("text.")}
    found = below or {n: t for n, t in tensors.items() if not n.startswith("visual.")}
    found = {n: t for n, t in found.items() if n not in OF_BOTH_TOWERS}
    return found if "token_embedding.weight" in found else {}


def text_digest(path: Path, memo: Path | None = None) -> str:
    """Return the digest of the text tower in a weights file, 32 hex digits; "" if it has none.

    memo: a JSON file that keeps the answer, so that asking again about an unchanged file neither
    reads it nor imports torch. Raises A2pipeError if the file cannot be read.
    """

    def digest() -> str:
        found = text_tensors(read_tensors(path))
        return digest_tensors(sorted(found.items())) if found else ""

    return remembered(memo, f"text {file_key(path)}", str, digest)


def projection_in(tensors: Mapping[str, Tensor], origin: str) -> Tensor:
    """Return the projection of CLS embeddings into the space shared with text, float32 (d, e).

    tensors: a checkpoint of a whole OpenCLIP model, or timm's copy of its image tower. origin:
    where they come from, for the error. Raises A2pipeError if they hold no projection.
    """
    if "visual.proj" in tensors:
        return tensors["visual.proj"].float()
    for layer in ("visual.head.proj", "head"):
        # A head with a bias is a classifier that somebody trained, not CLIP's projection.
        if f"{layer}.weight" in tensors and not _is_biased(tensors, layer):
            return tensors[f"{layer}.weight"].float().T.contiguous()
    raise A2pipeError(
        f"The weights {origin} hold no projection into the space that images share with text; "
        "give a checkpoint of the whole OpenCLIP model."
    )


def _is_biased(tensors: Mapping[str, Tensor], layer: str) -> bool:
    """Return whether a layer has a bias that is not zero."""
    bias = tensors.get(f"{layer}.bias")
    return bias is not None and bool((bias != 0).any())


def same_image_tower(
    entry: ModelEntry, first: Path, second: Path, memo: Path | None = None
) -> bool:
    """Return whether two weights files hold the same image tower and projection.

    They may differ by rounding to half precision, as copies on the hub need not be stored in the
    precision of the originals. memo: a JSON file that keeps the answer for unchanged files.

    Raises A2pipeError if a file cannot be read or holds no projection.
    """
    key = f"same tower {entry.name} {file_key(first)} {file_key(second)}"
    towers = (_image_tower(entry, path) for path in (first, second))
    return remembered(memo, key, bool, lambda: _agree(*towers))


def _image_tower(entry: ModelEntry, path: Path) -> Tensors:
    """Return the image tower in a file under timm's names, with its "projection"."""
    from .architecture import architecture_of, empty_network
    from .weights.conversion import to_timm

    tensors = read_tensors(path)
    module = empty_network(architecture_of(entry, path))
    tower = to_timm(module, tensors, f"{path}")
    return {**tower, "projection": projection_in(tensors, f"{path}")}


def _agree(first: Tensors, second: Tensors) -> bool:
    """Return whether tensors have the same names and shapes, and values up to half precision."""
    if {n: t.shape for n, t in first.items()} != {n: t.shape for n, t in second.items()}:
        return False
    return all(
        tensor.float().allclose(second[name].float(), rtol=RELATIVE, atol=ABSOLUTE)
        for name, tensor in first.items()
    )
