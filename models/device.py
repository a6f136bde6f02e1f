"""Choose the device that models run on, without importing any of them."""

import torch

from ..errors import A2pipeError, UsageError


def choose_device(device: str = "auto") -> torch.device:
    """Return the device to run on; "auto" takes CUDA if there is any, else MPS, else the CPU.

    Raises UsageError for a name that is no device, and A2pipeError for one that this machine lacks.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if _has_mps() else "cpu"
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise UsageError(f"There is no device {device!r}; use auto, cpu, cuda or mps.") from error
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": _has_mps()}
    if chosen.type not in present:
        raise UsageError(f"There is no device {device!r}; use auto, cpu, cuda or mps.")
    if not present[chosen.type]:
        raise A2pipeError(f"This machine has no {chosen.type} device; use `--device cpu`.")
    return chosen


def _has_mps() -> bool:
    return torch.backends.mps.is_available()
