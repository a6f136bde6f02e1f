"""Decoding processes that are killed cost time and no bit; and none outlives its run."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from a2pipe import workers
from a2pipe.pipeline.session import open_session
from a2pipe.pipeline.shards.decoding import Decoders

from .conftest import tiny_experiment, write_images, write_manifest


def workers_of(pid):
    """The worker processes that a process has."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    threads = Path(f"/proc/{pid}/task").iterdir()
    children = {c for task in threads for c in (task / "children").read_text().split()}
    return [int(child) for child in children if b"a2pipe.workers" in command(child)]


def command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def rows(session):
    images = list(session.collection.images)
    return {spec: session.read(spec, images).tobytes() for spec in session.plan.specs()}


@pytest.fixture
def many(tmp_path):
    """A folder with 400 images."""
    folder = tmp_path / "images"
    write_manifest(folder, write_images(folder, 400))
    return folder


def test_workers_killed_at_random_change_no_bit(many, tmp_path, monkeypatch):
    content = tiny_experiment(many, crops={"sizes": [16], "source": "original"})
    undisturbed = open_session(content, tmp_path / "undisturbed")
    undisturbed.compute()
    decoded, killed, dice = Decoders._decoded, [], random.Random(0)

    def slowly(decoders, segment, call):
        time.sleep(0.02)  # so that there is something to be killed at
        return decoded(decoders, segment, call)

    def kill():
        while not done.wait(dice.uniform(0.05, 0.3)):
            for pid in workers_of(os.getpid())[:1]:
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

    monkeypatch.setattr(workers, "TRIES", 1000)  # dice may hit the same work often
    monkeypatch.setattr(Decoders, "_decoded", slowly)
    content["run"] = {**content["run"], "workers": 2}
    session, done = open_session(content, tmp_path / "disturbed"), threading.Event()
    killer = threading.Thread(target=kill)
    killer.start()
    try:
        session.compute()
    finally:
        done.set()
        killer.join()
    assert len(killed) >= 2
    assert rows(session) == rows(undisturbed)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_worker_outlives_a_command_that_is_stopped(many, tmp_path, stop):
    options = {
        "--dataset": many / "manifest.csv",
        "--model": "demo_localizer_s_random",
        "--cache": tmp_path / "cache",
        "--workers": 2,
        "--device": "cpu",
    }
    words = ["extract-attn", *(str(word) for option in options.items() for word in option)]
    command_line = [sys.executable, "-c", "from a2pipe.cli import main; main()", *words]
    with subprocess.Popen(command_line, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and len(found := workers_of(process.pid)) < 2:
            time.sleep(0.01)
        process.send_signal(stop)
        code = process.wait(60)
    assert len(found) == 2
    assert code in (-stop, 128 + stop)
    end = time.monotonic() + 20
    while any(b"a2pipe.workers" in command(pid) for pid in found) and time.monotonic() < end:
        time.sleep(0.02)
    assert not any(b"a2pipe.workers" in command(pid) for pid in found)
