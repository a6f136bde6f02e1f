"""Draw random weights for a control that never saw an image, with the same bits everywhere."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

SPREAD = 0.02
STEPS = 1 << 16


def random_tensors(outlined: nn.Module, seed: int = 0) -> dict[str, Tensor]:
    """Return float32 tensors by name for a network on the meta device, as timm initialises a ViT.

    Norms are the identity and other biases 0. The patch projection is uniform in +-1/sqrt(fan in),
    the CLS token normal with deviation 1e-6, and all else normal with deviation 0.02. Equal seeds
    give equal bits on every machine, and no global generator is touched.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    fan_in = float(np.prod(outlined.get_parameter("patch_embed.proj.weight").shape[1:]))
    shapes = {name: tuple(tensor.shape) for name, tensor in outlined.state_dict().items()}
    # Sorted, so that the numbers do not depend on the order in which timm registers its modules.
    return {name: _draw(generator, name, shapes[name], fan_in) for name in sorted(shapes)}


def _draw(
    generator: np.random.Generator, name: str, shape: tuple[int, ...], fan_in: float
) -> Tensor:
    """Draw the tensor of one name as `random_tensors` says."""
    if name.startswith("patch_embed.proj."):
        return _tensor((2 * _uniform(generator, shape) - 1) / np.sqrt(fan_in))
    if name.endswith(".bias"):
        return torch.zeros(shape)
    if ".norm" in f".{name}":
        return torch.ones(shape)
    # A normal number is the sum of twelve uniform ones less 6, which has deviation 1. Multiples of
    # 2^-16 add up exactly in doubles, where a library's normal numbers round by processor.
    spread = 1e-6 if name == "cls_token" else SPREAD
    return _tensor(spread * (_uniform(generator, (12, *shape)).sum(axis=0) - 6))


def _uniform(generator: np.random.Generator, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Draw multiples of 2^-16, uniform in [0, 1)."""
    return generator.integers(0, STEPS, size=shape, dtype=np.int64) / STEPS


def _tensor(values: npt.NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
