"""Shards on two worker processes: the bits and the counts of one process, whatever is lost."""

import json
import os
import signal
from dataclasses import fields, is_dataclass
from pathlib import Path

import cloudpickle
import distributed
import pytest

from a2pipe.pipeline.cluster.dask import run as dask_run
from a2pipe.pipeline.cluster.dask.run import ShardsFailedError
from a2pipe.pipeline.experiment.load import load_experiment
from a2pipe.pipeline.results.matrix import build_matrix
from a2pipe.pipeline.session import open_session
from a2pipe.stages.specs import GreedyBox

from .conftest import MODEL, SHARD_SIZE, SHARDS, arrays, kill, markers, numbers, run_until, when

pytestmark = pytest.mark.slow


def test_arrays_matrix_and_counts_are_those_of_one_process(on_cluster, study, tmp_path):
    run = build_matrix(on_cluster())
    study.assert_given(tmp_path / "cache")
    assert numbers(run) == numbers(study.run)
    assert run.record.stats.forward_passes == {MODEL: 3 * SHARDS * SHARD_SIZE}


def values(record, prefix=""):
    """Every field of a record of statistics by its dotted name, also those of records in it."""
    found = {}
    for each in fields(record):
        value = getattr(record, each.name)
        inner = values(value, f"{prefix}{each.name}.") if is_dataclass(value) else None
        found |= inner or {f"{prefix}{each.name}": value}
    return found


def test_every_statistic_is_that_of_one_process(on_cluster, study, tmp_path):
    """Counts and names are equal, times are there and positive."""
    here, there = on_cluster(), open_session(study.experiment, tmp_path / "other")
    for session in (here, there):
        session.compute()
    theirs = values(there.stats)
    for name, value in values(here.stats).items():
        if name in ("seconds", "throughput.waited"):
            assert value.keys() == theirs[name].keys(), name
            assert min(value.values()) > 0, name
        elif name in ("throughput.seconds", "throughput.busy", "throughput.launching"):
            assert value > 0, name
        elif name == "throughput.decoders_idle":
            assert value >= 0
        else:
            assert value == theirs[name], name
    assert here.stats.throughput.images == SHARDS * SHARD_SIZE


def test_canvases_are_stored_by_workers_too_and_are_no_reason_to_ask_them(
    on_cluster, study, monkeypatch
):
    experiment = load_experiment(study.experiment, {"run.cache_pixels": True})
    session = on_cluster(experiment)
    session.compute()
    (canvas,) = session.plan.pixels(session.plan.specs())
    assert session.stored(canvas).complete
    session.stored(canvas).discard(3)
    monkeypatch.setattr(dask_run.DaskExecutor, "compute", None)
    assert on_cluster(experiment).compute().shards == 0


def test_statistics_and_pools_are_those_of_one_process(on_cluster, study, tmp_path):
    """Workers open the statistics alone first, then all that is lacking."""
    changes = {"attention.source": ["attention", "votes:9"], "embedding.pool": ["cls+mean"]}
    changes["patches.statistics"] = ["norm", "votes:4"]
    experiment = load_experiment(study.experiment, changes)
    there = on_cluster(experiment)
    there.compute("patches")
    images = SHARDS * SHARD_SIZE
    assert there.stats.forward_passes == {MODEL: images}
    assert not (tmp_path / "cache" / "attention").exists()
    there.compute()
    open_session(experiment, tmp_path / "other").compute()
    assert arrays(tmp_path / "cache") == arrays(tmp_path / "other")


def test_a_second_run_asks_no_worker(on_cluster, monkeypatch):
    on_cluster().compute()
    monkeypatch.setattr(dask_run.DaskExecutor, "compute", None)
    assert on_cluster().compute().shards == 0


def test_nothing_large_travels(on_cluster, monkeypatch):
    """A task is the name of a function, the experiment as JSON, and numbers of shards."""
    sent, results = [], []
    submit, report_from = distributed.Client.submit, dask_run.report_from

    def record(client, function, *arguments, **settings):
        sent.append((function, arguments))
        return submit(client, function, *arguments, **settings)

    def receive(content):
        results.append(content)
        return report_from(content)

    monkeypatch.setattr(distributed.Client, "submit", record)
    monkeypatch.setattr(dask_run, "report_from", receive)
    on_cluster().compute()
    assert sum(len(shards) for _, (_, shards) in sent) == SHARDS
    for function, arguments in sent:
        assert len(cloudpickle.dumps((function, arguments))) < 4096
        assert json.loads(json.dumps(arguments)) == [arguments[0], list(arguments[1])]
    assert len(results) == len(sent)
    assert max(len(json.dumps(content)) for content in results) < 4096


