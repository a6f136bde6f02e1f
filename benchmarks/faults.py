"""Killed in every way, resumed to the same bits: `python benchmarks/faults.py [--runs 100]`.

A cut of the demo (attention, boxes, embeddings, localisation, heads fitted in processes; shards of
4 images) is built undisturbed, then again and again into a fresh cache, each time with one fault at
a random instant, and resumed. Afterwards arrays and matrix have to be those of the undisturbed run,
bit for bit; nothing stored may be damaged at any time; no process, temporary file or feature file
may be left after `cache gc`. Printed for each kind of fault: how many runs met it, how many gave
the same bits, how long the run took to end, and the forward passes that were done twice, in shards.

Then: processes at once on one cache; single bytes of chunks flipped; a marker torn at every length.
Exits with 1 if any of that fails. Needs Linux's /proc; forks of one process, so imports are no part
of the times.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from disturbed import Command, start

from a2pipe.cache import gc
from a2pipe.cache.catalog import Cache
from a2pipe.cache.verify import verify
from a2pipe.files import is_temporary

IMPORTED = ("torch", "timm", "h5py", "joblib", "pandas", "sklearn.linear_model", "scipy.stats")
IMPORTED += (
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "a2pipe.pipeline.results.report",
)
IMPORTED += ("a2pipe.models.backbone", "a2pipe.heads.logistic", "a2pipe.heads.nearest", "zarr")
IMPORTED += ("a2pipe.reports.terminal", "a2pipe.pipeline.results.stage_run", "a2pipe.cli")
EXPERIMENT = """
name = "faults"
dataset = { name = "demo-01" }
image = { size = 96 }
attention = { models = ["demo_localizer_s"] }
crops = { sizes = [[32, 16]] }
embedding = { models = ["demo_embedder_s"], baselines = ["full@96", "random"], input_size = 48 }
head = [{ kind = "logistic" }, { kind = "nearest-mean" }]
run = { limit = 32, shard_size = 4, batch_size = 4, workers = 2 }
"""
SHARDS_IN_FLIGHT = 4
"""One that is computed, one that is written, two that wait for it."""


@dataclass(frozen=True)
class Truth:
    """What an undisturbed run gives, and what it counts; seconds: without and with a pool."""

    experiment: Path
    cache: Path
    arrays: dict[str, bytes]
    matrix: dict[str, Any]
    seconds: tuple[float, float]
    passes: int
    writes: int

    def command(self, folder: Path) -> list[str]:
        cache, out = str(folder / "cache"), str(folder / "out")
        return ["build-matrix", str(self.experiment), "--quiet", "--cache", cache, "--out", out]


@dataclass(frozen=True)
class Outcome:
    """One disturbed run. twice: forward passes done in both runs, in shards."""

    met: bool
    problems: tuple[str, ...]
    ending: float
    twice: float


Strike = Callable[[Command, float], float]
"""Strikes a command at an instant; returns when, or 0 if it had ended."""


def arrays(cache: Path) -> dict[str, bytes]:
    """Every array of every artifact, checked."""
    return {
        f"{artifact.folder.relative_to(cache)}/{name}": artifact.read(name).tobytes()
        for artifact in Cache(cache).artifacts()
        for name in (*(field.name for field in artifact.fields), "status")
    }


def matrix(out: Path) -> dict[str, Any]:
    """What the matrix says, without when and how it was made."""
    found = json.loads((out / "matrix.json").read_text())
    return {key: value for key, value in found.items() if key not in ("created", "run")}


def undisturbed(folder: Path) -> Truth:
    """Built three times: the first composes the demo's images, which all others share."""
    folder.mkdir()
    experiment = folder / "faults.toml"
    experiment.write_text(EXPERIMENT)
    truth = Truth(experiment, folder / "cache", {}, {}, (0.0, 0.0), 0, 0)
    _build(truth, folder, pool=False)
    pooled, alone = (_build(truth, folder, pool) for pool in (True, False))
    return replace(
        truth,
        arrays=arrays(truth.cache),
        matrix=matrix(folder / "out"),
        seconds=(alone.seconds, pooled.seconds),
        passes=alone.forward_passes(),
        writes=alone.writes(),
    )


def _build(truth: Truth, folder: Path, pool: bool) -> Command:
    for stage in ("attention", "boxes", "embeddings", "localization", "fits"):
        shutil.rmtree(truth.cache / stage, ignore_errors=True)
    watched = {"within": str(folder), "fault": "none"}
    command = start(truth.command(folder), folder / "tmp", watched, pool)
    if command.wait():
        sys.exit(command.errors.read_text())
    return command


def strike_run(number: int, to_all: bool = False) -> Strike:
    """A signal to the run, or to it and everything that it started."""

    def strike(command: Command, instant: float) -> float:
        if not command.wait_until(instant):
            return 0.0
        (os.killpg if to_all else os.kill)(command.pid, number)
        return time.monotonic()

    return strike


