"""Asking for datasets by name."""

from collections.abc import Callable
from pathlib import Path

import pytest

from a2pipe.datasets.collection import Collection
from a2pipe.datasets.registry import Request, load, names
from a2pipe.errors import UsageError

Write = Callable[..., Path]
SMALL = {"train": 8, "test": 4}


@pytest.fixture
def folder(write: Write, tmp_path: Path) -> Path:
    write("data/cat/1.png")
    write("data/dog/1.png")
    return tmp_path / "data"


def test_every_name_has_a_line() -> None:
    listed = dict(names())
    assert {"demo-01", "demo-38", "demo-01-balanced", "demo-38-balanced"} < set(listed)
    assert {"folder", "manifest"} < set(listed)
    assert all(line and "\n" not in line for line in listed.values())


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
