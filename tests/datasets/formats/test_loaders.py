"""A user's own data by name and by path."""

from collections.abc import Callable
from pathlib import Path

import pytest

from a2pipe.datasets.formats import loaders
from a2pipe.datasets.registry import load
from a2pipe.datasets.request import Loader
from a2pipe.errors import UsageError

Write = Callable[..., Path]


@pytest.fixture
def folder(write: Write, tmp_path: Path) -> Path:
    write("data/cat/1.png")
    write("data/dog/1.png")
    return tmp_path / "data"


@pytest.fixture
def table(folder: Path) -> Path:
    path = folder.parent / "table.csv"
    path.write_text("file,label\ncat/1.png,cat\ndog/1.png,dog\n")
    return path


def test_folder_by_name_and_by_path(folder: Path) -> None:
    by_name, by_path = load("folder", folder), load(str(folder))
    assert by_name.digest == by_path.digest
    assert by_name.class_names == ("cat", "dog")


def test_relative_path_of_a_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    assert load("data").paths == load(str(folder)).paths


def test_manifest_in_every_way(table: Path, folder: Path) -> None:
    columns = {"columns": {"path": "file"}}
    by_path = load(str(table), folder, options=columns)
    by_file = load("manifest", folder, options=columns | {"file": "../table.csv"})
    assert by_path.unreadable == by_file.unreadable == {}
    assert by_path.digest == by_file.digest
    assert len(load("manifest", table, options=columns).unreadable) == 2


def test_a_column_can_be_an_option_of_its_own(table: Path, folder: Path) -> None:
    nested = load(str(table), folder, options={"columns": {"path": "file"}})
    assert load(str(table), folder, options={"path": "file"}).digest == nested.digest


def test_folder_and_root_at_once(folder: Path) -> None:
    with pytest.raises(UsageError, match="leave the root"):
        load(str(folder), folder)


@pytest.mark.parametrize(
    ("name", "loader"),
    [
        ("none.CSV", loaders.manifest_at),
        ("none.parquet", loaders.manifest_at),
        ("shards/{000..009}.tar", loaders.webdataset_at),
        ("s3://bucket/shards", loaders.webdataset_at),
        ("./none", loaders.folder_at),
        ("~", loaders.folder_at),
        ("cats", None),
    ],
)
def test_a_path_has_a_loader_even_where_nothing_is(name: str, loader: Loader | None) -> None:
    assert loaders.loader_of_path(name) is loader