def strike_fit_process(command: Command, instant: float) -> float:
    """SIGKILL to one of the processes that fit, at the instant or as soon as there is one."""
    command.wait_until(instant)
    while not command.ended():
        if found := command.fit_processes():
            os.kill(random.choice(found), signal.SIGKILL)
            return time.monotonic()
        time.sleep(0.002)
    return 0.0


def no_strike(command: Command, instant: float) -> float:
    """The fault comes from within, at a chosen write."""
    del instant
    command.wait()
    return time.monotonic() if command.code else 0.0


@dataclass(frozen=True)
class Kind:
    """A kind of fault. share: of the runs asked for; code: the run's exit code; pool: heads are
    fitted in processes; at_write: the fault of `worker.py`, if it is one."""

    name: str
    share: float
    code: int
    strike: Strike
    pool: bool = False
    at_write: str = ""


KINDS = (
    Kind("kill -9", 0.5, -9, strike_run(signal.SIGKILL)),
    Kind("kill -9 at a write", 0.3, -9, no_strike, at_write="kill"),
    Kind("kill -9, fit processes", 0.1, -9, strike_run(signal.SIGKILL), pool=True),
    Kind("kill -9 of a fit process", 0.1, 1, strike_fit_process, pool=True),
    Kind("SIGTERM", 0.1, 143, strike_run(signal.SIGTERM), pool=True),
    Kind("Ctrl-C", 0.1, 130, strike_run(signal.SIGINT, to_all=True), pool=True),
    Kind("disk full from a write on", 0.1, 1, no_strike, at_write="full"),
)


def disturb(kind: Kind, truth: Truth, folder: Path) -> Outcome:
    """One run with one fault, and the run that completes it."""
    shutil.copytree(truth.cache / "collections", folder / "cache" / "collections")
    fault = {"within": str(folder), "fault": kind.at_write, "step": random.randrange(truth.writes)}
    faults = fault if kind.at_write else None
    first = start(truth.command(folder), folder / "tmp", faults, kind.pool)
    struck = kind.strike(first, random.uniform(0, truth.seconds[kind.pool]))
    code = first.wait()
    ending = time.monotonic() - struck if struck else 0.0
    problems = [] if code in (kind.code, 0) else [f"exit code {code}: {first.errors.read_text()}"]
    problems += [f"{each.folder}: {each.what}" for each in verify(Cache(folder / "cache"), True)]
    problems += _left_running(first)
    again = start(truth.command(folder), folder / "tmp", pool=False)
    if again.wait():
        problems.append(f"resumed: {again.errors.read_text()}")
    else:
        problems += _differences(truth, folder)
    problems += _strays(folder)
    shard = truth.passes / len(list(truth.cache.glob("attention/*/*/done/*")))
    twice = (first.forward_passes() + again.forward_passes() - truth.passes) / shard
    if twice > SHARDS_IN_FLIGHT:
        problems.append(f"{twice:.1f} shards were computed twice")
    return Outcome(code == kind.code, tuple(problems), ending, twice)


def _left_running(command: Command) -> list[str]:
    """Processes that outlive the run; they look for it once a second."""
    end = time.monotonic() + 30
    while (left := command.processes()) and time.monotonic() < end:
        time.sleep(0.05)
    return [f"process {pid} is left" for pid in left]


def _differences(truth: Truth, folder: Path) -> list[str]:
    found = [] if arrays(folder / "cache") == truth.arrays else ["arrays differ"]
    found += [] if matrix(folder / "out") == truth.matrix else ["the matrix differs"]
    return found + [f"{p.folder}: {p.what}" for p in verify(Cache(folder / "cache"), deep=True)]


def _strays(folder: Path) -> list[str]:
    """Temporary files after a `cache gc` that waits for none of them to become old."""
    gc.STRAY_AFTER = -1.0
    freed = gc.gc(Cache(folder / "cache"), apply=True)
    found = [f"gc freed {each.path}" for each in freed if "temporary" not in each.why]
    left = [path for path in (folder / "cache").rglob("*") if is_temporary(path.name)]
    return found + [f"{path} is left" for path in [*left, *(folder / "tmp").glob("a2pipe-*")]]


def disturb_all(truth: Truth, folder: Path, runs: int) -> bool:
    """The table; whether all went well."""
    print(f"{'fault':27}{'runs':>6}{'met':>6}{'same bits':>11}{'ends in':>20}{'done twice':>22}")
    well = True
    for kind in KINDS:
        outcomes = []
        for number in range(max(1, round(runs * kind.share))):
            place = folder / f"{kind.code}-{number}"
            outcomes.append(disturb(kind, truth, place))
            for problem in outcomes[-1].problems:
                print(f"  {kind.name}, run {number}: {problem}", file=sys.stderr)
            shutil.rmtree(place)
        well &= not any(each.problems for each in outcomes)
        print(_row(kind, outcomes), flush=True)
    return well


