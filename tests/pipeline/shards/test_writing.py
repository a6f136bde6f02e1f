"""Writing shards: a failure is heard soon, an interruption drops no complete shard."""

import os
import signal
import threading
import time
from types import SimpleNamespace

import pytest

from a2pipe.errors import A2pipeError
from a2pipe.pipeline.session import open_session
from a2pipe.pipeline.shards import writing
from a2pipe.pipeline.shards.stats import RunStats


def test_a_failed_write_stops_the_run_at_the_next_shard(experiment, tmp_path, monkeypatch):
    failed, shards = threading.Event(), []
    submit = writing.ShardWriter.submit

    def refuse(shard, *_):
        failed.set()
        raise A2pipeError(f"No space is left for shard {shard.number}.")

    def submit_after_the_failure(writer, shard):
        shards.append(shard.number)
        if shard.number:
            failed.wait()
            writer._pool.submit(int).result()
        submit(writer, shard)

    monkeypatch.setattr(writing, "commit_shard", refuse)
    monkeypatch.setattr(writing.ShardWriter, "submit", submit_after_the_failure)
    tiny = experiment(run={"batch_size": 8, "shard_size": 8, "device": "cpu"})
    with pytest.raises(A2pipeError, match="No space is left for shard 0"):
        open_session(tiny, tmp_path / "cache").compute()
    assert len(shards) <= 2


@pytest.mark.parametrize(
    ("error", "written"), [(SystemExit, [0, 1]), (KeyboardInterrupt, [0, 1]), (ValueError, [0])]
)
def test_an_interruption_lets_whole_shards_be_written(monkeypatch, error, written):
    begun, go_on, done = threading.Event(), threading.Event(), []

    def commit(shard, *_):
        begun.set()
        assert go_on.wait(60)
        done.append(shard.number)

    def stop():
        with writing.ShardWriter(SimpleNamespace(artifacts={}, plan=None), RunStats()) as writer:
            for number in (0, 1):
                writer.submit(SimpleNamespace(number=number, open_arrays=[], nbytes=0))
            begun.wait()
            threading.Timer(0.2, go_on.set).start()
            raise error

    monkeypatch.setattr(writing, "commit_shard", commit)
    with pytest.raises(error):
        stop()
    assert done == written


def test_an_interruption_while_the_last_shard_is_written_lets_it_be_written(monkeypatch):
    begun, done = threading.Event(), []

    def commit(shard, *_):
        begun.set()
        time.sleep(0.5)
        done.append(shard.number)

    def interrupt():
        begun.wait()
        time.sleep(0.1)  # so that the main thread waits for the write by now
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(writing, "commit_shard", commit)
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=interrupt)
    thread.start()
    with (
        pytest.raises(KeyboardInterrupt),
        writing.ShardWriter(SimpleNamespace(artifacts={}, plan=None), RunStats()) as writer,
    ):
        writer.submit(SimpleNamespace(number=0, open_arrays=[], nbytes=0))
    thread.join()
    signal.signal(signal.SIGINT, handler)
    assert done == [0]
