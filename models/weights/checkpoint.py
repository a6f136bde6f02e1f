"""Weight tensors: read from a file without pickle, and told apart by their content."""

from __future__ import annotations

import argparse
import hashlib
import json
import pickle
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import A2pipeError, first_line
from .memo import file_key, recall, remember

if TYPE_CHECKING:
    from torch import Tensor

WRAPPERS = ("teacher", "model_ema", "state_dict", "model", "module")
PREFIXES = ("module.", "backbone.")


def tensor_digest(path: Path, memo: Path | None = None) -> str:
    """Digest of a weights file's tensors: 32 hex digits over sorted names, dtypes, shapes, bytes.

    The same tensors give the same digest as .safetensors and as .pth. With a memo, a file that has
    not changed (path, size, time) is neither read again nor is torch imported.
    """
    key = f"tensors {file_key(path)}"
    known = recall(memo, key)
    if isinstance(known, str):
        return known
    digest = digest_tensors(_stream(path))
    remember(memo, key, digest)
    return digest


def digest_tensors(named: Iterable[tuple[str, Tensor]]) -> str:
    """Digest of tensors given in the order of their sorted names."""
    import torch

    total = hashlib.sha256()
    for name, tensor in named:
        total.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        total.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()[:32]


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name, on the CPU; wrappers such as "teacher" and name prefixes
    such as "module.backbone." are taken off.

    Raises A2pipeError if the file is damaged or holds anything that only unpickling could read.
    """
    tensors = dict(_stream(path))
    for prefix in PREFIXES:
        if any(name.startswith(prefix) for name in tensors):
            tensors = {
                name.removeprefix(prefix): tensor
                for name, tensor in tensors.items()
                if name.startswith(prefix)
            }
    return tensors


def read_architecture(path: Path) -> dict[str, Any] | None:
    """The "architecture" that a safetensors file carries in its metadata, as JSON; None if none."""
    if path.suffix.lower() != ".safetensors":
        return None
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            text = (file.metadata() or {}).get("architecture")
        return None if text is None else dict(json.loads(text))
    except (SafetensorError, OSError, TypeError, ValueError) as error:
        raise _unreadable(path, error) from error


def _stream(path: Path) -> Iterator[tuple[str, Tensor]]:
    """Name and tensor in the order of sorted names; of a safetensors file one tensor at a time."""
    if path.suffix.lower() == ".safetensors":
        yield from _stream_safetensors(path)
    else:
        yield from sorted(_load_pth(path).items())


def _stream_safetensors(path: Path) -> Iterator[tuple[str, Tensor]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            for name in sorted(file.keys()):
                yield name, file.get_tensor(name)
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, error) from error


def _load_pth(path: Path) -> dict[str, Tensor]:
    """A training run's options (an argparse.Namespace) may stand beside the tensors, no more."""
    import torch

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
    """Whether the file begins as torch.save begins one: a zip archive, or a bare pickle."""
    with path.open("rb") as file:
        return file.read(2).startswith((b"PK", b"\x80"))


def _tensors_in(content: Any, path: Path) -> dict[str, Tensor]:
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
