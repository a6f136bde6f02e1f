"""A tiny study in twelve shards, and processes that can be held at a shard."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from a2pipe.cache.catalog import Cache
from a2pipe.pipeline.session import Session, open_session
from a2pipe.pipeline.shards.executor import Executor
from a2pipe.pipeline.shards.gpus.process import START

from ...conftest import tiny_experiment, write_images, write_manifest

SHARDS, SHARD_SIZE = 12, 4
PATIENCE = 240.0
HOLD = f"""
import os, sys, time

folder, shard = os.environ["HELD_IN"], os.environ.get("HELD_AT", "")
ours = {START!r} in sys.orig_argv
decodes = any("a2pipe.workers" in word for word in sys.orig_argv)
if ours or decodes:
    open(f"{{folder}}/{{'pid' if ours else 'worker'}}-{{os.getpid()}}", "w").close()

def hold(event, arguments):
    if event == "os.rename" and str(arguments[1]).endswith(f"/done/{{int(shard):06d}}.json"):
        open(f"{{folder}}/held-{{os.getpid()}}", "w").close()
        while not os.path.exists(f"{{folder}}/gate"):
            time.sleep(0.01)

if ours and shard:
    sys.addaudithook(hold)
"""
"""Python runs this at its start where it finds it as sitecustomize.py."""

MAIN = """
import signal
from a2pipe.pipeline.shards.gpus import devices, process

signal.signal(signal.SIGINT, signal.default_int_handler)  # as a terminal starts a command
devices.visible_gpus = lambda: 2
process.shown = lambda device, environment: ("cpu", dict(environment))

from a2pipe.cli import main
main()
"""
"""The command line on a machine with two GPUs, which are its CPU. It has no `__main__` guard."""


def until(ready: Callable[[], Any]) -> Any:
    """What `ready` returns once that is true."""
    end = time.monotonic() + PATIENCE
    while not (found := ready()):
        assert time.monotonic() < end, "nothing happens"
        time.sleep(0.02)
    return found


def alive(pid: int) -> bool:
    """Whether a process still runs; one that nobody has waited for yet does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def arrays(cache: Path) -> dict[str, bytes]:
    """Every array of every artifact, read back and checked."""
    return {
        f"{artifact.stage}/{artifact.fingerprint}/{name}": artifact.read(name).tobytes()
        for artifact in Cache(cache).artifacts()
        for name in (*(each.name for each in artifact.fields), "status")
    }


@dataclass
class Held:
    """Processes that are held as they commit a shard, until they are let go."""

    folder: Path

    def pids(self) -> list[int]:
        """Every process that was started for a GPU."""
        return [int(path.name.partition("-")[2]) for path in self.folder.glob("pid-*")]

    def workers(self) -> list[int]:
        """Every process that these have started to decode images."""
        return [int(path.name.partition("-")[2]) for path in self.folder.glob("worker-*")]

    def held(self) -> list[int]:
        """The processes that are held."""
        return [int(path.name.partition("-")[2]) for path in self.folder.glob("held-*")]

    def let_go(self) -> None:
        (self.folder / "gate").touch()


@dataclass
class Study:
    """An experiment, and what one process makes of it."""

    folder: Path
    content: dict[str, Any]
    arrays: dict[str, bytes] = field(default_factory=dict)
    alone: Session = field(init=False)

    def open(self, cache: Path, executor: Executor | None = None, **settings: Any) -> Session:
        return open_session(self.content, cache, executor=executor, **settings)

    def shards(self, cache: Path) -> set[int]:
        """The shards of which everything is committed."""
        session = self.open(cache)
        found = [session.stored(spec) for spec in session.plan.specs()]
        sets = [set(range(SHARDS)) - set(each.missing()) if each else set() for each in found]
        return set.intersection(*sets)

    def command(self, cache: Path, *words: object) -> subprocess.Popen[str]:
        """Start `a2pipe run --gpus 2` on two GPUs that are none, in a process group of its own."""
        main = self.folder / "main.py"
        main.write_text(MAIN)
        flags = ("--cache", cache, "--gpus", 2, *words)
        return subprocess.Popen(
            [sys.executable, str(main), "run", str(self.file), *map(str, flags)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    @property
    def file(self) -> Path:
        """The experiment as a file, without a device."""
        path = self.folder / "study.toml"
        path.write_text(
            f"""
            dataset = {{ name = "{self.folder / "images" / "manifest.csv"}" }}
            image = {{ size = 48 }}
            attention = {{ models = ["demo_localizer_s_random"] }}
            crops = {{ sizes = [16] }}
            embedding = {{ models = ["demo_localizer_s_random"] }}
            run = {{ shard_size = {SHARD_SIZE}, batch_size = 2, workers = 1 }}
            """
        )
        return path


@pytest.fixture(scope="package")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("study")
    images = folder / "images"
    write_manifest(images, write_images(images, SHARDS * SHARD_SIZE))
    run = {"batch_size": 2, "shard_size": SHARD_SIZE, "workers": 1, "device": "cpu"}
    study = Study(folder, tiny_experiment(images, run=run))
    study.alone = study.open(folder / "cache")
    study.alone.compute()
    study.arrays = arrays(folder / "cache")
    return study


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Held]]:
    """Hold the processes that are started from now on at a shard; all are killed at the end."""
    folder = tmp_path / "held"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(HOLD)
    monkeypatch.setenv("HELD_IN", str(folder))
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *filter(None, sys.path)]))

    def at(shard: int | None = None) -> Held:
        monkeypatch.setenv("HELD_AT", "" if shard is None else str(shard))
        return Held(folder)

    yield at
    for pid in filter(alive, Held(folder).pids()):
        os.kill(pid, signal.SIGKILL)
