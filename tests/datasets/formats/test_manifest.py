"""Manifests: which columns mean what, and what is wrong with a table."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from a2pipe.datasets.collection import Collection
from a2pipe.datasets.formats.manifest import load_manifest
from a2pipe.errors import UsageError

Write = Callable[..., Path]


@pytest.fixture
def manifest(tmp_path: Path, write: Write) -> Callable[..., Collection]:
    """Write a CSV with images a.png to d.png beside it, and load it."""

    def load(text: str, **options: object) -> Collection:
        for name in "abcd":
            write(f"{name}.png")
        path = tmp_path / "table.csv"
        path.write_text("\n".join(line.strip() for line in text.strip().splitlines()) + "\n")
        return load_manifest(path, **options)

    return load


Load = Callable[..., Collection]


def test_paths_and_labels_are_enough(manifest: Load, tmp_path: Path) -> None:
    found = manifest("path,label\nb.png,dog\na.png,cat")
    assert found.name == "table"
    assert found.paths == (str(tmp_path / "b.png"), str(tmp_path / "a.png"))
    assert found.class_names == ("cat", "dog")
    assert found.labels.tolist() == [1, 0]
    assert found.splits.tolist() == ["", ""]
    assert found.groups.tolist() == [-1, -1]
    assert found.group_names == ()
    assert found.image_ids == ("b.png", "a.png")
    assert found.boxes[0].shape == (0, 4)


def test_class_serves_as_label(manifest: Load) -> None:
    assert manifest("path,class\na.png,cat").class_names == ("cat",)


def test_label_numbers_what_class_names(manifest: Load) -> None:
    found = manifest("path,label,class\na.png,0,waterbird\nb.png,1,landbird")
    assert found.class_names == ("waterbird", "landbird")
    assert found.labels.tolist() == [0, 1]


def test_number_labels_stand_in_their_order(manifest: Load) -> None:
    found = manifest("path,label\na.png,10\nb.png,9\nc.png,0")
    assert found.class_names == ("0", "9", "10")
    assert found.labels.tolist() == [2, 1, 0]


def test_labels_are_text_as_it_stands(manifest: Load) -> None:
    found = manifest("path,label\na.png,NA\nb.png,null\nc.png,01")
    assert found.class_names == ("01", "NA", "null")


def test_empty_label_is_none(manifest: Load) -> None:
    assert manifest("path,label\na.png,\nb.png,x").labels.tolist() == [-1, 0]


def test_split_names_and_numbers(manifest: Load) -> None:
    rows = ["a.png,x,Train", "b.png,x,valid", "c.png,x,2", "d.png,x,"]
    found = manifest("\n".join(["path,label,split", *rows]))
    assert found.splits.tolist() == ["train", "val", "test", ""]


def test_group_column(manifest: Load) -> None:
    found = manifest("path,label,group\na.png,x,on water\nb.png,x,on land\nc.png,x,")
    assert found.group_names == ("on land", "on water")
    assert found.groups.tolist() == [1, 0, -1]


@pytest.mark.parametrize("name", ["attribute", "place"])
def test_group_is_label_times_attribute(manifest: Load, name: str) -> None:
    rows = ["a.png,1,0", "b.png,0,1", "c.png,0,0", "d.png,1,"]
    found = manifest("\n".join([f"path,label,{name}", *rows]))
    assert found.group_names == ("0 / 0", "0 / 1", "1 / 0")
    assert found.groups.tolist() == [2, 1, 0, -1]


def test_metadata_of_waterbirds_loads_as_it_is(manifest: Load) -> None:
    columns = {"path": "img_filename", "label": "y", "image_id": "img_id"}
    found = manifest(
        """img_id,img_filename,y,split,place,place_filename
        1,a.png,0,0,1,/w/1.jpg
        2,b.png,1,1,1,/w/2.jpg
        3,c.png,1,2,0,/l/3.jpg
        4,d.png,0,2,0,/l/3.jpg""",
        columns=columns,
    )
    assert found.groups.tolist() == [1, 3, 2, 0]
    assert found.splits.tolist() == ["train", "val", "test", "test"]
    assert found.image_ids == ("1", "2", "3", "4")


def test_rows_of_one_image_are_its_boxes(manifest: Load) -> None:
    found = manifest(
        """path,label,x0,y0,x1,y1
        a.png,cat,0,0,2,2
        b.png,cat,,,,
        c.png,cat,1,1,3,3
        a.png,cat,1.5,0,4,3"""
    )
    assert found.image_ids == ("a.png", "b.png", "c.png")
    assert [box.tolist() for box in found.boxes] == [
        [[0, 0, 2, 2], [1.5, 0, 4, 3]],
        [],
        [[1, 1, 3, 3]],
    ]
    assert all(box.dtype == np.float64 for box in found.boxes)


def test_image_of_two_labels_is_two_samples(manifest: Load) -> None:
    found = manifest("path,label,x0,y0,x1,y1\na.png,cat,0,0,2,2\na.png,dog,1,1,2,2")
    assert found.labels.tolist() == [0, 1]
    assert [len(box) for box in found.boxes] == [1, 1]
    assert len(found.images) == 1


def test_image_in_two_contexts_is_two_samples(manifest: Load) -> None:
    found = manifest("path,label,group\na.png,cat,sofa\na.png,cat,bed\na.png,cat,bed")
    assert len(found) == 3
    assert set(found.digests) == set(found.images)
    assert len(found.images) == 1


def test_image_ids_tell_samples_of_one_file_apart(manifest: Load) -> None:
    text = "path,label,image_id,x0,y0,x1,y1\na.png,cat,1,0,0,2,2\na.png,cat,2,0,0,2,2"
    assert len(manifest(text)) == 2


def test_paths_are_relative_to_the_root(tmp_path: Path, write: Write) -> None:
    write("images/a.png")
    write("b.png")
    (tmp_path / "t.csv").write_text(f"path,label\na.png,x\n{tmp_path}/b.png,x\n")
    found = load_manifest(tmp_path / "t.csv", root=tmp_path / "images")
    assert found.unreadable == {}


def test_parquet(tmp_path: Path, write: Write) -> None:
    for name in "ab":
        write(f"{name}.png")
    frame = pd.DataFrame(
        {
            "path": ["a.png", "b.png"],
            "label": pd.array([1, None], "Int64"),
            "group": pd.Categorical(["x", "y"]),
            "x0": [0.5, np.nan],
            "y0": [0, np.nan],
            "x1": [3, np.nan],
            "y1": [2, np.nan],
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    found = load_manifest(tmp_path / "t.parquet")
    assert found.class_names == ("1",)
    assert found.labels.tolist() == [0, -1]
    assert found.group_names == ("x", "y")
    assert [box.tolist() for box in found.boxes] == [[[0.5, 0, 3, 2]], []]


def test_parquet_and_csv_give_the_same_collection(manifest: Load, tmp_path: Path) -> None:
    one = manifest("path,label,split,x0,y0,x1,y1\na.png,3,train,0,0,2,2\nb.png,8,test,,,,")
    pd.read_csv(tmp_path / "table.csv").to_parquet(tmp_path / "table.parquet")
    assert load_manifest(tmp_path / "table.parquet").digest == one.digest


def test_missing_file_is_listed_and_stops_nothing(manifest: Load, tmp_path: Path) -> None:
    found = manifest("path,label\na.png,x\nnone.png,x")
    assert found.unreadable == {str(tmp_path / "none.png"): "file is missing"}
    assert found.digests[1] == ""
    assert found.sizes.tolist() == [[4, 3], [0, 0]]
    assert len(found.images) == 1


def test_byte_order_mark_and_spaces_of_a_spreadsheet(tmp_path: Path, write: Write) -> None:
    write("a b.png")
    (tmp_path / "t.csv").write_bytes(b'\xef\xbb\xbfpath,label\r\n"a b.png",x\r\n')
    assert load_manifest(tmp_path / "t.csv").unreadable == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,species\na.png,x", r"no column 'label' \(its columns: path, species\)"),
        ("file,label\na.png,x", r"no column 'path' \(its columns: file, label\)"),
        ("path,label", "has no rows"),
        ("", "has no rows"),
        ("path,label\na.png,x\n,x", "row 2: path .* is empty"),
        ("path,label,split\na.png,x,train\nb.png,x,dev2", r"row 2: split \('dev2'\) is none of"),
        ("path,label,class\na.png,0,cat\nb.png,0,dog", "row 1: class .* not the same"),
        ("path,label,class\na.png,0,cat\nb.png,1,cat", "same class name"),
        ("path,label,x0,y0,x1,y1\na.png,x,0,0,two,2", r"row 1: x1 \('two'\) is not a number"),
        ("path,label,x0,y0,x1,y1\na.png,x,0,0,inf,2", "is not a number"),
        ("path,label,x0,y0,x1,y1\na.png,x,0,0,,2", "row 1: box lacks some of"),
        ("path,label,x0,y0,x1,y1\na.png,x,2,0,2,2", "row 1: box has no area"),
        ("path,label,x0,y0,x1\na.png,x,2,0,2", "no column 'y1'"),
        ("path,label\na.png,x,y,z", "more cells than its header"),
        ('path,label\n"a.png,x', "cannot be read as a table"),
    ],
)
def test_tables_that_cannot_be_used(manifest: Load, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        manifest(text)
    assert "\n" not in str(caught.value)


def test_a_users_own_manifest_may_name_images_anywhere(write: Write, tmp_path: Path) -> None:
    image = write("images/a.png")
    table = tmp_path / "tables" / "table.csv"
    table.parent.mkdir()
    table.write_text(f"path,label\n{image},0\n../images/a.png,0\n")
    assert load_manifest(table).digests == load_manifest(table).digests[:1] * 2


def test_a_class_without_its_label(manifest: Load) -> None:
    with pytest.raises(UsageError, match=r"row 1: label \(''\) is empty, though class is given"):
        manifest("path,label,class\na.png,,cat\nb.png,4,dog")


def test_a_label_without_a_class_keeps_its_number(manifest: Load) -> None:
    found = manifest("path,label,class\na.png,4,\nb.png,5,dog\nc.png,,")
    assert (found.class_names, found.labels.tolist()) == (("4", "dog"), [0, 1, -1])
