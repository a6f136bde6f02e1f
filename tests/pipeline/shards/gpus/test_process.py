"""Processes on the command line: they end with the run, however that ends."""

import os
import signal
import time

import pytest
from PIL import Image

from .conftest import SHARDS, alive, arrays, until

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "Interrupted"), (signal.SIGTERM, 143, "Terminated")],
    ids=["interrupted", "terminated"],
)
def test_a_signal_ends_all_and_keeps_the_shard_that_is_written(
    study, held, tmp_path, number, code, word
):
    """The first process is held in the middle of a commit, and let go after the signal."""
    cache, stand = tmp_path / "cache", held(2)
    command = study.command(cache, "--quiet")
    until(stand.held)
    os.killpg(command.pid, number)
    time.sleep(0.2)
    stand.let_go()
    out, err = command.communicate(timeout=120)
    assert (command.returncode, out) == (code, "")
    assert err.lstrip() == f"a2pipe: {word}; what was committed is kept.\n"
    assert {0, 2} <= study.shards(cache) < set(range(SHARDS))
    assert not list(cache.rglob("*.tmp"))
    assert len(stand.pids()) == 2
    assert not any(map(alive, stand.pids()))
    until(lambda: not any(map(alive, stand.workers())))


def test_kill_9_of_the_parent_ends_all_and_keeps_the_shard_that_is_written(study, held, tmp_path):
    cache, stand = tmp_path / "cache", held(2)
    command = study.command(cache)
    until(stand.held)
    command.kill()
    command.wait()
    time.sleep(0.2)
    stand.let_go()
    command.communicate(timeout=120)  # its pipes are those of the processes too
    until(lambda: not any(map(alive, (*stand.pids(), *stand.workers()))))
    assert (len(stand.pids()), len(stand.workers())) == (2, 2)
    assert {0, 2} <= study.shards(cache) < set(range(SHARDS))
    assert not list(cache.rglob("*.tmp"))
    command = study.command(cache)
    _, err = command.communicate(timeout=120)
    assert (command.returncode, "One process each on GPU 0 and GPU 1." in err) == (0, True)
    assert arrays(cache) == study.arrays


def test_bad_images_are_those_of_one_process(study, tmp_path):
    """One image of each process cannot be read; the exit code is 3."""
    images = tmp_path / "images"
    images.mkdir()
    lines = ["path,label,split"]
    for number in range(8):
        path = images / f"{number}.png"
        Image.new("RGB", (40, 30), (30 * number, 0, 0)).save(path)
        if number in (1, 6):
            path.write_bytes(path.read_bytes()[:60])
        lines.append(f"{number}.png,{number % 2},train")
    manifest = images / "manifest.csv"
    manifest.write_text("\n".join(lines) + "\n")
    command = study.command(tmp_path / "cache", "--dataset", manifest)
    out, err = command.communicate(timeout=120)
    assert command.returncode == 3
    assert "1.png" in err
    assert "6.png" in err
    assert "2.png" not in err
    assert "2/2" in out
