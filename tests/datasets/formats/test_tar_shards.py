"""Which tars a name stands for, and their splits."""

from pathlib import Path

import pytest

from a2pipe.datasets.formats.tar_shards import expand_braces, find_shards, looks_like_tars
from a2pipe.errors import UsageError

from ..tars import picture, write_tar


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    for name in ("train-000", "train-001", "train-002", "val-000", "test-000", "other"):
        write_tar(tmp_path / f"{name}.tar", {"1.png": picture(1)})
    return tmp_path


def found(name: Path | str) -> list[str]:
    return [Path(shard.archive).stem for shard in find_shards(str(name))]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("{8..11}", ["8", "9", "10", "11"]),
        ("{08..11}.tar", ["08.tar", "09.tar", "10.tar", "11.tar"]),
        ("{a,b}-{0..1}", ["a-0", "a-1", "b-0", "b-1"]),
        ("plain", ["plain"]),
        ("{2..1}", []),
    ],
)
def test_braces(pattern: str, names: list[str]) -> None:
    assert list(expand_braces(pattern)) == names


def test_braces_without_bounds_are_refused() -> None:
    with pytest.raises(UsageError, match="stands for 1,000,000,000 tars"):
        expand_braces("{000..999}-{000000..999999}")


def test_one_tar_a_pattern_and_a_folder(shards: Path) -> None:
    assert found(shards / "train-001.tar") == ["train-001"]
    assert found(shards / "train-{000..001}.tar") == ["train-000", "train-001"]
    assert found(shards / "train-*.tar") == ["train-000", "train-001", "train-002"]
    assert found(shards / "{val,train}-000.tar") == ["val-000", "train-000"]
    assert len(found(shards)) == 6


def test_relative_paths(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shards.parent)
    (shard,) = find_shards(f"{shards.name}/other.tar")
    assert shard.archive == str(shards / "other.tar")


def test_a_name_with_brackets_is_a_name_if_it_is_there(tmp_path: Path) -> None:
    write_tar(tmp_path / "a[1].tar", {"1.png": picture(1)})
    assert found(tmp_path / "a[1].tar") == ["a[1]"]


def test_splits_by_name(shards: Path) -> None:
    splits = {Path(shard.archive).stem: shard.split for shard in find_shards(str(shards))}
    assert splits == {
        "other": "",
        "test-000": "test",
        "train-000": "train",
        "train-001": "train",
        "train-002": "train",
        "val-000": "val",
    }


def test_splits_by_folder(tmp_path: Path) -> None:
    for folder in ("train", "Validation", "test", "notes"):
        write_tar(tmp_path / "data" / folder / "000.tar", {"1.png": picture(1)})
    pairs = [(Path(s.archive).parent.name, s.split) for s in find_shards(str(tmp_path / "data"))]
    assert pairs == [("Validation", "val"), ("test", "test"), ("train", "train")]


def test_a_word_that_only_begins_like_a_split_is_none(tmp_path: Path) -> None:
    write_tar(tmp_path / "testament.tar", {"1.png": picture(1)})
    assert find_shards(str(tmp_path))[0].split == ""


@pytest.mark.parametrize(
    ("name", "message"),
    [("none-*.tar", "No tar is called"), ("a.tar.gz", "is compressed"), ("a.tgz", "is compressed")],
)
def test_what_is_not_there_or_cannot_serve(shards: Path, name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        find_shards(str(shards / name))
    assert "\n" not in str(caught.value)


def test_a_protocol_that_nothing_serves() -> None:
    with pytest.raises(UsageError, match=r"nowhere://x/a\*\.tar cannot be opened"):
        find_shards("nowhere://x/a*.tar")


def test_names_that_mean_tars(shards: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert looks_like_tars(str(shards))
    assert looks_like_tars("a-{0..3}.tar")
    assert looks_like_tars("s3://bucket/shards")
    assert looks_like_tars("a.tar.gz")
    assert not looks_like_tars(str(tmp_path / "empty"))
    assert not looks_like_tars("waterbirds")
