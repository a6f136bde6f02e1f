"""Locators: text that stands for an image inside an archive."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2pipe.datasets.images.locators import ArrowRow, TarMember, parse_locator

NAMES = st.text(min_size=1).filter(lambda name: "\0" not in name)
NUMBERS = st.integers(0, 1 << 50)


@given(NUMBERS, NUMBERS, NAMES)
def test_members_survive_as_text(offset: int, size: int, name: str) -> None:
    member = TarMember("/data/a@1+2/b.tar", offset, size, name)
    assert parse_locator(str(member)) == member or ".tar@" in name.lower()


@given(NUMBERS, st.sampled_from(["image", "the image", "a[0]", "@"]), NAMES)
def test_rows_survive_as_text(row: int, column: str, name: str) -> None:
    located = ArrowRow("/data/train/0.arrow", column, row, name)
    assert parse_locator(str(located)) == located or "]/" in name


def test_in_words() -> None:
    assert str(TarMember("/d/a.tar", 512, 9, "cat/1.jpg")) == "/d/a.tar@512+9/cat/1.jpg"
    assert str(ArrowRow("/d/0.arrow", "image", 7, "1.jpg")) == "/d/0.arrow@image[7]/1.jpg"
    assert Path(str(TarMember("/d/a.tar", 512, 9, "cat/1.jpg"))).name == "1.jpg"


@pytest.mark.parametrize(
    "path", ["/a/b.jpg", "/a/me@home/b.jpg", "/a/b.tar", "/a/b.tar@1/c.jpg", "/a.tar@x+1/c.jpg"]
)
def test_paths_of_files_are_none(path: str) -> None:
    assert parse_locator(path) is None


@pytest.mark.parametrize(
    "located",
    [
        TarMember("/d/x.tar", 512, 9, "a.tar@0+10/b.jpg"),
        ArrowRow("/d/x.arrow", "image", 7, "y.arrow@image[0]/b.jpg"),
    ],
)
def test_a_name_does_not_choose_the_archive(located: TarMember | ArrowRow) -> None:
    assert parse_locator(str(located)) == located
