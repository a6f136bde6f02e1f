"""Heads are fitted in processes: however a run ends, they end with it, and finished fits stay."""

import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from .conftest import PATIENCE, Command, assert_sound, results

HEADS = """
[[head]]
kind = "logistic"
[[head]]
kind = "logistic"
name = "softer"
C = 0.1
[[head]]
kind = "nearest-mean"
"""
SECONDS_A_FIT = 1.0


@dataclass
class Fitting:
    """`build-matrix` with every feature stored, which fits two slow heads at a time."""

    command: Command
    cache: Path
    temporary: Path

    def fits(self) -> dict[str, int]:
        """Records that are there, and when they were written."""
        return {path.name: path.stat().st_mtime_ns for path in self.cache.glob("fits/*.json")}

    def features(self) -> list[Path]:
        return list(self.temporary.glob("a2pipe-features-*/*.npy"))

    def is_under_way(self) -> bool:
        """Some fits are done, and others are running."""
        return len(self.fits()) >= 2


@pytest.fixture(scope="module")
def experiment(small):
    """Three heads on each of the features of a small study."""
    path = small.experiment.with_name("heads.toml")
    path.write_text(small.experiment.read_text().replace("[16]", "[[16], [8]]") + HEADS)
    return path


@pytest.fixture(scope="module")
def undisturbed(forks, experiment):
    """A cache with every feature and no fit, and what the whole matrix says."""
    cache, out = experiment.parent / "fitted", experiment.parent / "fitted-out"
    forks.run("build-matrix", experiment, "--cache", cache, "--out", out)
    shutil.rmtree(cache / "fits")
    return cache, results(out)


@pytest.fixture
def fitting(launch, experiment, undisturbed, tmp_path) -> Fitting:
    cache, temporary = tmp_path / "cache", tmp_path / "temporary"
    shutil.copytree(undisturbed[0], cache)
    temporary.mkdir()
    build = ("build-matrix", experiment, "--quiet", "--cache", cache, "--out", tmp_path / "out")
    command = launch(*build, fits=SECONDS_A_FIT, temporary=str(temporary), group=True)
    return Fitting(command, cache, temporary)


@pytest.fixture
def completed(launch, experiment, undisturbed, tmp_path) -> Callable[[Fitting], None]:
    """Run it again, in one process: what was finished is not fitted again, the rest is."""

    def complete(fitting: Fitting) -> None:
        kept, out = fitting.fits(), tmp_path / "out"
        build = ("build-matrix", experiment, "--quiet", "--cache", fitting.cache, "--out", out)
        again = launch(*build, temporary=str(fitting.temporary))
        assert (again.wait(), again.err) == (0, "")
        assert results(out) == undisturbed[1]
        assert kept.items() <= fitting.fits().items()
        assert list(fitting.temporary.iterdir()) == []
        assert_sound(fitting.cache)

    return complete


def processes_of(session: int) -> list[int]:
    """Processes that a command started, and itself, by the number of its session."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, its_session = path.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(its_session) == session and state != "Z":
            found.append(int(path.parent.name))
    return found


def fit_processes(session: int) -> list[int]:
    """Those of them that fit."""
    return [
        number
        for number in processes_of(session)
        if b"popen_loky" in Path(f"/proc/{number}/cmdline").read_bytes()
    ]


def assert_ended(session: int, seconds: float) -> None:
    """Nothing that the command started is left after at most `seconds`."""
    end = time.monotonic() + seconds
    while processes_of(session) and time.monotonic() < end:
        time.sleep(0.05)
    assert processes_of(session) == []


@pytest.mark.parametrize("backend", ["zarr"], indirect=True)
@pytest.mark.parametrize(
    ("number", "code", "word", "to_all"),
    [(signal.SIGINT, 130, "Interrupted", True), (signal.SIGTERM, 143, "Terminated", False)],
    ids=["interrupted", "terminated"],
)
def test_a_signal_while_heads_are_fitted(fitting, completed, number, code, word, to_all):
    """Ctrl-C goes to every process of a terminal's group, SIGTERM to the one that is named."""
    command = fitting.command
    command.signal_when(fitting.is_under_way, number, to_all=to_all)
    assert command.wait() == code
    assert command.err.strip() == f"a2pipe: {word}; what was committed is kept."
    assert_ended(command.pid, PATIENCE)
    assert list(fitting.temporary.iterdir()) == []
    completed(fitting)


@pytest.mark.parametrize("backend", ["zarr"], indirect=True)
def test_ctrl_c_while_processes_start(fitting, completed):
    command = fitting.command
    command.signal_when(lambda: bool(fit_processes(command.pid)), signal.SIGINT, to_all=True)
    assert command.wait() == 130
    assert command.err.strip() == "a2pipe: Interrupted; what was committed is kept."
    assert_ended(command.pid, PATIENCE)
    completed(fitting)


@pytest.mark.parametrize("backend", ["zarr"], indirect=True)
def test_kill_9_of_the_run_while_heads_are_fitted(fitting, completed):
    """Its processes follow at their next look; its features go when the next run fits."""
    command = fitting.command
    assert command.kill_when(fitting.is_under_way) == -9
    assert_ended(command.pid, PATIENCE)
    assert fitting.features() != []
    completed(fitting)


@pytest.mark.parametrize("backend", ["zarr"], indirect=True)
def test_kill_9_of_a_fit_process_is_one_sentence(fitting, completed):
    """As the system does when memory runs out."""
    command = fitting.command
    while not fitting.is_under_way():
        time.sleep(0.01)
    os.kill(fit_processes(command.pid)[0], signal.SIGKILL)
    assert command.wait() == 1
    assert command.err.startswith("a2pipe: One of 2 processes was killed, most likely as memory")
    assert command.err.count("\n") == 1
    assert_ended(command.pid, PATIENCE)
    completed(fitting)
