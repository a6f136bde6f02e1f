"""The optimiser is timm's AdamW, and the rate rises linearly and falls along a cosine."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any

from torch import nn
from torch.optim import Optimizer

BETAS = (0.9, 0.95)
FIRST, LAST = 0.1, 0.001
"""The rate starts at this share of its peak, and ends at that one."""


@dataclass(frozen=True)
class Recipe:
    """A Recipe says how a training runs.

    steps: how many. warmup: how many of them the rate rises. rate: its peak. decay: weight decay of
    all parameters. betas: of AdamW.

    The released recipe of LaSt-ViT has a peak of 1e-3 for 4,096 images a step, a decay of 0.3, and
    1 % of the steps as warm-up.
    """

    steps: int
    warmup: int
    rate: float
    decay: float
    betas: tuple[float, float] = BETAS


def default_rate(batch: int) -> float:
    """Return the peak of the rate for so many images a step: 1e-3 sqrt(batch / 4096), >= 2e-4."""
    return max(1e-3 * sqrt(batch / 4096), 2e-4)


def make_optimizer(module: nn.Module, recipe: Recipe) -> Optimizer:
    """Return AdamW on all parameters of a module, as one group."""
    from timm.optim._optim_factory import create_optimizer_v2

    # timm leaves biases and norms out of the decay of a module; of a list it takes all.
    parameters = [each for each in module.parameters() if each.requires_grad]
    optimizer: Optimizer = create_optimizer_v2(
        parameters, "adamw", lr=recipe.rate, weight_decay=recipe.decay, betas=recipe.betas
    )
    return optimizer


def make_schedule(optimizer: Optimizer, recipe: Recipe) -> Any:
    """Return timm's schedule; `step_update(step)` sets the rate of a step, counted from 0.

    The rate of step `warmup` is the peak, and after the last step it would be a thousandth of it.
    """
    from timm.scheduler.cosine_lr import CosineLRScheduler

    return CosineLRScheduler(
        optimizer,
        t_initial=max(1, recipe.steps - recipe.warmup),
        lr_min=LAST * recipe.rate,
        warmup_t=recipe.warmup,
        warmup_lr_init=FIRST * recipe.rate,
        warmup_prefix=True,
        t_in_epochs=False,
    )