def test_models_stay_loaded_from_run_to_run(on_cluster, client, tmp_path):
    def loaded():
        from a2pipe.pipeline.cluster.dask.worker import _executor

        backbones = _executor._backbones
        return [(id(backbones), *map(id, backbones._loaded.values()))]

    def compute(size):
        experiment = load_experiment(tmp_path / "study.toml", {"crops.sizes": [[size]]})
        on_cluster(experiment).compute()
        return client.run(loaded)

    manifest = on_cluster().experiment.dataset.name
    (tmp_path / "study.toml").write_text(
        f'dataset = {{ name = "{manifest}" }}\n'
        f'attention = {{ models = ["{MODEL}"] }}\nembedding = {{ models = ["{MODEL}"] }}\n'
        "image = { size = 48 }\nrun = { shard_size = 4, device = 'cpu', limit = 32 }"
    )
    before = compute(16)
    assert all(len(found) == 1 and len(found[0]) == 2 for found in before.values())
    assert compute(12) == before


def test_paths_are_those_of_this_process(on_cluster, study, tmp_path, monkeypatch):
    """A worker has another working folder."""
    manifest = on_cluster().experiment.dataset.name
    monkeypatch.chdir(Path(manifest).parent)
    relative = load_experiment(study.experiment, {"dataset.name": "manifest.csv"})
    on_cluster(relative).compute()
    study.assert_given(tmp_path / "cache")


def test_a_killed_worker_costs_no_bit(on_cluster, study, client, tmp_path):
    cache = tmp_path / "cache"
    pids = client.run(os.getpid)
    thread = when(lambda: markers(cache) >= 8, lambda: kill(min(pids.values())))
    run = build_matrix(on_cluster())
    thread.join()
    client.wait_for_workers(2)
    assert set(client.run(os.getpid).values()) != set(pids.values())
    study.assert_given(cache)
    assert numbers(run) == numbers(study.run)


def test_a_shard_that_always_fails_is_reported_and_the_others_are_done(
    on_cluster, study, tmp_path, monkeypatch
):
    """A folder stands where one chunk of an array is to be written."""
    session = on_cluster()
    (box,) = [spec for spec in session.plan.specs("boxes") if isinstance(spec, GreedyBox)]
    session.compute("attention")
    run = session.experiment.run
    artifact = session.cache.create(
        box, [session.plan.field(box)], session.collection.images, run.shard_size, run.backend
    )
    chunk = next(artifact.folder / name for name in artifact.store.files(7) if "box" in name)
    (chunk / "in the way").mkdir(parents=True)
    tried = []
    settle = dask_run._Run._settle

    def record(run, piece, report):
        tried.extend(report.undone)
        settle(run, piece, report)

    monkeypatch.setattr(dask_run._Run, "_settle", record)
    with pytest.raises(
        ShardsFailedError, match=r"1 shard failed 3 times; all others .*\n  shard 7"
    ):
        session.compute()
    assert tried.count(7) == 3
    assert [session.stored(spec).missing() for spec in session.plan.specs("boxes")][-1] == [7]
    (chunk / "in the way").rmdir()
    chunk.rmdir()
    build_matrix(on_cluster())
    study.assert_given(tmp_path / "cache")
    assert arrays(tmp_path / "cache")


def test_sigterm_takes_back_what_no_worker_began_and_leaves_the_cluster(
    study, cluster, client, tmp_path
):
    cache = tmp_path / "cache"
    address = cluster.scheduler_address
    code, err, _ = run_until(
        *(lambda: markers(cache) >= 4, signal.SIGTERM, False, tmp_path),
        *("run", study.experiment, "--cache", cache, "--scheduler", address, "--quiet"),
    )
    assert (code, err.lstrip()) == (143, "a2pipe: Terminated; what was committed is kept.\n")
    assert len(client.run(os.getpid)) == 2
    assert not any(client.processing().values())
