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
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import spawn
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
    "a2pipe.datasets.formats.loaders",
    "a2pipe.datasets.formats.manifest",
    "a2pipe.models.backbone",
    "a2pipe.pipeline.results.matrix",
    "a2pipe.pipeline.results.report",
    "a2pipe.pipeline.results.stage_run",
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

    def signal_when(
        self, ready: Callable[[], bool], number: int, seconds: float = 0.0, to_all: bool = False
    ) -> None:
        """Send a signal `seconds` after `ready` first holds, or none to a process that ended.

        to_all: to every process of the group that the command leads.
        """
        while self.process.is_alive() and not ready():
            time.sleep(0.0005)
        time.sleep(seconds)
        if self.process.is_alive():
            (os.killpg if to_all else os.kill)(self.pid, number)

    @property
    def out(self) -> str:
        return Path(self.output + ".out").read_text()

    @property
    def err(self) -> str:
        return Path(self.output + ".err").read_text()


Launch = Callable[..., Command]


class Forks:
    """Starts commands as forks of one process that has imported everything."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.commands: list[Command] = []
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(PRELOADED)

    def start(self, *argv: str | Path | int, **request: Any) -> Command:
        """Start `a2pipe ARGV` with the keyword arguments of worker.py."""
        output = str(self.folder / f"command{len(self.commands)}")
        request |= {"argv": [str(word) for word in argv], "output": output}
        arguments = (WORKER, {"request": request}, "worker")
        process = self.context.Process(target=runpy.run_path, args=arguments)
        with bare():
            process.start()
        self.commands.append(Command(process, output))
        return self.commands[-1]

    def run(self, *argv: str | Path | int, **request: Any) -> Command:
        """Start a command that has to succeed, and wait for it."""
        command = self.start(*argv, **request)
        assert command.wait() == 0, command.err
        return command

    def stop(self) -> None:
        """Kill what still runs."""
        for command in self.commands:
            if command.process.is_alive():
                command.process.kill()
                command.process.join(PATIENCE)


@contextmanager
def bare() -> Iterator[None]:
    """What is forked has one thread, so that a fork is whole, and each fork only its command: not
    the main module of the tests, nor the measuring of coverage, whose warnings go to stderr."""
    given = spawn.get_preparation_data
    unwanted = ("init_main_from_name", "init_main_from_path", "stowaway")

    def preparation(name: str) -> dict[str, Any]:
        return {key: value for key, value in given(name).items() if key not in unwanted}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spawn, "get_preparation_data", preparation)
        for name in ("OMP", "OPENBLAS", "MKL"):
            patch.setenv(f"{name}_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="session")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    forks = Forks(tmp_path_factory.mktemp("commands"))
    yield forks
    forks.stop()


@pytest.fixture
def launch(forks: Forks) -> Iterator[Launch]:
    """Start a command; it is killed at the end of the test if it still runs."""
    yield forks.start
    forks.stop()


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


def write_experiment(
    path: Path, manifest: Path, crops: str, baselines: str, backend: str, pixels: tuple[str, str]
) -> Path:
    """An experiment in shards of 4 images and batches of 2."""
    geometry, source = pixels
    path.write_text(
        f"""
        name = "faults"
        dataset = {{ name = "{manifest}" }}
        image = {{ size = 48, geometry = "{geometry}" }}
        attention = {{ models = ["{MODEL}"] }}
        crops = {{ sizes = {crops}, source = "{source}" }}
        embedding = {{ models = ["{MODEL}"], baselines = {baselines}, input_size = 24 }}
        run = {{ backend = "{backend}", shard_size = 4, batch_size = 2, workers = 2 }}
        """
    )
    return path


@pytest.fixture(params=["zarr", "hdf5"], scope="session")
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@dataclass(frozen=True)
class Study:
    """An experiment file, and what a run of it gives that nothing disturbs."""

    experiment: Path
    markers: int
    arrays: dict[str, bytes]
    results: dict[str, Any]

    def assert_given(self, cache: Path, out: Path | None = None) -> None:
        """A cache holds these arrays, bit for bit, and no damage; a report says the same."""
        assert verify(Cache(cache), deep=True) == []
        assert arrays(cache) == self.arrays
        if out is not None:
            assert results(out) == self.results


def make_study(
    forks: Forks,
    folder: Path,
    count: int,
    more: tuple[str, str],
    to: str,
    pixels: tuple[str, str] = ("squash", "resized"),
) -> Study:
    manifest = write_dataset(folder / "images", count)
    experiment = write_experiment(folder / "faults.toml", manifest, *more, to, pixels)
    cache, out = folder / "cache", folder / "out"
    forks.run("build-matrix", experiment, "--cache", cache, "--out", out)
    return Study(experiment, markers(cache), arrays(cache), results(out))


@pytest.fixture(scope="session")
def study(forks: Forks, tmp_path_factory: pytest.TempPathFactory, backend: str) -> Study:
    """32 images in 8 shards, 9 specs: 72 markers."""
    crops, baselines = "[[16], [16, 8]]", '["full", "random"]'
    folder = tmp_path_factory.mktemp("study")
    return make_study(forks, folder, 32, (crops, baselines), backend)


@pytest.fixture(scope="session")
def originals(forks: Forks, tmp_path_factory: pytest.TempPathFactory, backend: str) -> Study:
    """16 images in 4 shards, letterboxed, with crops from the originals; 9 specs: 36 markers."""
    folder, more = tmp_path_factory.mktemp("originals"), ("[16, 8]", '["random"]')
    return make_study(forks, folder, 16, more, backend, ("letterbox", "original"))


@pytest.fixture(scope="session")
def small(forks: Forks, tmp_path_factory: pytest.TempPathFactory, backend: str) -> Study:
    """8 images in 2 shards, 3 specs."""
    return make_study(forks, tmp_path_factory.mktemp("small"), 8, ("[16]", "[]"), backend)


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
