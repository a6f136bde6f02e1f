"""Windowed attention: patches see the patches of their own window alone."""

import torch
from torch import Tensor


def window_mask(grid: int, window: int) -> Tensor:
    """Return which token may attend to which, bool (T, T) with T = 1 + grid * grid.

    grid: patches along a side. window: side of a window in patches, a divisor of the grid.

    The first token is CLS and sees all tokens. A patch sees the patches of its window and not CLS,
    which would otherwise carry what it saw from one window to another.
    """
    places = torch.arange(grid) // window
    number = (places[:, None] * grid + places[None, :]).flatten()
    allowed = torch.zeros(1 + grid**2, 1 + grid**2, dtype=torch.bool)
    allowed[0] = True
    allowed[1:, 1:] = number[:, None] == number[None, :]
    return allowed
