"""Room on a disk: told in words, and required before anything is computed."""

import shutil
from types import SimpleNamespace

import pytest

from a2pipe.errors import A2pipeError
from a2pipe.pipeline.shards.disk import free_bytes, require_room, size_words


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0.0 MB"), (840_000, "0.8 MB"), (12_300_000_000, "12.3 GB"), (1.5e12, "1.5 TB")],
)
def test_sizes_are_told_in_the_unit_that_fits(count, words):
    assert size_words(count) == words


def test_a_folder_that_is_not_there_yet_has_the_room_of_the_one_above(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        shutil, "disk_usage", lambda at: asked.append(at) or SimpleNamespace(free=7)
    )
    assert free_bytes(tmp_path / "not" / "there") == 7
    assert asked == [tmp_path]


def test_results_that_do_not_fit_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=5_000_000))
    require_room(tmp_path, 5_000_000)
    with pytest.raises(A2pipeError, match=r"would take 5.1 MB, and 5.0 MB are free"):
        require_room(tmp_path, 5_100_000)
