"""A SLURM that answers, and an experiment whose tasks can be held up.

Product code knows nothing of where it comes from.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from a2pipe.pipeline.cluster.batch.jobs import Submission, submissions

from ..faults.conftest import arrays, results, write_dataset

MODEL = "demo_localizer_s_random"
PATIENCE = 400.0


def answer(*command: str) -> str:
    """What a command of SLURM prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def until(ready: Callable[[], Any]) -> Any:
    """What `ready` returns once that is true."""
    end = time.monotonic() + PATIENCE
    while not (found := ready()):
        assert time.monotonic() < end, "nothing happens"
        time.sleep(0.25)
    return found


@pytest.fixture(scope="session", autouse=True)
def slurm() -> None:
    """Skip unless there is a SLURM with an idle node."""
    if not shutil.which("sbatch"):
        pytest.skip("SLURM is not installed")
    try:
        nodes = subprocess.run(
            ["sinfo", "-h", "-o", "%T"], capture_output=True, text=True, timeout=20
        )
    except subprocess.TimeoutExpired:
        pytest.skip("SLURM does not answer")
    if not {"idle", "mixed", "allocated"} & set(nodes.stdout.split()):
        pytest.skip(f"SLURM has no node that works ({(nodes.stderr or nodes.stdout).strip()})")


@dataclass
class Lab:
    """One experiment of `count` images in shards of 4, and a cluster file; what was submitted is
    cancelled at the end."""

    folder: Path
    count: int

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def experiment(self) -> Path:
        return self.folder / "lab.toml"

    def write(self) -> None:
        manifest = write_dataset(self.folder / "images", self.count)
        self.experiment.write_text(
            f"""
            dataset = {{ name = "{manifest}" }}
            image = {{ size = 48 }}
            attention = {{ models = ["{MODEL}"] }}
            crops = {{ sizes = [16] }}
            embedding = {{ models = ["{MODEL}"], baselines = ["full"], input_size = 24 }}
            run = {{ shard_size = 4, batch_size = 4, device = "cpu" }}
            """
        )

    def a2pipe(self, *words: object, code: int = 0) -> str:
        """What a command prints; it has to end with this exit code."""
        command = [sys.executable, "-c", "from a2pipe.cli import main; main()", *map(str, words)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stderr if code else done.stdout

    def submit(self, *words: object, code: int = 0, **cluster: Any) -> str:
        """Submit with a cluster of these keys, one core a task."""
        keys = {"cores": 1, "memory": "800MB", "time": "00:10:00", "stop_before": 30} | cluster
        file = self.folder / "slurm.toml"
        file.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items()))
        flags = ("--cluster", file, "--cache", self.cache, "--out", self.out)
        return self.a2pipe("submit", self.experiment, *flags, *words, code=code)

    def submissions(self) -> list[Submission]:
        return submissions(self.cache)

    def status(self) -> dict[str, Any]:
        found = self.a2pipe("status", self.experiment, "--cache", self.cache, "--json")
        status: dict[str, Any] = json.loads(found)
        return status

    def committed(self) -> dict[Path, bytes]:
        """Every marker, by path."""
        return {path: path.read_bytes() for path in self.cache.glob("*/*/*/done/0*.json")}

    def shards_committed(self) -> set[int]:
        """Shards of which the embeddings of both crops are done."""
        done = [int(path.stem) for path in self.cache.glob("embeddings/*/*/done/0*.json")]
        return {shard for shard in done if done.count(shard) == 2}

    def stand_in(self, code: str) -> list[str]:
        """The setup under which tasks run `a2pipe` with `before(shard)` called, and each shard
        noted in placed.txt, before the shard is computed."""
        commands = self.folder / "commands"
        commands.mkdir()
        command = commands / "a2pipe"
        command.write_text(STAND_IN.format(python=sys.executable, folder=self.folder, code=code))
        command.chmod(0o755)
        return [f"export PATH={commands}:$PATH"]

    def placed(self) -> list[int]:
        """The shards that were begun, each as often as it was."""
        file = self.folder / "placed.txt"
        return [int(word) for word in file.read_text().split()] if file.exists() else []

    def assert_like_the_local_run(self) -> None:
        """Arrays bit for bit, and the matrix, as `build-matrix` on this machine gives them."""
        cache, out = self.folder / "local", self.folder / "local-out"
        self.a2pipe("build-matrix", self.experiment, "--cache", cache, "--out", out)
        assert arrays(self.cache) == arrays(cache)
        assert results(self.out) == results(out)


STAND_IN = """#!{python}
import time
from pathlib import Path
from a2pipe.cli import main
from a2pipe.pipeline.shards import local

folder = Path("{folder}")
place = local.place_crops

{code}

def placed(batch, *rest):
    before(batch.shard.number)
    return place(batch, *rest)

def note(shard):
    with (folder / "placed.txt").open("a") as file:
        file.write(f"{{shard}}\\n")

local.place_crops = placed
main()
"""


@pytest.fixture
def lab(tmp_path: Path, request: pytest.FixtureRequest):
    lab = Lab(tmp_path, request.param)
    lab.write()
    yield lab
    jobs = [job for submission in lab.submissions() for job in submission.jobs]
    if jobs:
        subprocess.run(["scancel", "--quiet", *jobs], check=False, capture_output=True)