def _row(kind: Kind, outcomes: list[Outcome]) -> str:
    met = [each for each in outcomes if each.met]
    same = sum(not each.problems for each in outcomes)
    endings, twice = [each.ending for each in met] or [0.0], [each.twice for each in outcomes]
    ends = f"{sum(endings) / len(endings):.2f} s, max {max(endings):.2f}"
    ends = "" if kind.at_write else ends  # it strikes from within, unseen
    again = f"{sum(twice) / len(twice):.2f} shards, max {max(twice):.2f}"
    return f"{kind.name:27}{len(outcomes):6}{len(met):6}{same:11}{ends:>20}{again:>22}"


def race(truth: Truth, folder: Path, processes: int) -> bool:
    """The same command so many times at once on one cache."""
    shutil.copytree(truth.cache / "collections", folder / "cache" / "collections")
    places = [folder / f"process-{number}" for number in range(processes)]
    commands = [
        start([*truth.command(folder)[:-1], str(place / "out")], place / "tmp", pool=False)
        for place in places
    ]
    codes = [command.wait() for command in commands]
    records = [json.loads(path.read_text()) for path in (folder / "cache" / "runs").glob("*")]
    same = arrays(folder / "cache") == truth.arrays
    same &= all(matrix(place / "out") == truth.matrix for place in places)
    passes = sum(command.forward_passes() for command in commands)
    in_vain = sum(record["rows_in_vain"] for record in records)
    rows = sum(artifact.cut.rows for artifact in Cache(folder / "cache").artifacts())
    print(
        f"{processes} processes at once: exit codes {sorted(set(codes))}, "
        f"{'the same bits' if same else 'OTHER BITS'}; {passes / truth.passes:.2f} times the "
        f"forward passes of one, {in_vain} rows computed in vain beside the {rows} needed"
    )
    return same and not any(codes)


def flip_bytes(truth: Truth, flips: int) -> bool:
    """Single bytes of chunks changed, one at a time, and looked for in the whole cache."""
    chunks = [
        (artifact.folder, shard, artifact.folder / name)
        for artifact in Cache(truth.cache).artifacts()
        for shard, marker in artifact.markers().items()
        for name in marker.files
    ]
    found = 0
    for _ in range(flips):
        folder, shard, path = random.choice(chunks)
        before = path.read_bytes()
        at = random.randrange(len(before))
        flipped = bytes([before[at] ^ random.randrange(1, 256)])
        path.write_bytes(before[:at] + flipped + before[at + 1 :])
        problems = verify(Cache(truth.cache), deep=True)
        found += [(each.folder, each.shard) for each in problems] == [(folder, shard)]
        path.write_bytes(before)
    print(f"bytes flipped in chunks: `cache verify --deep` found {found} of {flips}, and no other")
    return found == flips


def tear_marker(truth: Truth) -> bool:
    """A marker cut short to every length in turn."""
    artifact = Cache(truth.cache).artifacts()[0]
    path = artifact.ledger.path(0)
    whole = path.read_bytes()
    taken = 0
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        taken += artifact.missing() != [0]
    path.write_bytes(whole)
    print(f"marker torn at each of {len(whole)} lengths: taken for whole {taken} times")
    return not taken


def measure(folder: Path, runs: int, processes: int, flips: int) -> bool:
    """Everything, printed as it comes; whether all went well."""
    truth = undisturbed(folder / "truth")
    print(
        f"undisturbed: {truth.seconds[0]:.1f} s, with fit processes {truth.seconds[1]:.1f} s, "
        f"{truth.passes} forward passes, "
        f"{truth.writes} steps of writing",
        flush=True,
    )
    well = disturb_all(truth, folder / "disturbed", runs)
    well &= race(truth, folder / "race", processes)
    return flip_bytes(truth, flips) & tear_marker(truth) & well


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=100, help="Of kill -9; a tenth of the others.")
    parser.add_argument("--processes", type=int, default=8, help="At once on one cache.")
    parser.add_argument("--flips", type=int, default=1000, help="Bytes of chunks.")
    parser.add_argument("--seed", type=int, default=0, help="Of instants, writes and bytes.")
    options = parser.parse_args()
    random.seed(options.seed)
    for name in IMPORTED:
        importlib.import_module(name)
    folder = Path(
        tempfile.mkdtemp(prefix="a2pipe-faults-")
    )  # a context's end would be a fork's too
    try:
        well = measure(folder, options.runs, options.processes, options.flips)
    finally:
        shutil.rmtree(folder)
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
