"""Reading rows of a session while other processes mend what is damaged, and what it costs."""

import io

import numpy as np
import pytest

from a2pipe.cache.artifact import Artifact
from a2pipe.cache.catalog import Cache
from a2pipe.cache.gc import gc
from a2pipe.cache.ledger import Ledger
from a2pipe.errors import NotCachedError
from a2pipe.pipeline.results.matrix import build_matrix
from a2pipe.pipeline.session import TIMES_TO_COMPUTE_AGAIN, Session, open_session
from a2pipe.pipeline.shards.progress import PlainProgress
from a2pipe.pipeline.shards.stats import RunStats

from .conftest import write_images, write_manifest


@pytest.fixture
def session(experiment, tmp_path):
    """A session whose stages are all done."""
    opened = open_session(experiment(), tmp_path / "cache")
    opened.compute()
    return opened


def whole(session):
    """All rows of embeddings."""
    return session.read(session.plan.specs()[-1], list(session.collection.images))


def test_a_shard_that_another_process_drops_is_computed_again(session):
    before = whole(session)
    session.stored(session.plan.specs()[-1]).discard(1)
    np.testing.assert_array_equal(whole(session), before)


def test_a_shard_that_is_dropped_again_and_again_ends_in_the_sentence(session, monkeypatch):
    asked = []
    artifact = session.stored(session.plan.specs()[-1])
    artifact.discard(1)
    monkeypatch.setattr(Session, "compute", lambda _, stage: asked.append(stage))
    with pytest.raises(NotCachedError, match="lacks some or all embeddings"):
        whole(session)
    assert asked == ["embeddings"] * TIMES_TO_COMPUTE_AGAIN


def test_where_nothing_may_be_computed_a_lacking_shard_is_told(session):
    session.may_compute = False
    session.stored(session.plan.specs()[-1]).discard(1)
    with pytest.raises(NotCachedError, match="lacks some or all embeddings"):
        whole(session)


def test_where_nothing_is_stored_nothing_is_computed(experiment, tmp_path):
    session = open_session(experiment(), tmp_path / "cache")
    with pytest.raises(NotCachedError, match="lacks some or all embeddings"):
        whole(session)
    assert not session.stats.shards


def test_what_another_process_mends_too_is_mended(session, monkeypatch):
    """Of two damaged shards the other process drops the first while this one looks for them."""
    before = whole(session)
    artifact = session.stored(session.plan.specs()[-1])
    for shard in (0, 1):
        path = artifact.folder / artifact.store.files(shard)[0]
        path.write_bytes(bytes(path.stat().st_size))
    read_shard = Artifact.read_shard

    def read_after_the_other(found, shard, verify=True):
        if found.folder == artifact.folder and shard == 0:
            artifact.discard(0)
        return read_shard(found, shard, verify)

    monkeypatch.setattr(Artifact, "read_shard", read_after_the_other)
    np.testing.assert_array_equal(whole(session), before)


def test_reading_some_rows_looks_at_their_shards_alone(session, monkeypatch):
    seen, read = [], Ledger.read

    def note(ledger, shard):
        seen.append(shard)
        return read(ledger, shard)

    monkeypatch.setattr(Ledger, "read", note)
    session.read(session.plan.specs()[-1], list(session.collection.images[:4]))
    assert seen == [0]


def test_a_matrix_that_may_not_compute_is_refused_before_a_head_is_fitted(session, monkeypatch):
    def never(*_):
        raise AssertionError("fitted")

    monkeypatch.setattr("a2pipe.pipeline.results.matrix.fit_cells", never)
    session.stored(session.plan.specs()[-1]).discard(2)
    with pytest.raises(NotCachedError, match="lacks some or all embeddings"):
        build_matrix(session, compute=False)


TINY = """
dataset = { name = "manifest.csv" }
image = { size = 48 }
attention = { models = ["demo_localizer_s_random"] }
crops = { sizes = [16] }
embedding = { models = ["demo_localizer_s_random"] }
run = { device = "cpu" }
"""


def test_two_experiment_files_of_one_name_keep_each_what_they_use(tmp_path):
    cache, files = tmp_path / "cache", [tmp_path / each / "experiment.toml" for each in "ab"]
    for number, file in enumerate(files):
        write_manifest(file.parent, write_images(file.parent, 16, start=16 * number))
        file.write_text(TINY)
        build_matrix(open_session(file, cache))
    before = sorted(cache.rglob("*.npz"))
    assert gc(Cache(cache), apply=True) == []
    assert sorted(cache.rglob("*.npz")) == before
    for file in files:
        again = open_session(file, cache)
        assert (again.experiment.name, again.is_complete()) == ("experiment", True)


def test_work_in_vain_is_told_whoever_computed(experiment, tmp_path):
    """The executor is one that only says that another process was first."""

    class InVain:
        def compute(self, task, progress, stats):
            progress.say("computing")
            stats.add(RunStats(shards=len(task.shards), shards_in_vain=2, rows_in_vain=1600))

    stream = io.StringIO()
    progress = PlainProgress(stream)
    open_session(experiment(), tmp_path, progress, executor=InVain()).compute()
    first, second = stream.getvalue().splitlines()
    assert first == "computing"
    assert second.startswith("1,600 rows, in 2 of 3 shards, were computed in vain:")
