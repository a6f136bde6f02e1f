"""The loop: what is measured when, how it goes on, and how it ends."""

import math
import signal
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from torch import nn

from a2pipe.errors import A2pipeError
from a2pipe.training import checkpoint, loop
from a2pipe.training.loop import LOSS, Plan, train
from a2pipe.training.optimisation import Recipe
from a2pipe.training.writing import write_file


@dataclass
class Line:
    """A line that is fitted under dropout; `after` is called with every batch."""

    learnt: nn.Module = field(default_factory=lambda: made(0))
    after: object = lambda _: None
    bad: int = -1

    def batches(self, start, stop):
        for step in range(start, stop):
            self.after(step)
            yield step, torch.full((4, 3), float(step % 3))

    def loss(self, batch):
        step, values = batch
        return self.learnt(values).square().mean() * (math.nan if step == self.bad else 1)

    def measure(self, may_stop):
        may_stop()
        return {"weight": float(self.learnt[1].weight.double().sum())}

    def export(self, folder: Path):
        write_file(folder / "export", b"done")


@pytest.fixture(autouse=True)
def quick_plots(monkeypatch) -> None:
    """A plot takes a second, and is tested with the curves."""
    monkeypatch.setattr(loop, "plot_bytes", lambda runs: repr(runs).encode())


def made(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Dropout(0.5), nn.Linear(3, 1))


def plan(folder: Path, every: int = 4) -> Plan:
    return Plan(folder, Recipe(10, 2, 1e-2, 0.1), 0, every, torch.device("cpu"))


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_first_and_the_last_state_are_measured_and_all_between(tmp_path):
    done = []
    rows = train(Line(), plan(tmp_path), done.append)
    assert [row["step"] for row in rows] == [0, 4, 8, 10]
    assert LOSS not in rows[0]
    assert sum(done) == 10
    assert {*content(tmp_path)} == {checkpoint.FILE, "curves.csv", "curves.png", "export"}


class KilledError(Exception):
    pass


@pytest.mark.parametrize("at", [1, 4, 6, 9])
def test_a_training_that_died_goes_on_to_the_same_bits(tmp_path, at):
    train(Line(), plan(tmp_path / "run"))

    def die(step):
        if step == at:
            raise KilledError

    undisturbed = content(tmp_path / "run")
    (tmp_path / "run").rename(tmp_path / "undisturbed")
    with pytest.raises(KilledError):
        train(Line(after=die), plan(tmp_path / "run"))
    train(Line(learnt=made(1)), plan(tmp_path / "run"))
    assert content(tmp_path / "run") == undisturbed


def test_sigterm_writes_a_checkpoint_of_that_very_step(tmp_path):
    train(Line(), plan(tmp_path / "run"))
    undisturbed = content(tmp_path / "run")
    (tmp_path / "run").rename(tmp_path / "undisturbed")

    def terminate(*_):
        raise KilledError

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        with pytest.raises(KilledError):
            train(Line(after=lambda s: s == 6 and signal.raise_signal(15)), plan(tmp_path / "run"))
    finally:
        signal.signal(signal.SIGTERM, before)
    steps = []
    assert "export" not in content(tmp_path / "run")
    train(Line(learnt=made(1), after=steps.append), plan(tmp_path / "run"))
    assert steps == [7, 8, 9]
    assert content(tmp_path / "run") == undisturbed


def test_a_finished_training_takes_no_step(tmp_path):
    rows = train(Line(), plan(tmp_path))
    steps = []
    assert train(Line(after=steps.append), plan(tmp_path)) == rows
    assert steps == []


def test_a_loss_that_is_not_finite_keeps_the_last_checkpoint(tmp_path):
    with pytest.raises(A2pipeError, match="loss of step 6 is not finite"):
        train(Line(bad=6), plan(tmp_path))
    steps = []
    train(Line(after=steps.append), plan(tmp_path))
    assert steps[0] == 4


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    def fail(*_):
        raise A2pipeError("No space is left.")

    def fill(step):
        if step == 6:
            monkeypatch.setattr(checkpoint, "write_file", fail)

    with pytest.raises(A2pipeError, match="No space"):
        train(Line(after=fill), plan(tmp_path))
    monkeypatch.setattr(checkpoint, "write_file", write_file)
    steps = []
    train(Line(after=steps.append), plan(tmp_path))
    assert steps[0] == 4


def test_on_a_cpu_nothing_is_set_to_repeat_bits():
    with loop.repeatable(torch.device("cpu")):
        assert not torch.are_deterministic_algorithms_enabled()
