"""Commands in processes that can be killed, on a tiny dataset of many shards.

Starting Python with torch takes seconds, so one process imports everything once and every command
is a fork of it.
"""

import json
import multiprocessing
import os
import runpy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from a2pipe.cache.catalog import Cache
from a2pipe.cache.verify import verify

WORKER = str(Path(__file__).with_name("worker.py"))
PRELOADED = [
    "torch",
    "timm",
    "h5py",
    "sklearn.linear_model",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "matplotlib.cm",
    "pandas",
    "tomllib",
    "a2pipe.cli",
    "a2pipe.datasets.generic",
    "a2pipe.datasets.manifest",
    "a2pipe.models.backbone",
    "a2pipe.pipeline.matrix",
    "a2pipe.pipeline.publish",
    "a2pipe.pipeline.stage_run",
    "a2pipe.reports.terminal",
    "a2pipe.heads.logistic",
]
MODEL = "demo_localizer_s_random"
PATIENCE = 120.0


@dataclass
class Command:
    """A command that runs, or ran, in a process of its own."""

    process: ForkServerProcess
    output: str

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def wait(self) -> int:
        """The exit code; -9 if it was killed."""
        self.process.join(PATIENCE)
        assert self.process.exitcode is not None, "the command hangs"
        return self.process.exitcode

    def kill_when(self, ready: Callable[[], bool], seconds: float = 0.0) -> int:
        """SIGKILL `seconds` after `ready` first holds; the exit code."""
        self.signal_when(ready, 9, seconds)
        return self.wait()

    def signal_when(self, ready: Callable[[], bool], number: int, seconds: float = 0.0) -> None:
        """Send a signal `seconds` after `ready` first holds, or none to a process that ended."""
        while self.process.is_alive() and not ready():
            time.sleep(0.0005)
        time.sleep(seconds)
        if self.process.is_alive():
            os.kill(self.pid, number)

    @property
    def out(self) -> str:
        return Path(self.output + ".out").read_text()

    @property
    def err(self) -> str:
        return Path(self.output + ".err").read_text()


Launch = Callable[..., Command]


@pytest.fixture(scope="session")
def forks() -> Any:
    """The process that everything is forked from; one thread, so that a fork is whole."""
    single = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    before = {name: os.environ.get(name) for name in single}
    os.environ.update(single)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    first = context.Process(target=int)
    first.start()
    first.join()
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)
    return context


@pytest.fixture()
def launch(forks: Any, tmp_path: Path) -> Iterator[Launch]:
    """Start `a2pipe ARGV` with the keyword arguments of worker.py; what still runs is killed."""
    started: list[Command] = []

    def start(*argv: str | Path, **request: Any) -> Command:
        output = str(tmp_path / f"command{len(started)}")
        request |= {"argv": [str(word) for word in argv], "output": output}
        arguments = (WORKER, {"request": request}, "worker")
        command = Command(forks.Process(target=runpy.run_path, args=arguments), output)
        started.append(command)
        command.process.start()
        return command

    yield start
    for command in started:
        if command.process.is_alive():
            command.process.kill()
        command.process.join(PATIENCE)


def write_dataset(folder: Path, count: int) -> Path:
    """`count` noise images in two classes and two places, with a box each; the manifest."""
    folder.mkdir(parents=True)
    lines = ["path,label,group,split,x0,y0,x1,y1"]
    for number in range(count):
        rng = np.random.default_rng(number)
        label, place = number % 2, number // 2 % 2
        pixels = rng.integers(0, 60, (30, 40, 3)) + 90 * place
        x, y = (int(value) for value in rng.integers(0, 20, 2))
        pixels[y : y + 10, x : x + 10] = 250 if label else 5
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number:03d}.png")
        split = "train" if number % 8 < 5 else "test"
        lines.append(
            f"{number:03d}.png,{label},{label} on {place},{split},{x},{y},{x + 10},{y + 10}"
        )
    manifest = folder / "manifest.csv"
    manifest.write_text("\n".join(lines) + "\n")
    return manifest


def write_experiment(path: Path, manifest: Path, crops: str, baselines: str, backend: str) -> Path:
    """An experiment in shards of 4 images and batches of 2."""
    path.write_text(
        f"""
        name = "faults"
        dataset = {{ name = "{manifest}" }}
        image = {{ size = 48 }}
        attention = {{ models = ["{MODEL}"] }}
        crops = {{ sizes = {crops} }}
        embedding = {{ models = ["{MODEL}"], baselines = {baselines}, input_size = 24 }}
        run = {{ backend = "{backend}", shard_size = 4, batch_size = 2, device = "cpu", workers = 2 }}
        """
    )
    return path


@pytest.fixture(params=["zarr", "hdf5"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("data") / "images", 40)


@pytest.fixture()
def experiment(manifest: Path, tmp_path: Path, backend: str) -> Path:
    """40 images in 10 shards, 13 specs: 130 markers."""
    baselines = '["full", "center:16", "random"]'
    return write_experiment(
        tmp_path / "faults.toml", manifest, "[[16], [16, 8]]", baselines, backend
    )


@pytest.fixture()
def small(tmp_path: Path, backend: str) -> Path:
    """8 images in 2 shards, 3 specs."""
    manifest = write_dataset(tmp_path / "small", 8)
    return write_experiment(tmp_path / "small.toml", manifest, "[16]", "[]", backend)


def markers(cache: Path) -> int:
    """How many shards are committed."""
    return len(list(cache.glob("*/*/*/done/0*.json")))


def arrays(cache: Path) -> dict[str, bytes]:
    """Every array of every artifact, status among them, read back and checked."""
    return {
        f"{artifact.stage}/{artifact.fingerprint}/{artifact.layout.rows_id}/{name}": (
            artifact.read(name).tobytes()
        )
        for artifact in Cache(cache).artifacts()
        for name in (*(field.name for field in artifact.fields), "status")
    }


def results(folder: Path) -> dict[str, Any]:
    """What a matrix says, without when and how it was made."""
    matrix = json.loads((folder / "matrix.json").read_text())
    return {key: value for key, value in matrix.items() if key not in ("created", "run")}


def assert_sound(cache: Path) -> None:
    """Every byte is as the markers say."""
    assert verify(Cache(cache), deep=True) == []
