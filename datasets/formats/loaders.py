"""Loaders for a user's own data, as the registry calls them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ...errors import UsageError
from ..collection import Collection
from ..registry import Request, check_options
from .folder import load_folder
from .huggingface import NAMES, load_saved
from .manifest import load_manifest
from .manifest_table import COLUMNS
from .webdataset import KEYS, load_webdataset


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


def webdataset(request: Request) -> Collection:
    """The tars at `root`, or those that the option `shards`, a pattern, names below it."""
    check_options(request, ("columns", "image", "shards", *KEYS))
    root = _root(request, "a tar, or the folder that holds tars")
    return _webdataset(request, str(root / str(request.options.get("shards", ""))))


def webdataset_at(request: Request) -> Collection:
    """The tars whose path, pattern or URL is the name."""
    check_options(request, ("columns", "image", *KEYS))
    _require_no_root(request)
    return _webdataset(request, request.name)


def saved(request: Request) -> Collection:
    """The folder of `save_to_disk` at `root`."""
    return _saved(request, _root(request, "the folder that save_to_disk wrote"))


def saved_at(request: Request) -> Collection:
    """The folder of `save_to_disk` whose path is the name."""
    _require_no_root(request)
    return _saved(request, Path(request.name))


def _webdataset(request: Request, name: str) -> Collection:
    columns, image = _columns(request, KEYS), _text(request, "image")
    return load_webdataset(name, columns=columns, image=image, memo=request.memo)


def _saved(request: Request, root: Path) -> Collection:
    check_options(request, ("boxes", "columns", "image", *NAMES))
    return load_saved(
        root,
        columns=_columns(request, NAMES),
        image=_text(request, "image"),
        boxes=_text(request, "boxes") or "objects",
        memo=request.memo,
    )


def _manifest(request: Request, path: Path, root: Path | None) -> Collection:
    return load_manifest(path, root=root, columns=_columns(request, COLUMNS), memo=request.memo)


def _columns(request: Request, names: Sequence[str]) -> Mapping[str, str]:
    """`columns` is an option of its own, and so is each column: label = "species"."""
    columns = request.options.get("columns", {})
    if not isinstance(columns, Mapping):
        raise UsageError('Dataset option columns must be a table, such as columns = {label = "y"}.')
    single = {name: str(request.options[name]) for name in names if name in request.options}
    return {**columns, **single}


def _text(request: Request, option: str) -> str | None:
    value = request.options.get(option)
    return None if value is None else str(value)


def _root(request: Request, what: str) -> Path:
    if request.root is None:
        raise UsageError(f"Dataset {request.name!r} needs a root: give {what}.")
    return request.root


def _require_no_root(request: Request) -> None:
    if request.root is not None:
        raise UsageError(
            f"Dataset {request.name!r} is a folder already: leave the root {request.root} out."
        )
