"""Loaders for a user's own data, as the registry calls them."""

from collections.abc import Mapping
from pathlib import Path

from ..errors import UsageError
from .collection import Collection
from .folder import load_folder
from .manifest import load_manifest
from .registry import Request, check_options
from .table import COLUMNS


def folder(request: Request) -> Collection:
    """The folder at `root`."""
    check_options(request, ())
    return load_folder(_root(request, "the folder that holds the images"), memo=request.memo)


def folder_at(request: Request) -> Collection:
    """The folder whose path is the name."""
    check_options(request, ())
    _require_no_root(request)
    return load_folder(Path(request.name), memo=request.memo)


def manifest(request: Request) -> Collection:
    """The manifest at `root`, or the one named by the option `file`, whose images lie in `root`."""
    check_options(request, ("columns", "file", *COLUMNS))
    file = request.options.get("file")
    if file is None:
        return _manifest(request, _root(request, "the manifest"), None)
    if request.root is None:
        return _manifest(request, Path(file), None)
    return _manifest(request, request.root.expanduser() / file, request.root)


def manifest_at(request: Request) -> Collection:
    """The manifest whose path is the name; its images lie in `root`, else beside it."""
    check_options(request, ("columns", *COLUMNS))
    return _manifest(request, Path(request.name), request.root)


def _manifest(request: Request, path: Path, root: Path | None) -> Collection:
    """`columns` is an option of its own, and so is each column: label = "species"."""
    columns = request.options.get("columns", {})
    if not isinstance(columns, Mapping):
        raise UsageError('Dataset option columns must be a table, such as columns = {label = "y"}.')
    single = {name: str(request.options[name]) for name in COLUMNS if name in request.options}
    return load_manifest(path, root=root, columns={**columns, **single}, memo=request.memo)


def _root(request: Request, what: str) -> Path:
    if request.root is None:
        raise UsageError(f"Dataset {request.name!r} needs a root: give {what}.")
    return request.root


def _require_no_root(request: Request) -> None:
    if request.root is not None:
        raise UsageError(
            f"Dataset {request.name!r} is a folder already: leave the root {request.root} out."
        )
