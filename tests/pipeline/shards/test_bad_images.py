"""Images that give no features: found once each, in order, with the reason."""

from types import SimpleNamespace

import pytest

from a2pipe.cache.artifact import NOT_FINITE, UNREADABLE
from a2pipe.cache.ledger import BadRow
from a2pipe.pipeline.shards.bad_images import (
    BadImage,
    BadImagesError,
    find_bad_images,
    refuse_bad_images,
)

COLLECTION = SimpleNamespace(
    paths=("a.png", "b.png", "copy of a.png", "c.png", "a.png"),
    digests=("1", "2", "1", "", "1"),
    unreadable={"c.png": "permission denied"},
)
BAD = BadImage("a.png", "1", "file is empty")


def test_every_file_of_a_bad_image_is_found_once_in_the_collections_order():
    rows = [BadRow(0, "1", UNREADABLE, "file is empty"), BadRow(0, "9", NOT_FINITE, "elsewhere")]
    assert find_bad_images(COLLECTION, rows) == [
        BAD,
        BadImage("copy of a.png", "1", "file is empty"),
        BadImage("c.png", "", "permission denied"),
    ]


def test_files_whose_bytes_cannot_be_read_are_bad_without_any_row():
    assert [image.path for image in find_bad_images(COLLECTION, [])] == ["c.png"]


def test_bad_images_end_a_run_with_an_exit_code_of_its_own():
    with pytest.raises(BadImagesError, match="1 image could not be used; all others") as raised:
        refuse_bad_images([BAD], skip=False)
    assert raised.value.exit_code == 3
    assert str(raised.value).endswith("\n  a.png: file is empty")


@pytest.mark.parametrize(("bad", "skip"), [([], False), ([BAD], True)])
def test_a_run_goes_on_without_bad_images_or_if_they_are_to_be_skipped(bad, skip):
    refuse_bad_images(bad, skip)
