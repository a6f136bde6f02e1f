"""Load a user's own data: a folder, a manifest, tar shards, or what `save_to_disk` wrote.

Each format has two loaders. The one of its name finds the data at the request's root, and `*_at`
takes the request's name for the path of the data.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...errors import UsageError
from ..collection import Collection
from ..request import Loader, Request, check_options
from .folder import load_folder
from .huggingface import load_saved
from .manifest import load_manifest
from .manifest_table import COLUMNS, SAMPLE_COLUMNS, SUFFIXES
from .saved_folder import is_saved
from .tar_shards import looks_like_tars
from .webdataset import load_webdataset


def loader_of_path(name: str) -> Loader | None:
    """Return the loader of the data that a path or URL stands for; None if `name` is no path."""
    if Path(name).suffix.lower() in SUFFIXES:
        return manifest_at
    if looks_like_tars(name):
        return webdataset_at
    if is_saved(Path(name).expanduser()):
        return saved_at
    # A name with a separator is meant as a path even if nothing is there: the error is then about a
    # folder that does not exist, not about a dataset that nobody knows.
    if os.sep in name or name in (".", "..", "~") or Path(name).is_dir():
        return folder_at
    return None


def folder(request: Request) -> Collection:
    """Load the folder of images at the root."""
    check_options(request, ())
    return load_folder(_root(request, "the folder that holds the images"), memo=request.memo)


def folder_at(request: Request) -> Collection:
    """Load the folder of images whose path is the name."""
    check_options(request, ())
    return load_folder(Path(_path(request)), memo=request.memo)


def manifest(request: Request) -> Collection:
    """Load the manifest at the root, or the one in it that the option `file` names."""
    check_options(request, ("columns", "file", *COLUMNS))
    file = request.options.get("file")
    if file is None:
        return _manifest(request, _root(request, "the manifest"), None)
    if request.root is None:
        return _manifest(request, Path(file), None)
    return _manifest(request, request.root.expanduser() / file, request.root)


def manifest_at(request: Request) -> Collection:
    """Load the manifest whose path is the name; its images lie in the root, else beside it."""
    check_options(request, ("columns", *COLUMNS))
    return _manifest(request, Path(request.name), request.root)


def webdataset(request: Request) -> Collection:
    """Load the tars at the root, or those that the option `shards`, a pattern, names below it."""
    check_options(request, ("columns", "image", "shards", *SAMPLE_COLUMNS))
    root = _root(request, "a tar, or the folder that holds tars")
    return _webdataset(request, str(root / str(request.options.get("shards", ""))))


def webdataset_at(request: Request) -> Collection:
    """Load the tars whose path, pattern or URL is the name."""
    check_options(request, ("columns", "image", *SAMPLE_COLUMNS))
    return _webdataset(request, _path(request))


def saved(request: Request) -> Collection:
    """Load what `save_to_disk` wrote at the root."""
    return _saved(request, _root(request, "the folder that save_to_disk wrote"))


def saved_at(request: Request) -> Collection:
    """Load what `save_to_disk` wrote into the folder whose path is the name."""
    return _saved(request, Path(_path(request)))


def _webdataset(request: Request, name: str) -> Collection:
    columns, image = _columns(request, SAMPLE_COLUMNS), _text(request, "image")
    return load_webdataset(name, columns=columns, image=image, memo=request.memo)


def _saved(request: Request, root: Path) -> Collection:
    check_options(request, ("boxes", "columns", "image", *SAMPLE_COLUMNS))
    return load_saved(
        root,
        columns=_columns(request, SAMPLE_COLUMNS),
        image=_text(request, "image"),
        boxes=_text(request, "boxes") or "objects",
        memo=request.memo,
    )


def _manifest(request: Request, path: Path, root: Path | None) -> Collection:
    return load_manifest(path, root=root, columns=_columns(request, COLUMNS), memo=request.memo)


def _columns(request: Request, names: Sequence[str]) -> Mapping[str, str]:
    """Return the columns that the options name, in the table `columns` or each as an option."""
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


def _path(request: Request) -> str:
    """Return the name as the path it is; raise UsageError if there is a root as well."""
    if request.root is not None:
        raise UsageError(
            f"Dataset {request.name!r} is a folder already: leave the root {request.root} out."
        )
    return request.name
