"""What the guard of a Dask worker loads before it: the worker of a number sees the GPU of it."""

from __future__ import annotations

import os
from typing import Any


def dask_setup(nanny: Any) -> None:
    """Let the worker that this nanny is about to start see one GPU, the one of its number.

    Workers are numbered by the end of their name: 0, 1, ... on one machine, JOB-0, JOB-1, ... in
    one job. A batch system that gives a job some GPUs names them in CUDA_VISIBLE_DEVICES.
    """
    nanny.env["CUDA_VISIBLE_DEVICES"] = device_of(
        str(nanny.name), os.environ.get("CUDA_VISIBLE_DEVICES", "")
    )


def device_of(name: str, visible: str) -> str:
    """The device for a worker by its name, of those that are visible (all, if none is named)."""
    last = name.rpartition("-")[2]
    number = int(last) if last.isdigit() else 0
    devices = [device for device in visible.split(",") if device]
    return devices[number % len(devices)] if devices else str(number)
