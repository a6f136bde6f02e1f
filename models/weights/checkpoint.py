"""Read the tensors of a weights file without running pickled code, and digest their content."""

from __future__ import annotations

import argparse
import hashlib
import json
import pickle
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import A2pipeError, first_line
from .memo import file_key, remembered

if TYPE_CHECKING:
    from torch import Tensor

WRAPPERS = ("teacher", "model_ema", "state_dict", "model", "module")
PREFIXES = ("module.", "model.", "backbone.")
"""DistributedDataParallel, detectron2 and the trainer of DINO put these before every name."""
BESIDE_A_BACKBONE = re.compile(r"\w*head\.")
"""DINO's and iBOT's trainers save "head.", DINOv2's "dino_head." and "ibot_head."."""


def tensor_digest(path: Path, memo: Path | None = None) -> str:
    """Return the digest of the tensors in a weights file, 32 hex digits.

    It covers names, dtypes, shapes and bytes, so the same tensors have the same digest in a
    .safetensors and in a .pth file. memo: a JSON file that keeps the answer, so that asking again
    about an unchanged file neither reads it nor imports torch.

    Raises A2pipeError if the file cannot be read.
    """
    key = f"tensors {file_key(path)}"
    return remembered(memo, key, str, lambda: digest_tensors(_stream(path)))


def digest_tensors(named: Iterable[tuple[str, Tensor]]) -> str:
    """Return the digest, 32 hex digits, of tensors that come in the order of their sorted names."""
    import torch

    total = hashlib.sha256()
    for name, tensor in named:
        total.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        total.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()[:32]


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint by name, on the CPU.

    Wrappers such as "teacher" and prefixes of names such as "module.backbone." are taken off, and
    the heads beside a backbone are left out. Every other tensor is returned, so that one that
    belongs to no backbone is found where the tensors are put into a network.

    Raises A2pipeError if the file is damaged, holds anything that only unpickling could read, or
    holds two tensors whose names differ in such a prefix alone.
    """
    tensors = dict(_stream(path))
    for prefix in PREFIXES:
        if any(name.startswith(prefix) for name in tensors):
            tensors = _without(prefix, tensors, path)
    return tensors


def _without(prefix: str, tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Return the tensors with a prefix taken off their names, and without a backbone's heads."""
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if prefix == "backbone." and BESIDE_A_BACKBONE.match(name):
            continue
        short = name.removeprefix(prefix)
        if short in found:
            raise A2pipeError(
                f"The checkpoint {path} holds {short} twice, with and without {prefix!r} before "
                "its name; save the state dict of one model alone."
            )
        found[short] = tensor
    return found


def read_architecture(path: Path) -> dict[str, Any] | None:
    """Return the JSON "architecture" in a safetensors file's metadata; None if there is none.

    Raises A2pipeError if the file cannot be read or the text is not JSON.
    """
    if path.suffix.lower() != ".safetensors":
        return None
    with _open_safetensors(path) as file:
        text = (file.metadata() or {}).get("architecture")
        return None if text is None else dict(json.loads(text))


def _stream(path: Path) -> Iterator[tuple[str, Tensor]]:
    """Yield name and tensor in the order of sorted names."""
    # Of a safetensors file only one tensor is in memory at a time, so that digesting the 27 GB of a
    # DINOv3 7B takes as much memory as its largest tensor.
    if path.suffix.lower() == ".safetensors":
        with _open_safetensors(path) as file:
            for name in sorted(file.keys()):
                yield name, file.get_tensor(name)
    else:
        yield from sorted(_load_pth(path).items())


@contextmanager
def _open_safetensors(path: Path) -> Iterator[Any]:
    """Open a safetensors file; raise A2pipeError for whatever is wrong with what it holds."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            yield file
    except (SafetensorError, OSError, TypeError, ValueError) as error:
        raise _unreadable(path, error) from error


def _load_pth(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a file that torch.save wrote, without running pickled code."""
    import torch

    # The official DINO and MAE files hold the options of their training run, an argparse.Namespace,
    # beside the tensors; it is plain data, and nothing else is let through.
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if not _is_checkpoint(path):
            raise A2pipeError(
                f"{path} is no checkpoint of PyTorch; give a .pth, or .safetensors under that name."
            ) from error
        raise A2pipeError(
            f"The checkpoint {path} holds more than tensors and would have to be unpickled, which "
            "may run code; save its state dict alone, best as .safetensors."
        ) from error
    except Exception as error:  # a damaged archive raises nearly anything
        raise _unreadable(path, error) from error
    return _tensors_in(content, path)


def _is_checkpoint(path: Path) -> bool:
    """Return whether a file begins as torch.save begins one: a zip archive, or a bare pickle."""
    with path.open("rb") as file:
        return file.read(2).startswith((b"PK", b"\x80"))


def _tensors_in(content: Any, path: Path) -> dict[str, Tensor]:
    """Return the named tensors inside a checkpoint's wrappers; refuse any that are not dense."""
    import torch

    while isinstance(content, Mapping):
        inner = next((name for name in WRAPPERS if isinstance(content.get(name), Mapping)), None)
        if inner is None:
            break
        content = content[inner]
    named = content.items() if isinstance(content, Mapping) else ()
    tensors = {name: value for name, value in named if isinstance(value, torch.Tensor)}
    if not tensors or not all(isinstance(name, str) for name in tensors):
        raise A2pipeError(f"The checkpoint {path} holds no named tensors; give a state dict.")
    if any(each.layout != torch.strided or each.is_quantized for each in tensors.values()):
        raise A2pipeError(
            f"The checkpoint {path} holds sparse or quantised tensors; give dense ones."
        )
    return tensors


def _unreadable(path: Path, error: Exception) -> A2pipeError:
    return A2pipeError(
        f"The weights file {path} cannot be read ({first_line(error)}); "
        "delete it and fetch it again."
    )
