"""A checkpoint brings back all of a state."""

import pytest
import torch
from torch import nn

from a2pipe.errors import A2pipeError, UsageError
from a2pipe.training.checkpoint import FILE, State, fresh_losses, restore, write_checkpoint
from a2pipe.training.optimisation import Recipe, make_optimizer

RECIPE = Recipe(10, 0, 1e-2, 0.1)
SETTINGS = {"pool": "cls", "window": (1, 2)}


def make_state(seed: int) -> State:
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2))
    return State(module, make_optimizer(module, RECIPE), 0, fresh_losses())


def step(state: State) -> None:
    state.optimizer.zero_grad()
    state.network(torch.ones(2, 3, 2, 2) * torch.arange(2).reshape(2, 1, 1, 1)).sum().backward()
    state.optimizer.step()


def test_a_restored_state_goes_on_to_the_same_bits(tmp_path):
    state, other = make_state(0), make_state(1)
    step(state)
    state.step, state.losses = 1, torch.tensor([0.1, 1.0], dtype=torch.float64)
    write_checkpoint(tmp_path, state, SETTINGS)
    assert restore(tmp_path, other, SETTINGS)
    assert other.step == 1
    assert torch.equal(other.losses, state.losses)
    step(state), step(other)
    one, two = state.network.state_dict(), other.network.state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_folder_without_a_checkpoint_changes_nothing(tmp_path):
    assert not restore(tmp_path, make_state(0), SETTINGS)


def test_a_checkpoint_of_other_settings_is_refused(tmp_path):
    write_checkpoint(tmp_path, make_state(0), SETTINGS)
    with pytest.raises(UsageError, match=r"other settings \(pool\)"):
        restore(tmp_path, make_state(0), {**SETTINGS, "pool": "mean"})


def test_a_damaged_checkpoint_is_told(tmp_path):
    (tmp_path / FILE).write_bytes(b"torn")
    with pytest.raises(A2pipeError, match="cannot be read"):
        restore(tmp_path, make_state(0), SETTINGS)
