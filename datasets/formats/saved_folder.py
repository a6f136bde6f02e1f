"""Read the JSON files in a folder that `save_to_disk` of Hugging Face `datasets` wrote."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import UsageError

DICT, STATE, INFO = "dataset_dict.json", "state.json", "dataset_info.json"


@dataclass(frozen=True)
class SavedDataset:
    """A SavedDataset is one Dataset in the folder.

    folder: where it lies.
    key: its name in the DatasetDict, such as "train"; "" if it is the only one.
    files: paths of its Arrow files, in the order of the rows.
    features: type of each column, as `dataset_info.json` has it.
    """

    folder: Path
    key: str
    files: tuple[str, ...]
    features: Mapping[str, Any]

    def of_kind(self, kind: str) -> list[str]:
        """Return the columns whose feature has a type, such as "Image" or "ClassLabel"."""
        return [name for name in self.features if self.kind(name) == kind]

    def kind(self, column: str) -> str:
        """Return the type of a column's feature; "" for a list, a struct or an unknown column."""
        feature = self.features.get(column)
        return str(feature.get("_type", "")) if isinstance(feature, dict) else ""


def is_saved(folder: Path) -> bool:
    """Tell whether `save_to_disk` wrote a folder."""
    return (folder / DICT).is_file() or all((folder / name).is_file() for name in (STATE, INFO))


def saved_datasets(root: Path) -> Iterator[SavedDataset]:
    """Yield the datasets in a folder, in the order of the DatasetDict.

    Raises UsageError for a folder that `save_to_disk` did not write, or that is damaged.
    """
    if not is_saved(root):
        raise UsageError(
            f"{root} is no folder of datasets.save_to_disk: it has neither {DICT} nor {STATE}."
        )
    if not (root / DICT).is_file():
        yield _saved(root, "")
        return
    keys = _json(root / DICT).get("splits")
    if not (isinstance(keys, list) and all(isinstance(key, str) for key in keys)):
        raise UsageError(f"{root / DICT} does not list its splits: save the dataset again.")
    for key in keys:
        # The last part alone: a key may not lead out of the folder.
        yield _saved(root / Path(key).name, key)


def _saved(folder: Path, key: str) -> SavedDataset:
    state, info = _json(folder / STATE), _json(folder / INFO)
    # Old versions stored a selection as the whole table and a list of rows, which is not read here.
    if state.get("_indices_data_files"):
        raise UsageError(f"{folder} was saved with an index by an old version: save it again.")
    try:
        files = tuple(str(folder / Path(each["filename"]).name) for each in state["_data_files"])
        return SavedDataset(folder, key, files, dict(info["features"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"{folder} is damaged ({STATE} or {INFO}: {error}): save the dataset again."
        ) from error


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: save the dataset again.") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path} is not a JSON object: save the dataset again.")
    return content
