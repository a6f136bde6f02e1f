"""Pairs of image and context, and the manifest that lists them: what is built out of MetaShift."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import A2pipeError, UsageError
from ...files import replace_file
from ..collection import Collection
from ..formats.manifest import load_manifest

MANIFEST = "manifest.parquet"
SUFFIX = ".jpg"
RECIPE = b"a2pipe"


@dataclass(frozen=True)
class Pair:
    """An image in one of its contexts; the same image may occur in several, and in two classes."""

    split: str
    class_name: str
    group: str
    image_id: str


@dataclass(frozen=True)
class BuildResult:
    """manifest: the file written; missing: ids of images that are not in the folder of images."""

    manifest: Path
    pairs: tuple[Pair, ...]
    missing: tuple[str, ...]

    def report(self) -> str:
        """One line on what was written, and on images that are not there."""
        written = f"wrote {self.manifest}"
        if not self.missing:
            return written
        images = "image is" if len(self.missing) == 1 else "images are"
        return (
            f"{written}; {len(self.missing):,} {images} not in the folder, such as "
            f"{self.missing[0]}{SUFFIX}, and will be listed as bad"
        )


def write_pairs(
    out: Path,
    images: Path,
    pairs: Sequence[Pair],
    classes: Sequence[str],
    recipe: Mapping[str, Any],
    *,
    force: bool = False,
) -> BuildResult:
    """Write `manifest.parquet` into `out`: path, label, class, group, split, image_id.

    Paths lead from `out` to `<image id>.jpg` in `images` and are relative. The recipe is kept in
    the file's metadata. Equal arguments give equal bytes.

    Raises UsageError when no image is in `images`, and, unless `force`, when `out` holds another
    manifest; A2pipeError when `out` cannot be written to.
    """
    missing = _missing(images, pairs)
    content = _parquet(out, images, pairs, classes, recipe)
    path = out / MANIFEST
    if not force and path.exists() and path.read_bytes() != content:
        raise UsageError(f"{path} is there with other content: --force replaces it.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        replace_file(path, content)
    except OSError as error:
        raise A2pipeError(
            f"{path} cannot be written ({error.strerror}): choose another --out."
        ) from error
    return BuildResult(path, tuple(pairs), missing)


def manifest_at(root: Path) -> Path:
    """The manifest of a root, which is the folder it was built into or the manifest itself."""
    root = root.expanduser().absolute()
    return root / MANIFEST if root.is_dir() else root


def load_pairs(path: Path, name: str, classes: Sequence[str], memo: Path | None) -> Collection:
    """Read a manifest that was built; UsageError when it has another class: it was built for
    another benchmark, or an absolute path, which no build writes."""
    found = load_manifest(path, name=name, memo=memo, relative=True)
    others = set(found.class_names) - set(classes)
    if others:
        raise UsageError(
            f"{path} has the class {min(others)!r}, which {name} has not: give the folder into "
            f"which {name} was built."
        )
    return found


def _missing(images: Path, pairs: Iterable[Pair]) -> tuple[str, ...]:
    if not images.is_dir():
        raise UsageError(f"There is no folder {images}: give that of the images of GQA.")
    there = {entry.name for entry in os.scandir(images)}
    ids = sorted({pair.image_id for pair in pairs})
    missing = tuple([image_id for image_id in ids if image_id + SUFFIX not in there])
    if len(missing) == len(ids):
        raise UsageError(
            f"{images} has none of the {len(ids):,} images, such as {ids[0]}{SUFFIX}: give the "
            "folder of the images of GQA."
        )
    return missing


def _parquet(
    out: Path,
    images: Path,
    pairs: Sequence[Pair],
    classes: Sequence[str],
    recipe: Mapping[str, Any],
) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    # Real paths on both sides: the system resolves `..` behind links, not before.
    folder = os.path.relpath(images.resolve(), out.resolve())
    columns = {
        "path": [f"{folder}/{pair.image_id}{SUFFIX}" for pair in pairs],
        "label": [classes.index(pair.class_name) for pair in pairs],
        "class": [pair.class_name for pair in pairs],
        "group": [pair.group for pair in pairs],
        "split": [pair.split for pair in pairs],
        "image_id": [pair.image_id for pair in pairs],
    }
    table = pa.table(columns).replace_schema_metadata({RECIPE: json.dumps(dict(recipe)).encode()})
    buffer = io.BytesIO()
    parquet.write_table(table, buffer)
    return buffer.getvalue()
