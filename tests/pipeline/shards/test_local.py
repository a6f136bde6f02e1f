"""The local executor: what fails, fails soon; what it did, it says."""

import pytest

from a2pipe.cache.catalog import Cache
from a2pipe.cache.stores.zarr_store import ZarrStore
from a2pipe.errors import A2pipeError
from a2pipe.models.backbone import Backbone
from a2pipe.pipeline.session import open_session
from a2pipe.pipeline.shards.progress import SilentProgress
from a2pipe.pipeline.shards.task import KEPT_BYTES, prepare


def test_seconds_are_counted_for_each_stage(experiment, tmp_path):
    stats = open_session(experiment(), tmp_path / "cache").compute()
    assert {"attention", "boxes", "embeddings", "compute", "write"} == stats.seconds.keys()


def test_weights_that_change_during_a_run_stop_it(experiment, tmp_path, monkeypatch):
    session = open_session(experiment(), tmp_path / "cache")
    (model,) = {spec.model for spec in session.plan.attention}
    task = prepare(session.plan, session.cache, session.plan.specs())
    loaded = session.executor.backbones(task).get(model)
    other = Backbone.__new__(Backbone)
    other.info = type(loaded.info)(**{**vars(loaded.info), "weights": "0" * 32})
    monkeypatch.setattr("a2pipe.models.backbone.load_backbone", lambda *_, **__: other)
    again = open_session(experiment(), tmp_path / "cache")
    with pytest.raises(A2pipeError, match="have changed since this run began"):
        again.compute()


def test_rows_read_for_reuse_share_one_allowance(experiment, tmp_path, monkeypatch):
    kept = []
    gather = Cache.gather

    def record(cache, fingerprint, images, exclude=None, kept_bytes=0):
        kept.append(kept_bytes)
        return gather(cache, fingerprint, images, exclude, kept_bytes)

    monkeypatch.setattr(Cache, "gather", record)
    session = open_session(experiment(), tmp_path / "cache")
    prepare(session.plan, session.cache, session.plan.specs())
    assert len(kept) == 3
    assert sum(kept) <= KEPT_BYTES


def test_what_another_process_commits_first_was_computed_in_vain(experiment, tmp_path):
    """Two runs that both began before either had committed anything."""
    sessions = [open_session(experiment(), tmp_path / "cache") for _ in range(2)]
    tasks = [prepare(each.plan, each.cache, each.plan.specs()) for each in sessions]
    for session, task in zip(sessions, tasks, strict=True):
        session.executor.compute(task, session.progress, session.stats)
    first, second = (session.stats for session in sessions)
    assert (first.shards, first.shards_in_vain, first.rows_in_vain) == (3, 0, 0)
    assert (second.shards, second.shards_in_vain, second.rows_in_vain) == (3, 3, 3 * 80)
    assert second.forward_passes == first.forward_passes


def test_what_another_process_commits_meanwhile_was_computed_in_vain(
    experiment, tmp_path, monkeypatch
):
    """All of the other's run falls between the first look and the first marker of this one."""
    other, session = (open_session(experiment(), tmp_path / "cache") for _ in range(2))
    write, writes = ZarrStore.write, []

    def write_after_the_other(store, shard, arrays):
        writes.append(shard)
        if len(writes) == 1:
            other.compute()
        return write(store, shard, arrays)

    monkeypatch.setattr(ZarrStore, "write", write_after_the_other)
    stats = session.compute()
    assert (other.stats.shards_in_vain, other.stats.rows_in_vain) == (0, 0)
    assert (stats.shards_in_vain, stats.rows_in_vain) == (3, 3 * 80)


def test_a_shard_whose_file_is_gone_is_not_computed_in_vain(experiment, tmp_path):
    session = open_session(experiment(), tmp_path / "cache")
    session.compute()
    artifact = session.stored(session.plan.specs()[-1])
    (artifact.folder / next(iter(artifact.ledger.read(1).files))).unlink()
    again = open_session(experiment(), tmp_path / "cache").compute()
    assert (again.shards, again.shards_in_vain) == (1, 0)


def test_a_shard_that_another_process_drops_is_computed_again(experiment, tmp_path):
    """It was listed as stored, and its marker is gone when it is to be read."""
    crops = {"sizes": [16, 8]}
    open_session(experiment(), tmp_path / "cache").compute()
    session = open_session(experiment(crops=crops), tmp_path / "cache")
    task = prepare(session.plan, session.cache, session.plan.specs())
    attention = session.stored(session.plan.attention[0])
    before = attention.read_shard(1)
    attention.discard(1)
    session.executor.compute(task, session.progress, session.stats)
    assert session.is_complete()
    assert all((attention.read_shard(1)[name] == before[name]).all() for name in before)


def test_damage_found_while_a_run_reads_is_told_and_computed_again(experiment, tmp_path):
    open_session(experiment(), tmp_path / "cache").compute("boxes")
    said = Said()
    session = open_session(experiment(), tmp_path / "cache", said)
    boxes = session.stored(session.plan.specs("boxes")[-1])
    path = boxes.folder / next(name for name in boxes.store.files(1) if "box" in name)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    session.compute()
    assert [line for line in said.lines if "damaged" in line] == [
        "Shard 1 of greedy crop 1, 16 px by demo_localizer_s_random, block 4 is damaged or gone."
        " Computing it again."
    ]
    assert path.read_bytes() == whole


class Said(SilentProgress):
    """It keeps what a run says."""

    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)
