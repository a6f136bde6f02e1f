"""The loop of every training: steps, measurements, checkpoints, and how it ends.

A training is a `Training`: something learnt, batches, a loss and what is measured of it. The loop
holds no generator: what a step draws is seeded by the training's seed and the step.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..errors import A2pipeError
from .checkpoint import State, fresh_losses, restore, write_checkpoint
from .curves import PLOT, Curves, Row, plot_bytes
from .draws import drawing
from .events import Events
from .optimisation import Recipe, make_optimizer, make_schedule
from .stopping import StoppedError, held_sigterm
from .writing import write_file

LOSS = "train_loss"
Advance = Callable[[int], None]


class Training(Protocol):
    """A training is what the loop trains."""

    @property
    def learnt(self) -> nn.Module:
        """Return all that is learnt, on the device that computes."""

    def batches(self, start: int, stop: int) -> Iterator[Any]:
        """Yield the batch of each step from `start` to before `stop`, which depends on it alone."""

    def loss(self, batch: Any) -> Tensor:
        """Return the loss of a batch, a scalar that carries a gradient."""

    def measure(self, may_stop: Callable[[], None]) -> Mapping[str, float]:
        """Return numbers by name, always the same ones for a state.

        may_stop: to be called now and then; it raises if the training is to stop.
        """

    def export(self, folder: Path) -> None:
        """Write what others read of the trained state into a folder."""


@dataclass(frozen=True)
class Plan:
    """A Plan says how a training runs.

    folder: where its files lie. recipe: steps and rates. seed: of every draw. every: steps between
    two measurements, each of which ends in a checkpoint. device: that computes. settings: all that
    decides the result, as JSON; a checkpoint of other settings is refused. events: whether event
    files are written.
    """

    folder: Path
    recipe: Recipe
    seed: int
    every: int
    device: torch.device
    settings: Mapping[str, Any] = field(default_factory=dict)
    events: bool = False


def train(training: Training, plan: Plan, advance: Advance = lambda _: None) -> list[Row]:
    """Train to the end from the last checkpoint, or from the start, and return all measurements.

    It ends to the same bits on one device and one number of threads, however often it was stopped.
    Measured are the first state, every `plan.every` steps, and the last state. On SIGTERM a
    checkpoint is written, and the signal takes its way afterwards.

    advance: is told how many more steps are done.

    Raises A2pipeError if the loss is not finite or a file cannot be written, with the last
    checkpoint kept; UsageError for a checkpoint of other settings.
    """
    optimizer = make_optimizer(training.learnt, plan.recipe)
    state = State(training.learnt, optimizer, 0, fresh_losses())
    found, curves = restore(plan.folder, state, plan.settings), Curves(plan.folder)
    curves.rewind(state.step if found else -1)
    advance(state.step)
    events = Events(plan.folder, state.step, plan.events)
    with held_sigterm() as stopping, repeatable(plan.device):
        try:
            _steps(training, plan, state, _Record(curves, events), stopping, advance)
        except StoppedError:
            write_checkpoint(plan.folder, state, plan.settings)
        finally:
            events.close()
    training.export(plan.folder)
    write_file(plan.folder / PLOT, plot_bytes({plan.folder.name: curves.rows}))
    return curves.rows


@dataclass(frozen=True)
class _Record:
    """A _Record is where measurements are written to."""

    curves: Curves
    events: Events


def _steps(
    training: Training,
    plan: Plan,
    state: State,
    record: _Record,
    stopping: Callable[[], bool],
    advance: Advance,
) -> None:
    """Run the steps that are missing; raise StoppedError between two of them if asked to stop."""

    def may_stop() -> None:
        if stopping():
            raise StoppedError

    schedule, last = make_schedule(state.optimizer, plan.recipe), plan.recipe.steps
    batches = training.batches(state.step, last)
    while True:
        may_stop()
        if (state.step % plan.every == 0 or state.step == last) and not record.curves.has(
            state.step
        ):
            _measure(training, plan, state, record, may_stop)
        if state.step == last:
            return
        _step(training, plan, state, schedule, next(batches))
        advance(1)


def _measure(
    training: Training, plan: Plan, state: State, record: _Record, may_stop: Callable[[], None]
) -> None:
    total, count = state.losses.tolist()
    state.network.eval()
    with torch.no_grad():
        values = dict(training.measure(may_stop))
    if count:
        # Last, as the first row has none: the columns of a file that is read come in this order.
        values[LOSS] = total / count
    record.events.add(state.step, record.curves.add(state.step, values))
    # The row comes first: what a checkpoint has behind it is never measured again.
    state.losses = fresh_losses()
    write_checkpoint(plan.folder, state, plan.settings)


def _step(training: Training, plan: Plan, state: State, schedule: Any, batch: Any) -> None:
    state.network.train()
    schedule.step_update(state.step)
    with drawing("step", plan.seed, state.step, device=plan.device):
        loss = training.loss(batch)
    value = loss.detach().double().item()
    if not math.isfinite(value):
        raise A2pipeError(
            f"The loss of step {state.step} is not finite: lower training.rate; the last "
            f"checkpoint in {plan.folder} is kept."
        )
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    state.optimizer.step()
    state.step += 1
    state.losses += torch.tensor([value, 1.0], dtype=torch.float64)


@contextmanager
def repeatable(device: torch.device) -> Iterator[None]:
    """Let a GPU choose only what gives the same bits again while the block runs."""
    if device.type != "cuda":
        yield
        return
    # cuBLAS reads it when it is first used, and repeats its sums with a workspace of this size.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
