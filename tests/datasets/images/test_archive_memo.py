"""What is remembered of a tar or an Arrow file, and when it is read again."""

from pathlib import Path
from typing import Any

import pytest

from a2pipe.datasets.images.archive_memo import forget_archives, recall_or_read


class Reads:
    """Reads an archive, and counts how often."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> dict[str, Any]:
        self.count += 1
        return {"rows": [self.count]}


@pytest.fixture
def memo(tmp_path: Path) -> Path:
    return tmp_path / "index" / "images.json"


def test_the_same_stamp_is_read_once(memo: Path) -> None:
    read = Reads()
    found = [recall_or_read(memo, "/d/a.tar", [512, 7], read) for _ in range(2)]
    assert found == [{"rows": [1]}] * 2
    assert [path.name for path in memo.parent.iterdir()] == ["archives"]


def test_another_stamp_or_archive_is_read_anew(memo: Path) -> None:
    read = Reads()
    for archive, stamp in (("/d/a.tar", [1]), ("/d/a.tar", [2]), ("/d/b.tar", [2])):
        recall_or_read(memo, archive, stamp, read)
    assert read.count == 3


@pytest.mark.parametrize("stamp", [[], [1]])
def test_without_memo_or_stamp_nothing_is_remembered(memo: Path, stamp: list[int]) -> None:
    read = Reads()
    for _ in range(2):
        recall_or_read(memo if not stamp else None, "/d/a.tar", stamp, read)
    assert read.count == 2
    assert not memo.parent.exists()


def test_a_damaged_memo_is_ignored_and_replaced(memo: Path) -> None:
    read = Reads()
    recall_or_read(memo, "/d/a.tar", [1], read)
    (file,) = (memo.parent / "archives").iterdir()
    file.write_bytes(file.read_bytes()[:-9])
    assert recall_or_read(memo, "/d/a.tar", [1], read) == {"rows": [2]}
    assert recall_or_read(memo, "/d/a.tar", [1], read) == {"rows": [2]}


def test_names_of_any_bytes(memo: Path) -> None:
    read = Reads()
    for _ in range(2):
        recall_or_read(memo, "/d/caf\udce9.tar", [1], read)
    assert read.count == 1


def test_everything_can_be_forgotten(memo: Path) -> None:
    read = Reads()
    recall_or_read(memo, "/d/a.tar", [1], read)
    assert forget_archives(memo)
    recall_or_read(memo, "/d/a.tar", [1], read)
    assert read.count == 2
