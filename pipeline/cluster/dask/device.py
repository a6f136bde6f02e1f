"""The nanny that starts a Dask worker loads this module, and shows the worker one GPU by it."""

import os
from typing import Any


def dask_setup(nanny: Any) -> None:
    """Show the worker that this nanny is about to start one GPU, that of the worker's number."""
    # CUDA reads the variable once, when it starts, so it has to be there before the worker is.
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    nanny.env["CUDA_VISIBLE_DEVICES"] = device_of(str(nanny.name), visible)


def device_of(name: str, visible: str) -> str:
    """Return the device for a worker.

    name: of the worker. Its end is the worker's number: workers of this machine are named 0, 1, ...
    and those of a job JOB-0, JOB-1, ..., while the only worker of a job has no number. visible: the
    devices to choose from, separated by commas, as a batch system names those that it gives to a
    job; all, if empty.
    """
    last = name.rpartition("-")[2]
    number = int(last) if last.isdigit() else 0
    devices = [device for device in visible.split(",") if device]
    return devices[number % len(devices)] if devices else str(number)
