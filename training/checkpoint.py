"""A checkpoint is one safetensors file with all that a training needs to go on to the same bits.

Its tensors are those of the network, the moments of the optimiser and the sums of the loss; the
step and the settings are JSON in its metadata. Nothing in it is pickled. As it is one file, which
takes its place by a rename, tensors and step cannot come from two moments.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..errors import A2pipeError, UsageError, first_line
from .writing import write_file

FILE = "checkpoint.safetensors"
_NETWORK, _OPTIMISER, _LOSSES, _FACTS = "network.", "optimiser.", "losses", "training"


@dataclass
class State:
    """A State is what changes while a training runs.

    step: how many steps are done. losses: float64 (2,), the sum of the losses since the last
    measurement, and their number.
    """

    network: nn.Module
    optimizer: Optimizer
    step: int
    losses: Tensor


def fresh_losses() -> Tensor:
    """Return the sums of no loss."""
    return torch.zeros(2, dtype=torch.float64)


def write_checkpoint(folder: Path, state: State, settings: Mapping[str, Any]) -> None:
    """Write the checkpoint of a folder in place of the last one, which is kept if this fails.

    Raises A2pipeError if it cannot be written.
    """
    from safetensors.torch import save

    tensors = {_NETWORK + name: value for name, value in state.network.state_dict().items()}
    tensors |= _moments(state.optimizer)
    tensors[_LOSSES] = state.losses
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    # One key alone: safetensors (0.8) writes several in an order that changes from time to time.
    facts = json.dumps({"step": state.step, "settings": settings}, sort_keys=True)
    write_file(folder / FILE, save(plain, {_FACTS: facts}))


def restore(folder: Path, state: State, settings: Mapping[str, Any]) -> bool:
    """Bring a state to the checkpoint of a folder; return whether there is one.

    Raises UsageError if it is of other settings, and A2pipeError if it cannot be read.
    """
    path = folder / FILE
    if not path.exists():
        return False
    tensors, facts = _read(path)
    _require_same(path, facts["settings"], settings)
    state.network.load_state_dict(_below(_NETWORK, tensors))
    _restore_moments(state.optimizer, _below(_OPTIMISER, tensors))
    state.step, state.losses = facts["step"], tensors[_LOSSES]
    return True


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return tensors, json.loads(file.metadata()[_FACTS])
    except (SafetensorError, OSError, LookupError, TypeError, ValueError) as error:
        raise A2pipeError(
            f"The checkpoint {path} cannot be read ({first_line(error)}): delete it to train anew."
        ) from error


def _require_same(path: Path, written: dict[str, Any], settings: Mapping[str, Any]) -> None:
    given = json.loads(json.dumps(settings))
    keys = {*written, *given}
    others = sorted(key for key in keys if written.get(key) != given.get(key))
    if others:
        raise UsageError(
            f"{path} is of a training with other settings ({', '.join(others)}): choose another "
            "--out, or delete it."
        )


def _moments(optimizer: Optimizer) -> dict[str, Tensor]:
    """Return the tensors of the optimiser's state, by number of the parameter and name."""
    state = optimizer.state_dict()["state"]
    return {
        f"{_OPTIMISER}{number}.{name}": value
        for number, moments in state.items()
        for name, value in moments.items()
    }


def _restore_moments(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
