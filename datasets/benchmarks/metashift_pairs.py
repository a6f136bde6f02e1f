"""Write and read the manifest of a benchmark that is built from MetaShift's subsets."""

import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import A2pipeError, UsageError
from ..collection import Collection
from ..formats.manifest import load_manifest
from .built_files import write_built

MANIFEST = "manifest.parquet"
SUFFIX = ".jpg"
RECIPE = b"a2pipe"
"""The file's metadata keep the parameters of a build under this key."""


@dataclass(frozen=True)
class Pair:
    """A Pair is one sample: an image in one of its contexts.

    The image may occur in several contexts, and in two classes.

    split: "train" or "test".
    class_name: the class that the image is a sample of.
    group: the name of its group.
    image_id: the image's id in Visual Genome, the stem of its file.
    """

    split: str
    class_name: str
    group: str
    image_id: str


@dataclass(frozen=True)
class BuildResult:
    """A BuildResult says what a build wrote.

    manifest: the file written.
    pairs: its samples, in order.
    missing: ids of images that are not in the folder of images, sorted.
    """

    manifest: Path
    pairs: tuple[Pair, ...]
    missing: tuple[str, ...]

    def report(self) -> str:
        """Return one line that says what was written, and how many images are not there."""
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
    """Write `manifest.parquet` with the columns path, label, class, group, split and image_id.

    out: the folder to write into.
    images: the folder of `<image id>.jpg`; the manifest's paths lead there from `out`.
    pairs: the samples, in order.
    classes: the class names, in the order of their numbers.
    recipe: the parameters of the build, kept in the file's metadata.
    force: replace a manifest with other content.

    Equal arguments give equal bytes. Raises UsageError if none of the images is in `images`, and
    without `force` if `out` holds another manifest; A2pipeError if `out` cannot be written to.
    """
    missing = _missing(images, pairs)
    content = _parquet(out, images, pairs, classes, recipe)
    path = out / MANIFEST
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_built({path: content}, force)
    except OSError as error:
        raise A2pipeError(
            f"{path} cannot be written ({error.strerror}): choose another --out."
        ) from error
    return BuildResult(path, tuple(pairs), missing)


def manifest_at(root: Path) -> Path:
    """Return the path of a manifest, given the folder it was built into or the manifest itself."""
    root = root.expanduser().absolute()
    return root / MANIFEST if root.is_dir() else root


def load_pairs(path: Path, name: str, classes: Sequence[str], memo: Path | None) -> Collection:
    """Read a manifest that was built.

    name: the collection's name.
    classes: the classes it may have. Raises UsageError for another one, as it was then built for
        another benchmark, and for an absolute path, which no build writes.
    memo: the file that remembers digests and sizes between runs.
    """
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

    # Relative, so that manifest and images can be moved together; of real paths on both sides, as
    # the system resolves `..` behind links, not before.
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
    # In memory first, to be compared with the file that is there.
    buffer = io.BytesIO()
    parquet.write_table(table, buffer)
    return buffer.getvalue()
