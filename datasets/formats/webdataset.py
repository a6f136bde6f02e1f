"""Read WebDataset tar shards as a dataset: images are read where they lie, nothing is unpacked.

The files of a sample share their name up to the first dot of its last part. Of a sample,
`jpg`, `png` and the like is the image, `cls` the class (a number or a name), and `json` an object
with any of the keys that a manifest has as columns, and `boxes`, a list of [x0, y0, x1, y1].
Everything else is passed over.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import UsageError
from ..collection import Collection
from ..sample_table import collection_from
from .manifest import sample_table_of
from .manifest_table import SAMPLE_COLUMNS, check_columns
from .records import cell_text, parse_boxes, table_from_records
from .tar_index import BOXES, TarImage, TarIndex, index_tar
from .tar_shards import TarShard, find_shards

WORKERS = 4


@dataclass(frozen=True)
class _Sample:
    """A _Sample is one image with what its tar says of it.

    image: where it lies, with its digest and size.
    values: cells by a manifest's column names.
    boxes: each x0, y0, x1, y1 in pixels of the upright image, half-open.
    """

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
    """Read tar shards.

    name: a path, a brace or glob pattern, a folder, or an fsspec URL (see `find_shards`).
    columns: maps a manifest's column names to keys of the .json, where these differ; a label that
        is named here replaces the .cls.
    image: the extension of the image, such as `left.jpg`, if samples have several.
    memo: the file that remembers digests and sizes between runs.

    The class is the .cls, else `label` or `class` of the .json. The split is `split` of the .json,
    else what the tar's name or folder says. Groups are `group`, or label x `attribute` (`place`).
    Samples stand in the order of the tars. What is called an image and is none, or is larger than
    1 GiB, ends among the bad images.

    Raises UsageError for tars that are missing, compressed, cut short or hold no image, a sample
    with several images or two classes, and values that cannot be what they should be.
    """
    columns = columns or {}
    check_columns(columns, SAMPLE_COLUMNS, "A sample's .json has no key")
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
    return collection_from(described, [sample.image.read for sample in samples])


def _samples(
    shard: TarShard, index: TarIndex, columns: Mapping[str, str], wanted: str | None
) -> Iterator[_Sample]:
    """Yield the samples of one tar that have an image."""
    keyed = _by_key(shard.archive, index.images, wanted)
    names = _notes_by_key(index.notes)
    for key, image in keyed.items():
        said = _note(shard.archive, index, key, "json", names) or {}
        values = {name: cell_text(value) for name, value in said.items() if name != BOXES}
        # An empty split in a .json says nothing; the shard's own then counts.
        values["split"] = values.get("split") or shard.split
        cls = _note(shard.archive, index, key, "cls", names) or ""
        values |= _label(shard.archive, key, cls, values, columns)
        values |= {"path": str(image.member)}
        values.setdefault("image_id", f"{Path(shard.archive).name}/{image.member.name}")
        where = f"{shard.archive}: {key}.json"
        yield _Sample(image, values, parse_boxes(where, said.get(BOXES)))


def _notes_by_key(names: Iterable[str]) -> dict[tuple[str, str], list[str]]:
    """Map the key and last extension of .cls and .json members to their names."""
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
    """Return what the .cls or .json of a sample says, or None if it has none."""
    # The key ends at the first dot, so cat.v1.cls belongs to `cat`; a plain cat.cls goes before it.
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
    """Return the cell `label`, from the .cls unless a key of the .json was asked for by name."""
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
    """Map keys to their images; `wanted` is an extension, None takes the only image of a key."""
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
    """Split a member's name into key and extension, at the first dot of its last part."""
    # As WebDataset's own reader does: `left.jpg` is the extension of `7.left.jpg`.
    folder, slash, last = name.rpartition("/")
    stem, _, ending = last.partition(".")
    return f"{folder}{slash}{stem}", ending.lower()


def _title(name: str) -> str:
    """Return the collection's name: that of the file or folder, without its ending."""
    last = name.rstrip("/").rpartition("/")[2]
    return last.removesuffix(".tar") or "shards"
