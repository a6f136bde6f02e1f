"""Folders that Hugging Face `datasets` itself writes: every value by hand, no pixel copied."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from a2pipe.datasets.formats.huggingface import load_saved
from a2pipe.datasets.registry import load
from a2pipe.errors import A2pipeError, BadImageError, UsageError
from a2pipe.stages.pixels import decode

from ..tars import picture

WRITE = """
import sys
from pathlib import Path
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, List, Value

folder, pictures = Path(sys.argv[1]), [Path(name).read_bytes() for name in sys.argv[2:]]
features = Features({
    "picture": Image(),
    "label": ClassLabel(names=["wren", "duck"]),
    "place": ClassLabel(names=["land", "water"]),
    "objects": {"bbox": List(List(Value("float32"), length=4)), "category": List(Value("int64"))},
})

def rows(numbers, labels, places, boxes):
    return Dataset.from_dict({
        "picture": [None if n is None else {"bytes": pictures[n], "path": f"{n}.png"}
                    for n in numbers],
        "label": labels,
        "place": places,
        "objects": [{"bbox": each, "category": [0] * len(each)} for each in boxes],
    }, features=features)

train = rows([0, 1, 2, 0], [0, 1, 1, 0], [0, 1, 0, 0], [[[1, 2, 3, 4], [0, 0, 8, 6]], [], [], []])
val = rows([3], [-1], [1], [[]])
extra = rows([None], [None], [None], [[]])
birds = DatasetDict({"train": train, "validation": val, "extra": extra})
birds.save_to_disk(folder / "birds", num_shards={"train": 2, "validation": 1, "extra": 1})
train.select([2, 0]).save_to_disk(folder / "shuffled")
species = train.rename_columns({"label": "species", "picture": "image"})
species = species.add_column("split", ["train", "train", "test", "test"])
species.remove_columns(["place"]).save_to_disk(folder / "single")
masks = [{"bytes": pictures[0], "path": None}] * 4
species.add_column("mask", masks, feature=Image()).save_to_disk(folder / "two")
train.remove_columns(["label", "place"]).save_to_disk(folder / "unlabelled")
train.remove_columns("picture").save_to_disk(folder / "none")
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the library wrote, in a process without this repository on its path, whose folder of
    the same name it would import instead of the library."""
    folder = tmp_path_factory.mktemp("saved")
    for number in range(4):
        (folder / f"{number}.png").write_bytes(picture(number, (8 + number, 6)))
    names = [str(folder / f"{number}.png") for number in range(4)]
    quiet = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    subprocess.run(
        [sys.executable, "-P", "-c", WRITE, str(folder), *names],
        check=True,
        cwd=folder,
        env={**os.environ, "HF_HOME": str(folder / "home"), **quiet},
    )
    return folder


def test_labels_groups_splits_and_boxes(saved: Path) -> None:
    found = load_saved(saved / "birds")
    assert found.name == "birds"
    assert found.class_names == ("wren", "duck")
    assert found.labels.tolist() == [0, 1, 1, 0, -1, -1]
    assert found.splits.tolist() == ["train"] * 4 + ["val", ""]
    assert found.group_names == ("wren / land", "duck / land", "duck / water")
    assert found.groups.tolist() == [0, 2, 1, 0, -1, -1]
    assert found.boxes[0].tolist() == [[1, 2, 4, 6], [0, 0, 8, 6]]
    assert [len(boxes) for boxes in found.boxes] == [2, 0, 0, 0, 0, 0]
    assert found.sizes.tolist() == [[8, 6], [9, 6], [10, 6], [8, 6], [11, 6], [0, 0]]
    assert len(found.images) == 4
    assert found.image_ids[2] == "train/data-00001-of-00002.arrow@picture[0]/2.png"


def test_what_has_no_image_is_listed_and_an_unknown_split_told(saved: Path) -> None:
    found = load_saved(saved / "birds")
    assert list(found.unreadable.values()) == ["the row has no image"]
    assert found.remarks == (
        "Split 'extra' is none of train, validation and test: its samples take part in no head.",
    )


def test_digests_are_those_of_the_same_files(saved: Path, tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(picture(number, (8 + number, 6)))
    assert set(load_saved(saved / "birds").images) == set(load(str(tmp_path)).images)


def test_pixels_are_read_from_the_arrow_file(saved: Path) -> None:
    found = load_saved(saved / "birds")
    pairs = list(zip(found.paths, found.digests, strict=True))[:5]
    levels = [int(decode(path, digest=digest)[0, 0, 0]) for path, digest in pairs]
    assert levels == [0, 1, 2, 0, 3]
    with pytest.raises(BadImageError, match="the row has no image"):
        decode(found.paths[5])


def test_a_selection_keeps_its_order(saved: Path) -> None:
    found = load_saved(saved / "shuffled")
    assert found.sizes[:, 0].tolist() == [10, 8]
    assert found.labels.tolist() == [1, 0]
    assert found.splits.tolist() == ["", ""]


def test_the_only_class_label_is_the_label_and_splits_may_be_a_column(saved: Path) -> None:
    found = load_saved(saved / "single")
    assert found.class_names == ("wren", "duck")
    assert found.splits.tolist() == ["train", "train", "test", "test"]
    assert found.groups.tolist() == [-1] * 4


def test_images_without_labels_are_enough(saved: Path) -> None:
    found = load_saved(saved / "unlabelled")
    assert (found.class_names, found.labels.tolist()) == ((), [-1] * 4)


def test_columns_of_other_names(saved: Path) -> None:
    found = load_saved(saved / "birds", columns={"group": "place", "label": "place"})
    assert found.class_names == ("land", "water")
    assert found.group_names == ("land", "water")
    assert load_saved(saved / "birds", boxes="none").boxes[0].tolist() == []


def test_by_name_and_by_path(saved: Path) -> None:
    digest = load_saved(saved / "birds").digest
    assert load(str(saved / "birds")).digest == digest
    assert load("huggingface", saved / "birds", options={"label": "label"}).digest == digest
    assert load(str(saved / "birds" / "train")).digest != digest


def test_second_reading_reads_no_image(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from a2pipe.datasets.formats import arrow_index

    first = load(str(saved / "birds"), memo=tmp_path / "memo")
    monkeypatch.setattr(arrow_index, "row_bytes", lambda *_: pytest.fail("an image was read"))
    assert load(str(saved / "birds"), memo=tmp_path / "memo").digests == first.digests


def test_one_of_several_image_columns_is_chosen(saved: Path) -> None:
    with pytest.raises(UsageError, match="Image columns are image, mask: choose one"):
        load_saved(saved / "two")
    assert load_saved(saved / "two", image="mask").sizes.tolist() == [[8, 6]] * 4
    with pytest.raises(UsageError, match="Image columns are none: cast one"):
        load_saved(saved / "none")


def save_rows(folder: Path, columns: dict[str, list[object]]) -> Path:
    """What the library leaves of a table whose images are named by path."""
    folder.mkdir()
    table = pa.table(columns)
    file = str(folder / "0.arrow")
    with pa.OSFile(file, "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "0.arrow"}]}))
    features = {"image": {"_type": "Image"}, "label": {"_type": "Value", "dtype": "int64"}}
    (folder / "dataset_info.json").write_text(
        json.dumps({"features": {name: features.get(name, {}) for name in columns}})
    )
    return folder


def test_a_row_that_names_a_file(tmp_path: Path) -> None:
    """Older versions of the library kept the path of an image instead of its bytes."""
    named = {"image": [{"bytes": None, "path": "images/0.png"}], "label": [7]}
    folder = save_rows(tmp_path / "saved", named)
    (folder / "images").mkdir()
    (folder / "images" / "0.png").write_bytes(picture(0))
    found = load_saved(folder)
    assert found.paths == (str(folder / "images" / "0.png"),)
    assert (found.class_names, found.sizes.tolist()) == (("7",), [[8, 6]])


def test_rows_that_name_one_file_stay_samples_of_their_own(tmp_path: Path) -> None:
    """Though they agree in everything and each has boxes, of which one has two."""
    boxes = [[[0, 0, 2, 2], [1, 1, 2, 2]], [[3, 3, 1, 1]]]
    columns = {
        "image": [{"bytes": None, "path": "0.png"}] * 2,
        "label": [7, 7],
        "objects": [{"bbox": each} for each in boxes],
    }
    folder = save_rows(tmp_path / "saved", columns)
    (folder / "0.png").write_bytes(picture(0))
    found = load_saved(folder)
    assert [each.tolist() for each in found.boxes] == [[[0, 0, 2, 2], [1, 1, 3, 3]], [[3, 3, 4, 4]]]
    assert len(found.images) == 1


@pytest.mark.parametrize("path", ["/etc/0.png", "../0.png", "a/../../0.png"])
def test_a_row_that_names_a_file_elsewhere(tmp_path: Path, path: str) -> None:
    named = {"image": [{"bytes": None, "path": path}], "label": [7]}
    with pytest.raises(UsageError, match="which is not a path inside that folder"):
        load_saved(save_rows(tmp_path / "saved", named))


def test_a_file_that_changed_since_it_was_indexed(saved: Path, tmp_path: Path) -> None:
    for path in (saved / "shuffled").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    found = load_saved(tmp_path)
    file = tmp_path / "data-00000-of-00001.arrow"
    file.write_bytes((saved / "single" / file.name).read_bytes())
    with pytest.raises(A2pipeError, match="now cannot"):
        decode(found.paths[0], digest=found.digests[0])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("state.json", "{broken", r"state\.json cannot be read"),
        ("state.json", "[]", "is not a JSON object"),
        ("state.json", "{}", "is damaged"),
        ("state.json", '{"_indices_data_files": [1]}', "saved with an index"),
        ("dataset_info.json", '{"features": null}', "is damaged"),
        ("data-00000-of-00001.arrow", "text", r"\.arrow is damaged"),
        ("data-00000-of-00001.arrow", None, r"\.arrow cannot be read"),
    ],
)
def test_damaged_folders(
    saved: Path, tmp_path: Path, name: str, content: str | None, message: str
) -> None:
    for path in (saved / "single").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(UsageError, match=message) as caught:
        load_saved(tmp_path)
    assert "\n" not in str(caught.value)


def test_another_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is no folder of datasets\.save_to_disk"):
        load("huggingface", tmp_path)


def test_a_column_that_is_not_there(saved: Path) -> None:
    with pytest.raises(UsageError, match=r"no column 'kind' \(its columns: picture, label"):
        load_saved(saved / "birds", columns={"label": "kind"})
    with pytest.raises(UsageError, match="no column 'lable': did you mean 'label'"):
        load_saved(saved / "birds", columns={"lable": "kind"})
