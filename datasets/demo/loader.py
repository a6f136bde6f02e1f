"""Load the demo collections, which are built when they are first asked for."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from ...errors import A2pipeError, UsageError
from ...files import remove, temporary
from ..collection import Collection
from ..formats.manifest import load_manifest
from ..request import Request, check_options
from .build import DemoRecipe, build_demo, demo_recipe

OPTIONS = {"seed": int, "split_seed": int, "train": int, "test": int, "spurious": float}


def load_demo(request: Request) -> Collection:
    """Build the demo that the request names, unless it is there, and read it.

    request.root: the folder to build in; a folder of the workspace if it is None.
    request.options: fields of `DemoRecipe`, numbers or text.

    Raises UsageError for options that do not exist or are no numbers, for a folder that holds
    another collection, and if there is neither root nor workspace; A2pipeError for a folder that
    cannot be written to.
    """
    check_options(request, OPTIONS)
    options = {key: _value(request, key) for key in sorted(request.options)}
    manifest = _built(_target(request, options), request.name, demo_recipe(request.name, **options))
    return load_manifest(manifest, name=request.name, memo=request.memo)


def _value(request: Request, key: str) -> Any:
    value = request.options[key]
    try:
        return OPTIONS[key](value)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"Dataset {request.name}: option {key} = {value!r} is not a number; give one."
        ) from error


def _target(request: Request, options: dict[str, Any]) -> Path:
    if request.root is not None:
        return request.root.expanduser()
    if request.workspace is None:
        raise UsageError(f"Dataset {request.name} is built on the spot: give a root for it.")
    # Demos of other options lie apart, as a folder holds one collection only.
    recipe = sha256(json.dumps(options).encode()).hexdigest()[:8]
    return request.workspace / (f"{request.name}-{recipe}" if options else request.name)


def _built(target: Path, name: str, recipe: DemoRecipe) -> Path:
    """Return the manifest of a complete demo; build what of it is missing."""
    try:
        # A new folder is built aside and renamed, so that processes that want the same demo at once
        # do not read half of it. A folder that is there already is completed where it is.
        if not target.exists():
            _build_aside(target, recipe)
        return build_demo(target, recipe)
    except OSError as error:
        raise A2pipeError(
            f"Demo {name} cannot be built in {target} ({error.strerror}): choose another folder."
        ) from error


def _build_aside(target: Path, recipe: DemoRecipe) -> None:
    scratch = temporary(target)
    try:
        build_demo(scratch, recipe)
        # Another process may have built the same demo meanwhile, which is as good.
        if not target.exists():
            scratch.rename(target)
    finally:
        remove(scratch)
