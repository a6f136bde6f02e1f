"""The released recipe's optimiser and rates."""

import math

import pytest
from torch import nn

from a2pipe.training.optimisation import Recipe, default_rate, make_optimizer, make_schedule

RECIPE = Recipe(steps=100, warmup=10, rate=1e-3, decay=0.3)


def test_all_parameters_decay():
    module = nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2))
    (group,) = make_optimizer(module, RECIPE).param_groups
    assert len(group["params"]) == 4
    assert (group["weight_decay"], group["betas"], group["lr"]) == (0.3, (0.9, 0.95), 1e-3)


@pytest.mark.parametrize("step", [0, 1, 5, 9, 10, 11, 55, 99, 100])
def test_the_rate_rises_linearly_and_falls_along_a_cosine(step):
    optimizer = make_optimizer(nn.Linear(2, 2), RECIPE)
    make_schedule(optimizer, RECIPE).step_update(step)
    if step < 10:
        expected = 1e-4 + 9e-4 * step / 10
    else:
        expected = 1e-6 + (1e-3 - 1e-6) * (1 + math.cos(math.pi * (step - 10) / 90)) / 2
    assert optimizer.param_groups[0]["lr"] == pytest.approx(expected, rel=1e-12)


def test_without_warm_up_the_first_rate_is_the_peak():
    recipe = Recipe(1, 0, 1e-3, 0.3)
    optimizer = make_optimizer(nn.Linear(2, 2), recipe)
    make_schedule(optimizer, recipe).step_update(0)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(1e-3)


@pytest.mark.parametrize(("batch", "rate"), [(4096, 1e-3), (1024, 5e-4), (64, 2e-4)])
def test_the_default_rate_follows_the_batch(batch, rate):
    assert default_rate(batch) == pytest.approx(rate)
