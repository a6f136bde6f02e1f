"""The JSON files of a folder that `save_to_disk` wrote."""

import json
from pathlib import Path

import pytest

from a2pipe.datasets.formats.saved_folder import is_saved, saved_datasets
from a2pipe.errors import UsageError

FEATURES = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel"}, "tags": [{}]}


def write(folder: Path, *files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    state = {"_data_files": [{"filename": name} for name in files]}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text(json.dumps({"features": FEATURES}))
    return folder


def test_a_single_dataset(tmp_path: Path) -> None:
    (found,) = saved_datasets(write(tmp_path, "b.arrow", "a.arrow"))
    assert (found.folder, found.key) == (tmp_path, "")
    assert found.files == (str(tmp_path / "b.arrow"), str(tmp_path / "a.arrow"))
    assert found.of_kind("Image") == ["image"]
    assert [found.kind(name) for name in ("label", "tags", "none")] == ["ClassLabel", "", ""]


def test_a_dict_in_its_own_order(tmp_path: Path) -> None:
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    for key in ("test", "train"):
        write(tmp_path / key, f"{key}.arrow")
    found = list(saved_datasets(tmp_path))
    assert [each.key for each in found] == ["train", "test"]
    assert found[1].files == (str(tmp_path / "test" / "test.arrow"),)


def test_names_do_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    (found,) = saved_datasets(write(tmp_path / "saved", "../../etc/a.arrow"))
    assert found.files == (str(tmp_path / "saved" / "a.arrow"),)


def test_folders_that_save_to_disk_wrote(tmp_path: Path) -> None:
    assert not is_saved(tmp_path)
    with pytest.raises(UsageError, match=r"is no folder of datasets\.save_to_disk"):
        list(saved_datasets(tmp_path))
    assert is_saved(write(tmp_path))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("state.json", "{broken", r"state\.json cannot be read"),
        ("state.json", "[]", "is not a JSON object"),
        ("state.json", '{"_indices_data_files": [1]}', "saved with an index"),
        ("dataset_info.json", '{"features": null}', "is damaged"),
    ],
)
def test_damaged_files(tmp_path: Path, name: str, content: str, message: str) -> None:
    (write(tmp_path) / name).write_text(content)
    with pytest.raises(UsageError, match=message):
        list(saved_datasets(tmp_path))


@pytest.mark.parametrize("splits", ["null", "3", "[1]"])
def test_a_dict_without_its_splits(tmp_path: Path, splits: str) -> None:
    (tmp_path / "dataset_dict.json").write_text(f'{{"splits": {splits}}}')
    with pytest.raises(UsageError, match=r"dataset_dict\.json does not list its splits"):
        list(saved_datasets(tmp_path))
