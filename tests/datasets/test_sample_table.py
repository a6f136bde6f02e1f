"""Samples before and after their images are read."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from a2pipe.datasets.images.index import Unreadable
from a2pipe.datasets.images.memo import IndexedImage
from a2pipe.datasets.sample_table import SampleTable, collection_from, read_collection
from a2pipe.errors import UsageError

READ = [IndexedImage("d1", 4, 3), Unreadable("file is missing")]


def test_what_a_dataset_does_not_have_is_none() -> None:
    found = collection_from(SampleTable(name="x", paths=["/a.png", "/b.png"]), READ)
    assert found.paths == found.image_ids == ("/a.png", "/b.png")
    assert (found.labels.tolist(), found.groups.tolist()) == ([-1, -1], [-1, -1])
    assert found.splits.tolist() == ["", ""]
    assert [boxes.shape for boxes in found.boxes] == [(0, 4), (0, 4)]


def test_one_word_is_the_split_of_all() -> None:
    table = SampleTable(name="x", paths=["/a.png", "/b.png"], splits="test")
    assert collection_from(table, READ).splits.tolist() == ["test", "test"]


def test_what_could_not_be_read_is_listed() -> None:
    found = collection_from(SampleTable(name="x", paths=["/a.png", "/b.png"]), READ)
    assert found.digests == ("d1", "")
    assert found.sizes.tolist() == [[4, 3], [0, 0]]
    assert found.unreadable == {"/b.png": "file is missing"}


def test_files_are_read_and_fields_kept(write: Callable[..., Path]) -> None:
    box = np.array([[0.0, 0.0, 2.0, 2.0]])
    table = SampleTable(
        name="x",
        paths=[str(write("a.png"))],
        labels=np.array([1]),
        class_names=("cat", "dog"),
        groups=np.array([0]),
        group_names=("indoor",),
        splits=["train"],
        boxes=(box,),
        image_ids=["7"],
        remarks=("a remark",),
    )
    found = read_collection(table)
    assert (found.labels.tolist(), found.groups.tolist(), found.image_ids) == ([1], [0], ("7",))
    assert (found.splits.tolist(), found.remarks) == (["train"], ("a remark",))
    assert found.boxes[0] is box
    assert found.sizes.tolist() == [[4, 3]]


def test_no_samples_are_a_collection_too() -> None:
    assert len(read_collection(SampleTable(name="x", paths=[]))) == 0


def test_a_field_of_another_length_is_refused() -> None:
    table = SampleTable(name="x", paths=["/a.png", "/b.png"], labels=np.array([-1]))
    with pytest.raises(UsageError, match="1 labels for 2 samples"):
        collection_from(table, READ)
