"""Connect to the Dask workers of a scheduler that runs already, or start some on this machine."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from multiprocessing import current_process, resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ....errors import A2pipeError, UsageError, first_line
from ....machine import cores
from ...experiment.sections import RunSection

if TYPE_CHECKING:
    from distributed import Client

SECONDS_TO_ANSWER = 5.0
SECONDS_TO_CLOSE = 10.0
GPU_PRELOAD = "a2pipe.pipeline.cluster.dask.device"
"""A nanny loads this module to give its worker one GPU."""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
GUARD = (
    "In a Python script, calls that start workers have to stand under "
    '`if __name__ == "__main__":`, as each worker imports the script.'
)
CONFIG = {
    # A task whose worker is lost fails at once: tries are counted in run.py, for each shard.
    "distributed.scheduler.allowed-failures": 0,
    # Dask sets MALLOC_TRIM_THRESHOLD_, so that memory which torch frees goes back to the system at
    # once, only to be asked for again by the next batch: measured on a CPU, that halves the rate.
    "distributed.nanny.pre-spawn-environ": {},
}


@dataclass(frozen=True)
class Connection:
    """A connection leads to workers that can be given tasks.

    client: the connection to their scheduler. words: what they are, for a person. decoders: how
    many threads decode in each; None leaves that to the worker. mend: starts again what was lost of
    this run's own jobs, and returns why a job or a worker could not start, or an empty string.
    """

    client: Client
    words: str
    decoders: int | None = None
    mend: Callable[[], str] = lambda: ""


Connect = Callable[[RunSection, Path], AbstractContextManager[Connection]]
"""Such a function connects to workers for a run with these settings. The folder is for what jobs
print. Workers that were started for the run are stopped when the context is left, in any case."""


def check_scheduler(address: str) -> None:
    """Raise A2pipeError if no Dask scheduler answers at an address within seconds."""
    try:
        asyncio.run(asyncio.wait_for(_identify(address), SECONDS_TO_ANSWER))
    except Exception as error:  # of any kind, where something answers that is no scheduler
        late = isinstance(error, TimeoutError)
        raise A2pipeError(
            f"No Dask scheduler answers at {address} "
            f"({'no answer in time' if late else first_line(error)}): start one with "
            "`dask scheduler`, or check the address."
        ) from error


async def _identify(address: str) -> None:
    # A Client would wait for ever for something that accepts the connection and says nothing.
    from distributed.core import rpc
    from distributed.security import Security

    async with rpc(address, connection_args=Security().get_connection_args("client")) as remote:
        await remote.identity(n_workers=0)


@contextmanager
def running_workers(address: str, run: RunSection, logs: Path) -> Iterator[Connection]:
    """Connect to the workers of a scheduler that runs already; raises as `check_scheduler`."""
    from distributed import Client

    del run, logs
    check_scheduler(address)
    with closing(Client(address, timeout=SECONDS_TO_ANSWER)) as client:
        yield Connection(client, f"the scheduler at {address}")


@contextmanager
def local_workers(count: int, run: RunSection, logs: Path) -> Iterator[Connection]:
    """Start `count` processes of this machine: one a GPU, or sharing the cores if there is none.

    Raises UsageError if there are fewer GPUs than workers, the run names one GPU of several, or a
    script that a worker imports would start workers itself.
    """
    from distributed import LocalCluster

    del logs
    if getattr(current_process(), "_inheriting", False):
        # This is a worker that imports the script, and would start workers of its own, without end.
        raise UsageError(GUARD)
    gpus, threads = _gpus(run.device), max(1, cores() // count)
    if gpus and count > gpus:
        raise UsageError(
            f"There are {gpus} GPUs for {count} local workers: ask for {gpus} or fewer, "
            "or for --device cpu."
        )
    settings = {
        "n_workers": 0,
        "threads_per_worker": 1,
        "host": "127.0.0.1",
        "dashboard_address": "127.0.0.1:0",
        "memory_limit": 0,
        "silence_logs": logging.CRITICAL,
        "env": {name: os.environ.get(name, str(threads)) for name in THREADS},
        **({"resources": {"GPU": 1}, "preload_nanny": [GPU_PRELOAD]} if gpus else {}),
    }
    with own_cluster(lambda: LocalCluster(**settings)) as (client, cluster):
        cluster.scale(count)
        words = f"{count} worker{'' if count == 1 else 's'} on this machine"

        def failed() -> str:
            ended = any(nanny.status.name == "failed" for nanny in cluster.workers.values())
            return f"they end as they start. {GUARD}" if ended else ""

        yield Connection(client, words, threads, failed)


def _gpus(device: str) -> int:
    """Return how many GPUs the local workers of a run may share out."""
    if device not in ("auto", "cuda"):
        if ":" in device:
            raise UsageError(
                f"Local workers share out all GPUs: write --device cuda, not {device}."
            )
        return 0
    import torch

    return torch.cuda.device_count()


@contextmanager
def own_cluster(start: Callable[[], Any]) -> Iterator[tuple[Client, Any]]:
    """Start a cluster, connect a client to it, and close both when the context is left."""
    import dask
    from distributed import Client

    with dask.config.set(CONFIG):
        with _uninterrupted():
            cluster = start()
        try:
            with closing(Client(cluster, timeout=SECONDS_TO_ANSWER)) as client:
                yield client, cluster
        finally:
            cluster.close(timeout=SECONDS_TO_CLOSE)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Keep Ctrl-C from the threads that begin in the block, and from the processes they start.

    A terminal sends SIGINT to every process of the group. Only this one is to act on it, and takes
    the others down in order; a thread inherits the mask of the thread that starts it.
    """
    # Started by multiprocessing in the block, the tracker would set the mask back on its return.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
