"""Read datasets that a CSV or Parquet table describes: one row for a sample, or one for a box."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...errors import UsageError
from ..collection import Collection
from ..numbering import SPLIT_NAMES, name_indices, sorted_names
from ..sample_table import SampleTable, read_collection
from .manifest_table import ManifestTable, read_table, samples_with_boxes

if TYPE_CHECKING:
    import pandas as pd

SPLIT_VALUES = SPLIT_NAMES | {"0": "train", "1": "val", "2": "test", "": ""}


def load_manifest(
    path: Path,
    *,
    root: Path | None = None,
    columns: Mapping[str, str] | None = None,
    name: str | None = None,
    memo: Path | None = None,
    relative: bool = False,
) -> Collection:
    """Read a manifest.

    path: a .csv or .parquet file with the columns
        path: of the image, absolute or relative to `root`;
        label, class: one of them, as names or numbers; of both, `label` numbers what `class` names;
        split: optional, train, val or test, or 0, 1, 2;
        group: optional; with `attribute` (or `place`) instead, groups are label x attribute;
        x0, y0, x1, y1: optional, a box in pixels of the upright image, half-open;
        image_id: optional, the name of the image; its path if there is none.
        An empty cell means none. Rows with a box that agree in image, label, split and group are
        one sample with several boxes.
    root: the folder that paths are relative to; the manifest's own if it is None.
    columns: maps the names above to the file's columns, where these differ.
    name: the collection's name; the manifest's file name if it is None.
    memo: the file that remembers digests and sizes between runs.
    relative: refuse absolute paths.

    A row whose file is missing ends among the collection's `unreadable`. Raises UsageError for a
    manifest that is missing, empty or not a table, for absent columns, and for values that cannot
    be what they should be.
    """
    path = path.expanduser().absolute()
    table = read_table(path, columns or {})
    if relative:
        absolute = table.required("path").map(os.path.isabs)
        table.refuse_rows(
            absolute, "path", "is absolute, where one relative to the manifest is expected"
        )
    folder = root.expanduser().absolute() if root else path.parent
    return read_collection(sample_table_of(table, folder, name or path.stem), memo)


@dataclass(frozen=True)
class _Names:
    """_Names hold a column as int64 indices into its distinct names, -1 for an empty cell."""

    numbers: NDArray[np.int64]
    names: tuple[str, ...]


def sample_table_of(table: ManifestTable, folder: Path | None, name: str) -> SampleTable:
    """Return the samples that a table describes; no image is read.

    folder: what paths are relative to; None if they are locators and stay as they are.
    name: the name of the collection to be.

    Raises UsageError for absent columns and for values that cannot be what they should be.
    """
    paths, labels, splits = table.required("path"), _labels(table), _splits(table)
    groups = _groups(table, labels)
    table.refuse_rows(paths == "", "path", "is empty")
    ids = table.optional("image_id")
    ids = paths if ids is None else ids

    # Rows of one sample differ in their boxes alone. Where records are numbered, two that agree in
    # everything are still two samples.
    same = [ids, paths, labels.numbers, splits, groups.numbers]
    boxes = samples_with_boxes(table, same if table.records is None else [table.records])
    rows = boxes.rows
    return SampleTable(
        name=name,
        paths=_absolute(folder, paths.iloc[rows]),
        labels=labels.numbers[rows],
        class_names=labels.names,
        groups=groups.numbers[rows],
        group_names=groups.names,
        splits=splits[rows],
        boxes=boxes.boxes,
        image_ids=tuple(ids.iloc[rows].tolist()),
    )


def _absolute(folder: Path | None, paths: pd.Series[str]) -> tuple[str, ...]:
    if folder is None:
        return tuple(paths.tolist())
    # pathlib needs ten times as long, which tells with a million rows.
    return tuple([os.path.join(folder, path) for path in paths.tolist()])  # noqa: PTH118


def _labels(table: ManifestTable) -> _Names:
    label, named = table.optional("label"), table.optional("class")
    values = named if label is None else label
    if values is None:
        raise table.missing_column("label")
    keys = sorted_names(values.unique())
    numbers = name_indices(values.tolist(), keys)
    if label is None or named is None:
        return _Names(numbers, keys)
    return _Names(numbers, _called(table, keys, label, named))


def _called(
    table: ManifestTable, keys: tuple[str, ...], label: pd.Series[str], named: pd.Series[str]
) -> tuple[str, ...]:
    """Return the class name of each label, or the label itself where it has none.

    Raises UsageError unless each label goes with one class name and each name with one label.
    """
    table.refuse_rows((label == "") & (named != ""), "label", "is empty, though class is given")
    name_of = dict(zip(label, named, strict=True))
    names = tuple(name_of[key] or key for key in keys)
    table.refuse_rows(
        label.map(name_of) != named, "class", "is not the same for every row of one label"
    )
    if len(set(names)) < len(names):
        raise UsageError(f"{table.path}: two labels have the same class name; give each its own.")
    return names


def _groups(table: ManifestTable, labels: _Names) -> _Names:
    group, attribute = table.optional("group"), table.optional("attribute")
    if group is not None:
        names = sorted_names(group.unique())
        return _Names(name_indices(group.tolist(), names), names)
    if attribute is not None:
        return _crossed(labels, attribute)
    return _Names(np.full(len(labels.numbers), -1, np.int64), ())


def _crossed(labels: _Names, attribute: pd.Series[str]) -> _Names:
    """Return the groups label x attribute that occur, by label first; -1 if either is missing."""
    attributes = sorted_names(attribute.unique())
    second = name_indices(attribute.tolist(), attributes)
    known = (labels.numbers >= 0) & (second >= 0)
    pairs = np.where(known, labels.numbers * len(attributes) + second, -1)
    present = np.unique(pairs[known])
    names = tuple(
        f"{labels.names[pair // len(attributes)]} / {attributes[pair % len(attributes)]}"
        for pair in present.tolist()
    )
    return _Names(np.where(known, np.searchsorted(present, pairs), -1), names)


def _splits(table: ManifestTable) -> NDArray[np.str_]:
    split = table.optional("split")
    if split is None:
        return np.full(len(table.frame), "", "<U5")
    split = split.str.strip().str.lower()
    table.refuse_rows(
        ~split.isin(list(SPLIT_VALUES)), "split", "is none of train, val, test (or 0, 1, 2)"
    )
    return split.map(SPLIT_VALUES).to_numpy("<U5")
