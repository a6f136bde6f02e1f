"""Asking for datasets by name."""

from collections.abc import Callable
from pathlib import Path

import pytest

from a2pipe.datasets.collection import Collection
from a2pipe.datasets.registry import Request, load, names
from a2pipe.errors import A2pipeError, UsageError

Write = Callable[..., Path]
SMALL = {"train": 8, "test": 4}


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


def test_every_name_has_a_line() -> None:
    listed = dict(names())
    assert {"demo-01", "demo-38", "demo-01-balanced", "demo-38-balanced"} < set(listed)
    assert {"folder", "manifest"} < set(listed)
    assert all(line and "\n" not in line for line in listed.values())


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


def test_memo_is_kept_in_its_folder(folder: Path, tmp_path: Path) -> None:
    first = load(str(folder), memo=tmp_path / "index")
    assert [path.name for path in (tmp_path / "index").iterdir()] == ["images.json"]
    assert load(str(folder), memo=tmp_path / "index").digest == first.digest


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("demo-1", {}, "There is no dataset 'demo-1': did you mean 'demo-01' or"),
        ("foldr", {}, "did you mean 'folder'\\?"),
        ("qqq", {}, "use demo-01, .* are given by their path"),
        ("folder", {}, "needs a root"),
        ("manifest", {}, "needs a root"),
        ("./nowhere", {}, "does not exist"),
        ("nowhere.csv", {}, "does not exist"),
        ("demo-01", {}, "give a root"),
        ("demo-01", {"sead": 1}, "no option 'sead': did you mean 'seed'"),
        ("demo-01", {"seed": "one"}, "option seed = 'one' is not a number"),
        ("folder", {"x": 1}, "no option 'x': it has none"),
        ("manifest", {"columns": "y"}, "columns must be a table"),
    ],
)
def test_wrong_requests(name: str, options: dict[str, object], message: str) -> None:
    root = Path("t.csv") if options.get("columns") else None
    with pytest.raises(UsageError, match=message) as caught:
        load(name, root, options=options)
    assert "\n" not in str(caught.value)


def test_folder_and_root_at_once(folder: Path) -> None:
    with pytest.raises(UsageError, match="leave the root"):
        load(str(folder), folder)


# Demos


def test_demo_is_built_once_and_read(tmp_path: Path) -> None:
    first = load("demo-38", options=SMALL, workspace=tmp_path / "kept")
    assert first.name == "demo-38"
    assert first.class_names == ("3", "8")
    assert first.group_names == ("3 on china", "3 on flower", "8 on china", "8 on flower")
    assert first.splits.tolist() == ["train"] * 8 + ["test"] * 4
    assert [box.shape for box in first.boxes] == [(1, 4)] * 12
    assert first.unreadable == {}
    built = {path: path.stat().st_mtime_ns for path in (tmp_path / "kept").rglob("*")}
    assert load("demo-38", options=SMALL, workspace=tmp_path / "kept").digest == first.digest
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "kept").rglob("*")} == built


def test_demos_of_other_options_lie_apart(tmp_path: Path) -> None:
    one = load("demo-01", options=SMALL, workspace=tmp_path)
    other = load("demo-01", options=SMALL | {"seed": 1}, workspace=tmp_path)
    assert one.digest != other.digest
    assert len(list(tmp_path.iterdir())) == 2


def test_demo_in_a_root_of_ones_own(tmp_path: Path) -> None:
    found = load("demo-01", tmp_path / "mine", options=SMALL)
    assert Path(found.paths[0]).is_relative_to(tmp_path / "mine")


def test_demo_that_lost_an_image_is_mended(tmp_path: Path) -> None:
    first = load("demo-01", options=SMALL, workspace=tmp_path)
    Path(first.paths[3]).unlink()
    assert load("demo-01", options=SMALL, workspace=tmp_path).digest == first.digest


def test_demo_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(A2pipeError, match="cannot be built in"):
        load("demo-01", options=SMALL, workspace=tmp_path / "file")


# Datasets of other packages


def birds(request: Request) -> Collection:
    """Birds of another package.

    More about them.
    """
    return load("folder", request.root)


@pytest.fixture
def foreign(plug_in: Callable[[str, str, object], None]) -> None:
    plug_in("a2pipe.datasets", "birds", birds)
    plug_in("a2pipe.datasets", "broken", "no_such_module:load")


@pytest.mark.usefixtures("foreign")
def test_dataset_of_another_package(folder: Path) -> None:
    assert load("birds", folder).class_names == ("cat", "dog")
    assert dict(names())["birds"] == "Birds of another package."


@pytest.mark.usefixtures("foreign")
def test_broken_dataset_of_another_package_harms_no_other() -> None:
    assert dict(names())["broken"] == "cannot be loaded from no_such_module:load"
    with pytest.raises(UsageError, match="'broken' cannot be loaded"):
        load("broken")
