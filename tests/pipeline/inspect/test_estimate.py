"""An estimate, against what the run then counts."""

import pytest

from a2pipe.errors import A2pipeError
from a2pipe.pipeline.inspect.estimate import estimate
from a2pipe.pipeline.session import open_session
from a2pipe.pipeline.shards import disk

RUN = {"batch_size": 16, "shard_size": 32, "device": "cpu"}
RANDOM, TRAINED = "demo_localizer_s_random", "demo_localizer_s"
CASES = {
    "one of each": {},
    "whole images too": {"embedding": {"models": [RANDOM], "baselines": ["full", "center:16"]}},
    "blocks share a pass": {"attention": {"models": [RANDOM], "layers": [2, 3, 4]}},
    "two models, two crops": {
        "attention": {"models": [RANDOM, TRAINED]},
        "crops": {"sizes": [16, 8]},
        "embedding": {"models": [RANDOM, TRAINED], "baselines": ["random", "s2"]},
    },
    "sources, statistics and pools": {
        "attention": {"models": [RANDOM], "source": ["attention", "votes:4", "patch-score"]},
        "patches": {"statistics": ["norm", "votes:4"]},
        "embedding": {"models": [RANDOM], "pool": ["cls", "cls+mean"], "baselines": ["full"]},
    },
    "no attention": {
        "attention": {"models": [RANDOM], "source": "votes:4"},
        "embedding": {"models": [RANDOM], "pool": "selective:4", "baselines": ["full"]},
    },
    "two canvases": {"attention": {"models": [RANDOM], "input_size": 64}},
    "crops from originals": {"crops": {"sizes": [16], "source": "original"}},
    "pixels stored": {"run": {**RUN, "cache_pixels": True}},
}


def estimated(session):
    """The estimate before, and what the run then did."""
    found = estimate(session.plan, session.cache)
    before = session.stats.decoded
    stats = session.compute()
    return found, stats.forward_passes, stats.decoded - before


@pytest.mark.parametrize("sections", CASES.values(), ids=CASES)
def test_passes_and_decodes_are_those_of_the_run(experiment, tmp_path, sections):
    found, passes, decoded = estimated(open_session(experiment(**sections), tmp_path / "cache"))
    assert found.forward_passes == passes
    assert found.decodes == decoded


@pytest.mark.parametrize("sections", CASES.values(), ids=CASES)
def test_a_limited_run_before_leaves_the_rest(experiment, tmp_path, sections):
    run = {**RUN, **sections.get("run", {})}
    part = experiment(**{**sections, "run": {**run, "limit": 40}})
    open_session(part, tmp_path / "cache").compute()
    found, passes, decoded = estimated(open_session(experiment(**sections), tmp_path / "cache"))
    assert found.forward_passes == passes
    assert found.decodes == decoded
    assert all(need.rows_reusable == 40 for need in found.needs)


def test_a_new_statistic_is_estimated_as_one_more_pass(experiment, tmp_path):
    sections = CASES["sources, statistics and pools"]
    open_session(experiment(**sections), tmp_path / "cache").compute()
    more = {**sections, "patches": {"statistics": ["norm", "votes:4", "votes:2"]}}
    found, passes, decoded = estimated(open_session(experiment(**more), tmp_path / "cache"))
    assert found.forward_passes == passes == {RANDOM: 80}
    assert found.decodes == decoded == 80


def test_bytes_to_write_are_the_bytes_written(experiment, tmp_path):
    even = {**RUN, "shard_size": 16}
    session = open_session(experiment(run=even), tmp_path / "cache")
    found = estimate(session.plan, session.cache)
    session.compute()
    chunks = (tmp_path / "cache").glob("*/*/*/data.zarr/*/c.*")
    assert found.bytes_to_write == sum(chunk.stat().st_size for chunk in chunks)
    assert estimate(session.plan, session.cache).bytes_to_write == 0


def test_a_run_that_the_disk_cannot_hold_is_refused_before_its_first_shard(
    experiment, tmp_path, monkeypatch
):
    session = open_session(experiment(), tmp_path / "cache")
    needed = estimate(session.plan, session.cache).bytes_to_write
    monkeypatch.setattr(disk, "free_bytes", lambda _: needed - 1)
    with pytest.raises(A2pipeError, match=r"would take 0\.. MB, and 0\.. MB are free on the disk"):
        session.compute()
    assert not list((tmp_path / "cache").rglob("c.*"))
    monkeypatch.setattr(disk, "free_bytes", lambda _: needed)
    session.compute()
    assert session.is_complete()


def test_free_space_is_that_of_the_nearest_folder_there_is(tmp_path):
    assert disk.free_bytes(tmp_path / "not" / "yet") == pytest.approx(
        disk.free_bytes(tmp_path), rel=0.05
    )


@pytest.mark.parametrize(
    ("count", "words"), [(400_000, "0.4 MB"), (12_340_000_000, "12.3 GB"), (2e15, "2,000.0 TB")]
)
def test_sizes_in_words(count, words):
    assert disk.size_words(count) == words
