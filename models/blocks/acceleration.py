"""Run a network faster, by weights in a lower precision and by compiled code."""

import contextlib
import hashlib
import os
import platform
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ...errors import A2pipeError, first_line
from .attention import EAGER, Steps

MOST_COMPILED = 4096
"""So many variants of one step torch.compile may keep: more than any run has networks."""
CODE_FOLDER = "TORCHINDUCTOR_CACHE_DIR"
"""The environment variable that names the folder in which torch keeps compiled code."""


def cast_blocks(module: Any, dtype: torch.dtype) -> Any:
    """Cast the blocks and the patch embedding of a timm ViT to `dtype`, in place, and return it.

    Positions, their angles, CLS and register tokens, and the norms outside of blocks keep float32.
    """
    for part in (module.patch_embed, module.blocks):
        part.to(dtype)
    return module


def compiled_steps() -> Steps:
    """Return the steps of a pass compiled by torch.compile, each for one shape at a time.

    All blocks of one kind share the code of a step, which is made when it first runs; that has to
    be inside `compilation`. Raises A2pipeError if the environment switches torch.compile off.
    """
    from torch._dynamo import config

    # Uncompiled rows under a compiled address have to be impossible. Where torch.compile is off it
    # returns what it is given, and without `fullgraph` it leaves out what it cannot compile.
    if config.disable:
        raise A2pipeError(
            "torch.compile is switched off by TORCH_COMPILE_DISABLE; unset it or leave out "
            "`--compile`."
        )
    make = partial(torch.compile, fullgraph=True, dynamic=False)
    return Steps(**{name: make(step) for name, step in vars(EAGER).items()})


def code_folder(folder: Path) -> Path | None:
    """Return the folder below `folder` for code compiled on this kind of machine, and make it.

    Returns None where it may not be made, or belongs to someone else: what lies in it is run.
    """
    # torch compiles for the very processor, and looks the code up by less than that. A cluster's
    # machines share the cache, and other processors would meet instructions that they lack.
    place = folder / f"{platform.machine()}-{hashlib.sha256(_processor()).hexdigest()[:12]}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.mkdir(mode=0o700, exist_ok=True)
        ours = not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()
    except OSError:
        return None
    return place if ours else None


@contextlib.contextmanager
def compilation(folder: Path | None = None) -> Iterator[None]:
    """Run compiled steps inside this context, so that none falls back to uncompiled code.

    folder: where code is looked for and kept from one process to the next; None, or a folder that
        the environment names, leaves that to torch.

    Raises A2pipeError, in one sentence, if a step cannot be compiled on this machine.
    """
    from torch._dynamo import config
    from torch._dynamo.exc import FailOnRecompileLimitHit, TorchDynamoException

    # torch counts the variants of a step's code over all networks of the process and by default
    # goes on uncompiled after eight. Compiled code rounds differently and has an address of its own
    # in the cache, so rows of uncompiled code would be stored under a compiled address.
    limits = {
        "recompile_limit": MOST_COMPILED,
        "accumulated_recompile_limit": MOST_COMPILED,
        "fail_on_recompile_limit_hit": True,
    }
    try:
        with config.patch(limits), _kept_in(folder):
            yield
    except (TorchDynamoException, FailOnRecompileLimitHit) as error:
        raise A2pipeError(
            f"The network cannot be compiled on this machine ({first_line(error)}); "
            "leave out `--compile`."
        ) from error


@contextlib.contextmanager
def _kept_in(folder: Path | None) -> Iterator[None]:
    """Let torch keep compiled code in a folder, unless the user's environment names another."""
    before = os.environ.get(CODE_FOLDER)
    if folder is None or (before is not None and not _is_torchs_own(before)):
        yield
        return
    os.environ[CODE_FOLDER] = str(folder)
    try:
        yield
    finally:
        os.environ.pop(CODE_FOLDER)
        if before is not None:
            os.environ[CODE_FOLDER] = before


def _is_torchs_own(folder: str) -> bool:
    """Tell whether a folder is torch's default, which torch writes into the environment itself."""
    path = Path(folder)
    return path.parent == Path(tempfile.gettempdir()) and path.name.startswith("torchinductor_")


def _processor() -> bytes:
    """Return what tells this kind of processor from others with the same instruction set."""
    try:
        lines = Path("/proc/cpuinfo").read_bytes().splitlines()
    except OSError:  # not Linux
        return platform.processor().encode()
    told = (b"model name", b"flags", b"Features", b"CPU part")
    return b"\n".join(sorted({line for line in lines if line.startswith(told)}))
