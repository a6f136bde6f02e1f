"""Repair: just the damage is dropped, and just that is computed again."""

import pytest

from a2pipe.cache.catalog import Cache
from a2pipe.errors import UsageError
from a2pipe.pipeline.inspect.repair import repair
from a2pipe.pipeline.session import open_session
from a2pipe.pipeline.shards.progress import SilentProgress

MODEL = "demo_localizer_s_random"


@pytest.fixture
def damaged(experiment, tmp_path):
    """A cache with attention of three shards, of which the last lacks and the first is damaged; the
    experiment, with which `repair` is called as with a file; the artifact."""
    source = experiment(embedding={})
    session = open_session(source, tmp_path / "cache")
    session.compute("attention")
    artifact = session.stored(session.plan.attention[0])
    artifact.discard(2)
    path = artifact.folder / artifact.store.files(0)[0]
    path.write_bytes(bytes(path.stat().st_size))
    return Cache(tmp_path / "cache"), source, artifact


def test_just_the_damaged_shard_is_computed_again(damaged):
    cache, source, artifact = damaged
    done = repair(cache, [source], True, SilentProgress())
    assert [(each.problem.shard, each.computed) for each in done.mended] == [(0, True)]
    assert done.forward_passes == 32
    assert artifact.missing() == [2]
    artifact.read_shard(0)


def test_without_an_experiment_the_damaged_shard_is_only_dropped(damaged):
    cache, _, artifact = damaged
    done = repair(cache, [], True, SilentProgress())
    assert [(each.problem.shard, each.computed) for each in done.mended] == [(0, False)]
    assert (done.forward_passes, artifact.missing()) == (0, [0, 2])


def test_an_experiment_that_cannot_be_read_changes_nothing(damaged, tmp_path):
    cache, _, artifact = damaged
    with pytest.raises(UsageError):
        repair(cache, [tmp_path / "missing.toml"], True, SilentProgress())
    assert artifact.missing() == [2]
