"""`train lastvit` on the command line, with what kills it."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ...pipeline.conftest import write_images, write_manifest

FILE = """
name = "tiny"
[dataset]
name = "manifest.csv"
[image]
size = 24
[training]
patch = 8
dim = 16
depth = 1
heads = 2
batch = 4
epochs = {epochs}
split = "test"
every = 5
masked = [0.5]
[run]
device = "cpu"
workers = 1
"""
ARM = "selective-1_patch-8_seed-0"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny images with an experiment of six steps, and one of very many."""
    folder = tmp_path_factory.mktemp("photos")
    write_manifest(folder, write_images(folder, 32))
    (folder / "short.toml").write_text(FILE.format(epochs=1.2))
    (folder / "long.toml").write_text(FILE.format(epochs=2000))
    return folder


def start(photos: Path, out: Path, file: str, *flags: str) -> "subprocess.Popen[str]":
    """Start the command as a process of its own."""
    command = [sys.executable, "-c", "from a2pipe.cli import program; program()"]
    command += ["train", "lastvit", str(photos / file), "--out", str(out), *flags]
    command += ["--cache", str(photos / "cache"), "-q"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_steps(out: Path, steps: int) -> None:
    """Wait until so many steps were measured."""
    deadline, curves = time.monotonic() + 120, out / ARM / "curves.csv"
    while time.monotonic() < deadline:
        # The last row is written before its checkpoint, so the one before it has one.
        if curves.exists() and len(curves.read_text().splitlines()) > 2 + steps // 5:
            return
        time.sleep(0.05)
    pytest.fail("the training did not come so far")


def files(out: Path) -> dict[str, bytes]:
    """What a finished training holds."""
    return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}


def test_an_arm_is_trained_and_told(photos, tmp_path):
    done = start(photos, tmp_path / "out", "short.toml", "--json", "--pool", "mean")
    out, err = done.communicate(timeout=120)
    assert done.returncode == 0, err
    (row,) = json.loads(out)["runs"]
    assert (row["pool"], row["step"]) == ("mean", 6)
    assert {path.name for path in (tmp_path / "out" / "mean_patch-8_seed-0").iterdir()} == {
        "backbone.safetensors",
        "checkpoint.safetensors",
        "curves.csv",
        "curves.png",
        "head.safetensors",
    }


def test_a_killed_training_goes_on_to_the_same_bits(photos, tmp_path):
    """A real kill -9, at any moment after the first checkpoint; then the rest of 60 steps."""
    flags = ("--epochs", "12")
    whole = start(photos, tmp_path / "whole", "long.toml", *flags)
    whole.communicate(timeout=120)
    assert whole.returncode == 0
    killed = start(photos, tmp_path / "killed", "long.toml", *flags)
    wait_for_steps(tmp_path / "killed", 10)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait(timeout=60)
    assert not (tmp_path / "killed" / ARM / "backbone.safetensors").exists()
    again = start(photos, tmp_path / "killed", "long.toml", *flags)
    again.communicate(timeout=120)
    assert again.returncode == 0
    for path in (tmp_path / "killed").rglob(".*.tmp"):
        path.unlink()
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


def test_sigterm_writes_a_checkpoint_and_exits_143(photos, tmp_path):
    running = start(photos, tmp_path, "long.toml")
    wait_for_steps(tmp_path, 5)
    before = (tmp_path / ARM / "checkpoint.safetensors").read_bytes()
    running.terminate()
    _, err = running.communicate(timeout=60)
    assert running.returncode == 143
    assert err.splitlines()[-1].startswith("a2pipe: Terminated")
    assert (tmp_path / ARM / "checkpoint.safetensors").read_bytes() != before
    rows = list(csv.DictReader((tmp_path / ARM / "curves.csv").open()))
    assert int(rows[-1]["step"]) >= 10


def test_a_wrong_request_is_one_sentence_before_anything_is_computed(photos, tmp_path):
    refused = start(photos, tmp_path / "out", "short.toml", "--split", "val")
    _, err = refused.communicate(timeout=120)
    assert refused.returncode == 2
    (line,) = err.splitlines()
    assert "has no val images" in line
    assert not (tmp_path / "out").exists()
