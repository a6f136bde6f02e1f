"""WebDataset tar shards as a dataset: images are read where they lie, nothing is unpacked.

The files of a sample share their name up to the first dot of its last part. Of a sample,
`jpg`, `png` and the like is the image, `cls` the class (a number or a name), and `json` an object
with any of the keys that a manifest has as columns, and `boxes`, a list of [x0, y0, x1, y1].
Everything else is passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import UsageError
from ..collection import Collection
from ..images.archives import TOO_LARGE
from ..images.index import Unreadable
from ..images.memo import IndexedImage
from ..sample_table import collection_from
from .manifest import sample_table_of
from .manifest_table import COLUMNS, CORNERS, check_columns
from .records import cell_text, parse_boxes, table_from_records
from .tar_index import BOXES, TarImage, TarIndex, index_tar
from .tar_shards import TarShard, find_shards

KEYS = tuple(name for name in COLUMNS if name not in ("path", *CORNERS))
WORKERS = 4


@dataclass(frozen=True)
class _Sample:
    """One image with what its tar says of it; boxes are pixels of the upright image, half-open."""

    image: TarImage
    values: dict[str, str]
    boxes: list[list[float]]


def load_webdataset(
    name: str,
    *,
    columns: Mapping[str, str] | None = None,
    image: str | None = None,
    memo: Path | None = None,
) -> Collection:
    """Read the tar shards of a path, a brace or glob pattern, a folder, or an fsspec URL.

    columns: which key of the .json stands for one of KEYS; a label named here replaces the .cls.
    image: the extension of the image, such as `left.jpg`, where samples have several.

    The class is the .cls, else `label` or `class` of the .json; the split is `split` of the .json,
    else what the tar's name or folder says; groups are `group`, or label x `attribute` (`place`).
    Samples stand in the order of the tars. An image that is none, or too large, ends among the bad
    ones.

    Raises UsageError for tars that are missing, compressed, cut short or hold no image, a sample
    with several images or two classes, and values that cannot be what they should be.
    """
    columns = columns or {}
    check_columns(columns, KEYS, "A sample's .json has no key")
    shards = find_shards(name)
    with ThreadPoolExecutor(WORKERS) as pool:
        indexes = pool.map(lambda shard: index_tar(shard.archive, memo), shards)
        samples = [
            sample
            for shard, index in zip(shards, indexes, strict=True)
            for sample in _samples(shard, index, columns, image)
        ]
    if not samples:
        raise UsageError(f"{name}: no image in {len(shards)} tar(s): expected KEY.jpg, KEY.cls.")
    values, boxes = [each.values for each in samples], [each.boxes for each in samples]
    described = sample_table_of(
        table_from_records(name, values, boxes, columns), None, _title(name)
    )
    return collection_from(described, [_entry(sample.image) for sample in samples])


def _samples(
    shard: TarShard, index: TarIndex, columns: Mapping[str, str], wanted: str | None
) -> Iterator[_Sample]:
    """The samples of one tar that have an image."""
    keyed = _by_key(shard.archive, index.images, wanted)
    names = _notes_by_key(index.notes)
    for key, image in keyed.items():
        said = _note(shard.archive, index, key, "json", names) or {}
        values = {name: cell_text(value) for name, value in said.items() if name != BOXES}
        values["split"] = values.get("split") or shard.split
        cls = _note(shard.archive, index, key, "cls", names) or ""
        values |= _label(shard.archive, key, cls, values, columns)
        values |= {"path": str(image.member)}
        values.setdefault("image_id", f"{Path(shard.archive).name}/{image.member.name}")
        where = f"{shard.archive}: {key}.json"
        yield _Sample(image, values, parse_boxes(where, said.get(BOXES)))


def _notes_by_key(names: Iterable[str]) -> dict[tuple[str, str], list[str]]:
    """Key and last extension of notes -> their names: `cat.v1.cls` goes with `cat.v1.png`."""
    found: dict[tuple[str, str], list[str]] = {}
    for name in names:
        key, ending = _key(name)
        found.setdefault((key, ending.rpartition(".")[2]), []).append(name)
    return found


def _note(
    archive: str,
    index: TarIndex,
    key: str,
    kind: str,
    names: Mapping[tuple[str, str], Sequence[str]],
) -> Any:
    """What the .cls or .json of a sample says, None without one; `KEY.cls` goes before others."""
    found = names.get((key, kind), ())
    plain = [name for name in found if _key(name)[1] == kind]
    chosen = plain or found
    if len(chosen) > 1:
        raise UsageError(
            f"{archive}: sample {key} has several .{kind} ({', '.join(chosen)}): keep one."
        )
    return index.notes[chosen[0]] if chosen else None


def _label(
    archive: str, key: str, cls: str, values: Mapping[str, str], columns: Mapping[str, str]
) -> dict[str, str]:
    """The column `label`, from the .cls where the .json's own is not asked for by name."""
    said = values.get("label", "")
    if "label" in columns or "class" in columns:
        return {}
    if cls and said and cls != said:
        raise UsageError(
            f"{archive}: {key}.cls says {cls!r} and {key}.json {said!r}: correct one, or choose by "
            "the dataset option label=KEY."
        )
    if cls or said or "class" not in values:
        return {"label": cls or said}
    return {}


def _by_key(archive: str, images: Iterable[TarImage], wanted: str | None) -> dict[str, TarImage]:
    """Key -> its image; `wanted` is an extension, None any that is an image's alone."""
    found: dict[str, TarImage] = {}
    for image in images:
        key, ending = _key(image.member.name)
        if wanted is not None and ending != wanted.lower().removeprefix("."):
            continue
        if key in found:
            others = f"{_key(found[key].member.name)[1]}, {ending}"
            raise UsageError(
                f"{archive}: sample {key} has several images ({others}): choose one by the dataset "
                "option image=EXTENSION."
            )
        found[key] = image
    return found


def _key(name: str) -> tuple[str, str]:
    """A member's key and extension: split at the first dot of the last part of its name."""
    folder, slash, last = name.rpartition("/")
    stem, _, ending = last.partition(".")
    return f"{folder}{slash}{stem}", ending.lower()


def _entry(image: TarImage) -> IndexedImage | Unreadable:
    if not image.digest:
        return Unreadable(TOO_LARGE)
    return IndexedImage(image.digest, image.width, image.height)


def _title(name: str) -> str:
    """A short name: the file's or folder's, without its ending."""
    last = name.rstrip("/").rpartition("/")[2]
    return last.removesuffix(".tar") or "shards"
