"""Datasets described by a table, CSV or Parquet: one row a sample, or one row a box."""

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

    Columns: `path` (absolute, or relative to `root`, else to the manifest's folder); `label` or
    `class` (names or numbers; with both, `label` numbers what `class` names); optional `split`
    (train, val, test or 0, 1, 2), `group` (or `attribute`, also called `place`: the group is then
    label x attribute), `x0, y0, x1, y1` (pixels of the upright image, half-open) and `image_id`.
    Rows with a box that agree in all of image, label, split and group are one sample with several
    boxes. An empty cell means none. `columns` says which column of the file stands for one of these
    names.

    A row whose file is missing ends among `unreadable`. Raises UsageError for a manifest that is
    missing, empty or not a table, for absent columns, and for values that cannot be what they
    should be; with `relative` also for an absolute path.
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
    """The values of a column as numbers, and what they are called."""

    numbers: NDArray[np.int64]
    names: tuple[str, ...]


def sample_table_of(table: ManifestTable, folder: Path | None, name: str) -> SampleTable:
    """The samples of a table, whose paths are relative to `folder` or, without one, locators."""
    paths, labels, splits = table.required("path"), _labels(table), _splits(table)
    groups = _groups(table, labels)
    table.refuse_rows(paths == "", "path", "is empty")
    ids = table.optional("image_id")
    ids = paths if ids is None else ids
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
    # pathlib needs ten times as long, which a million rows notice.
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
    """The class name of each label, or the label where it has none; both have to mean the same."""
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
    """Groups label x attribute that occur, by label first; -1 where either is missing."""
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
