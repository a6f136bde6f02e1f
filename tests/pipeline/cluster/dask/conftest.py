"""A tiny study of many shards, what one process makes of it, and Dask clusters to compare with."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import distributed
import numpy as np
import pytest
from PIL import Image

from a2pipe.pipeline.cluster.dask.clusters import running_workers
from a2pipe.pipeline.cluster.dask.run import DaskExecutor
from a2pipe.pipeline.results.matrix import MatrixRun, build_matrix
from a2pipe.pipeline.session import Session, open_session

MODEL = "demo_localizer_s_random"
SHARDS = 12
SHARD_SIZE = 4
PATIENCE = 240.0


def write_images(folder: Path, count: int) -> Path:
    """`count` noise images in two classes and two places, with a box each; the manifest."""
    folder.mkdir(parents=True)
    lines = ["path,label,group,split,x0,y0,x1,y1"]
    for number in range(count):
        label, place = number % 2, number // 2 % 2
        pixels = np.random.default_rng(number).integers(0, 60, (30, 40, 3)) + 90 * place
        pixels[8:18, 5:15] = 250 if label else 5
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number:03d}.png")
        split = "train" if number % 8 < 5 else "test"
        lines.append(f"{number:03d}.png,{label},{label} on {place},{split},5,8,15,18")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder / "manifest.csv"


def write_experiment(folder: Path, manifest: Path) -> Path:
    """An experiment file in shards of four images."""
    path = folder / "study.toml"
    path.write_text(
        f"""
        dataset = {{ name = "{manifest}" }}
        image = {{ size = 48 }}
        attention = {{ models = ["{MODEL}"] }}
        crops = {{ sizes = [[16]] }}
        embedding = {{ models = ["{MODEL}"], baselines = ["full"], input_size = 24 }}
        run = {{ shard_size = {SHARD_SIZE}, batch_size = 2, workers = 1, device = "cpu" }}
        """
    )
    return path


def arrays(cache: Path) -> dict[str, bytes]:
    """Every stored file of arrays by its place; what a killed writer began, `cache gc` removes."""
    files = [path for path in cache.rglob("data.zarr/**/*") if path.is_file()]
    found = [path for path in files if path.suffix != ".tmp"]
    return {str(path.relative_to(cache)): path.read_bytes() for path in found}


def markers(cache: Path) -> int:
    """How many shards are committed."""
    return len(list(cache.glob("*/*/*/done/*.json")))


def numbers(run: MatrixRun) -> dict[str, Any]:
    """A matrix without what differs from run to run."""
    content = run.matrix.to_json()
    return {key: value for key, value in content.items() if key not in ("created", "run")}


@dataclass(frozen=True)
class Study:
    """An experiment file, and what one process makes of it."""

    experiment: Path
    run: MatrixRun
    arrays: dict[str, bytes]

    def assert_given(self, cache: Path) -> None:
        assert arrays(cache) == self.arrays


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("study")
    manifest = write_images(folder / "images", SHARDS * SHARD_SIZE)
    experiment = write_experiment(folder, manifest)
    run = build_matrix(open_session(experiment, folder / "cache"))
    return Study(experiment, run, arrays(folder / "cache"))


@pytest.fixture(scope="module")
def cluster() -> Iterator[distributed.LocalCluster]:
    """Two worker processes under a scheduler, as a user may have started them."""
    threads = {"OMP_NUM_THREADS": "1"}
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=2, memory_limit=0, dashboard_address=":0", env=threads
    ) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def client(cluster: distributed.LocalCluster) -> Iterator[distributed.Client]:
    with distributed.Client(cluster, set_as_default=False) as client:
        yield client


@pytest.fixture
def on_cluster(
    study: Study, cluster: distributed.LocalCluster, tmp_path: Path
) -> Callable[..., Session]:
    """Open the study on a cache of its own, to be computed on the cluster."""

    def opened(source: Any = study.experiment) -> Session:
        executor = DaskExecutor(partial(running_workers, cluster.scheduler_address))
        return open_session(source, tmp_path / "cache", executor=executor)

    return opened


def when(ready: Callable[[], bool], act: Callable[[], object]) -> threading.Thread:
    """Act on another thread as soon as `ready` holds."""

    def wait() -> None:
        end = time.monotonic() + PATIENCE
        while not ready():
            assert time.monotonic() < end
            time.sleep(0.01)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def kill(pid: int) -> None:
    os.kill(pid, 9)


MAIN = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "from a2pipe.cli import main\n"
    "if __name__ == '__main__':\n"
    "    main()\n"
)


def run_until(ready, number, whole_group, folder, *argv):
    """Run a command in a process group of its own, send a signal once `ready`; code and stderr."""
    (folder / "main.py").write_text(MAIN)
    command = [sys.executable, "main.py", *map(str, argv)]
    process = subprocess.Popen(
        command, cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    send = os.killpg if whole_group else os.kill
    thread = when(lambda: ready() or process.poll() is not None, lambda: send(process.pid, number))
    _, err = process.communicate(timeout=PATIENCE)
    thread.join()
    return process.returncode, err, process.pid
