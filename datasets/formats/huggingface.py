"""Read what Hugging Face `datasets` saved by `save_to_disk`, a Dataset or a DatasetDict.

The Arrow files are read where they lie, by pyarrow, so that the library itself is not needed.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from ...errors import UsageError
from ..collection import Collection
from ..images.index import Unreadable, read_index
from ..images.memo import IndexedImage
from ..numbering import SPLIT_NAMES
from ..sample_table import collection_from
from .arrow_index import ArrowImage, index_rows, rows_of
from .manifest import sample_table_of
from .manifest_table import ALIASES, SAMPLE_COLUMNS, check_columns
from .records import cell_text, parse_boxes, table_from_records
from .saved_folder import SavedDataset, saved_datasets

WORKERS = 4


def load_saved(
    root: Path,
    *,
    columns: Mapping[str, str] | None = None,
    image: str | None = None,
    boxes: str = "objects",
    memo: Path | None = None,
) -> Collection:
    """Read a folder that `save_to_disk` wrote.

    root: the folder of a Dataset or a DatasetDict.
    columns: maps a manifest's column names to the dataset's columns, where these differ. A
        ClassLabel column gives the names of its classes. Without a column `label` or `class`, the
        only other ClassLabel column is the label.
    image: the Image column, needed if there are several.
    boxes: a column of structs with a field `bbox`, lists of [x, y, width, height] in pixels of the
        upright image, as in COCO; without that column there are no boxes.
    memo: the file that remembers digests and sizes between runs.

    Splits are the keys of a DatasetDict (validation becomes val), else a column `split`. A key that
    is none of the three keeps its samples out of every head, and a remark says so.

    Raises UsageError for a folder that is no such dataset or is damaged, a column that is not
    there, and values that cannot be what they should be.
    """
    root, columns = root.expanduser().absolute(), columns or {}
    check_columns(columns, SAMPLE_COLUMNS, "A saved dataset has no column")
    parts = list(saved_datasets(root))
    images = _images(parts, image, memo)
    values = chain.from_iterable(_values(part, columns) for part in parts)

    # The path comes last, so that no column of that name can take its place.
    records = [
        {"image_id": _image_id(path, root), **value, "path": path}
        for (path, _), value in zip(images, values, strict=True)
    ]
    if not records:
        raise UsageError(f"{root} has no rows: save a dataset with images.")
    found = chain.from_iterable(_boxes(part, boxes) for part in parts)
    samples = sample_table_of(table_from_records(root, records, found, {}), None, root.name)
    return collection_from(replace(samples, remarks=_remarks(parts)), _entries(images, memo))


def _images(
    parts: Sequence[SavedDataset], wanted: str | None, memo: Path | None
) -> list[ArrowImage]:
    """Return the image of every row of all datasets, in order."""
    columns = [(part, _image_column(part, wanted)) for part in parts]
    jobs = [(file, column) for part, column in columns for file in part.files]
    with ThreadPoolExecutor(WORKERS) as pool:
        rows = pool.map(lambda job: index_rows(job[0], job[1], memo), jobs)
        return list(chain.from_iterable(rows))


def _image_column(part: SavedDataset, wanted: str | None) -> str:
    there = part.of_kind("Image")
    if wanted in there:
        return str(wanted)
    if wanted is None and len(there) == 1:
        return there[0]
    advice = "choose one by the dataset option image=COLUMN" if there else "cast one to Image"
    raise UsageError(
        f"{part.folder}: its Image columns are {', '.join(there) or 'none'}: {advice}."
    )


def _entries(images: Sequence[ArrowImage], memo: Path | None) -> list[IndexedImage | Unreadable]:
    """Return what was read of each image; the files that rows only name are read here."""
    files = [path for path, entry in images if entry is None]
    read = dict(zip(files, read_index(files, memo), strict=True))
    return [entry or read[path] for path, entry in images]


def _image_id(path: str, root: Path) -> str:
    """Return an image's path or locator below the root, such as `train/x.arrow@image[17]/7.jpg`."""
    return path.removeprefix(f"{root}/")


def _values(part: SavedDataset, columns: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Yield what each row says of its sample, as cells by a manifest's column names."""
    sources = _sources(part, columns)
    split = SPLIT_NAMES.get(part.key.lower(), "")
    for row in rows_of(part.files, list(sources.values())):
        said = {name: _named(part, source, row[source]) for name, source in sources.items()}
        if part.kind(sources.get("label", "")) == "ClassLabel":
            number = row[sources["label"]]
            number = "" if number is None or number < 0 else str(number)
            said = {"class": said["label"], **said, "label": number}
        if part.key:
            said["split"] = split
        yield said if "class" in said else {"label": "", **said}


def _sources(part: SavedDataset, columns: Mapping[str, str]) -> dict[str, str]:
    """Map a manifest's column names to the dataset's columns, as far as it has them."""
    for column in columns.values():
        if column not in part.features:
            there = ", ".join(part.features)
            raise UsageError(f"{part.folder} has no column {column!r} (its columns: {there}).")
    aliases = {name: alias for name, alias in ALIASES.items() if alias in part.features}
    found = {name: name for name in SAMPLE_COLUMNS if name in part.features}
    # What the user names goes before a column of the name, and this before its alias.
    found = aliases | found | dict(columns)
    classes = [name for name in part.of_kind("ClassLabel") if name not in found.values()]
    if not {"label", "class"} & found.keys() and len(classes) == 1:
        found["label"] = classes[0]
    return found


def _named(part: SavedDataset, column: str, value: Any) -> str:
    """Return a value as a cell: of a ClassLabel the class name, "" for -1, the mark of no label."""
    if part.kind(column) != "ClassLabel" or value is None:
        return cell_text(value)
    names = part.features[column]["names"]
    return str(names[value]) if 0 <= value < len(names) else ""


def _boxes(part: SavedDataset, column: str) -> Iterator[list[list[float]]]:
    """Yield the boxes of every row as [x0, y0, x1, y1]."""
    wanted = [column] if column in part.features else []
    for row in rows_of(part.files, wanted):
        objects = row.get(column)
        found = objects.get("bbox") if isinstance(objects, dict) else objects
        # `datasets` stores a sequence of structs as a struct of lists or as a list of structs.
        if isinstance(found, list) and found and isinstance(found[0], dict):
            found = [each.get("bbox") for each in found]
        must = f"{column}.bbox must be lists of [x, y, width, height]"
        found = parse_boxes(str(part.folder), found, must)
        yield [[x, y, x + width, y + height] for x, y, width, height in found]


def _remarks(parts: Sequence[SavedDataset]) -> tuple[str, ...]:
    others = [part.key for part in parts if part.key and part.key.lower() not in SPLIT_NAMES]
    return tuple(
        f"Split {key!r} is none of train, validation and test: its samples take part in no head."
        for key in others
    )
