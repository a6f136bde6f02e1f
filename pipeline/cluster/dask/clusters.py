"""Dask workers: those of a cluster that runs, or some that are started and stopped with a run."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ....errors import A2pipeError, UsageError, first_line
from ....machine import cores
from ...experiment.schema import RunSection
from ..description import Cluster
from .jobqueue import Jobs

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from distributed import Client

SECONDS_TO_ANSWER = 5.0
SECONDS_TO_CLOSE = 10.0
GUARD = "a2pipe.pipeline.cluster.dask.device"
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
CONFIG = {
    "distributed.scheduler.allowed-failures": 0,
    "distributed.nanny.pre-spawn-environ": {},
}
"""A task whose worker is lost fails at once, as tries are counted here; and memory that torch frees
is kept for its next batch: Dask's setting, to give it back at once, halves the rate on a CPU."""


@dataclass(frozen=True)
class Connection:
    """Workers that can be given tasks.

    words: what they are, for a person. decoders: decoding threads of each, if that is known here.
    mend: start again what was lost of them, where they are this run's own; returns what went wrong.
    """

    client: Client
    words: str
    decoders: int | None = None
    mend: Callable[[], str] = lambda: ""


class Workers(Protocol):
    """Where workers come from; what was started is stopped at the end, whatever happens."""

    def connect(self, run: RunSection, logs: Path) -> AbstractContextManager[Connection]:
        """Connect for a run; logs: the folder for what jobs have to say."""
        ...


@dataclass(frozen=True)
class RunningWorkers:
    """Those of a scheduler that runs already; it is left as it is."""

    address: str

    def checked(self) -> RunningWorkers:
        """These, or A2pipeError if no scheduler answers at their address within seconds."""
        try:
            asyncio.run(asyncio.wait_for(_identify(self.address), SECONDS_TO_ANSWER))
        except TimeoutError as error:
            raise self._unreachable("no answer in time") from error
        except Exception as error:  # whatever reading the words of another protocol gives
            raise self._unreachable(first_line(error)) from error
        return self

    @contextmanager
    def connect(self, run: RunSection, logs: Path) -> Iterator[Connection]:
        from distributed import Client

        del run, logs
        try:
            client = Client(self.address, timeout=SECONDS_TO_ANSWER)
        except (OSError, ValueError) as error:
            raise self._unreachable(first_line(error)) from error
        with closing(client):
            yield Connection(client, f"the scheduler at {self.address}")

    def _unreachable(self, reason: str) -> A2pipeError:
        return A2pipeError(
            f"No Dask scheduler answers at {self.address} ({reason}): start one with "
            "`dask scheduler`, or check the address."
        )


async def _identify(address: str) -> None:
    """Ask a scheduler who it is; a client would wait for ever for one that says nothing."""
    from distributed.core import rpc
    from distributed.security import Security

    async with rpc(address, connection_args=Security().get_connection_args("client")) as remote:
        await remote.identity(n_workers=0)


@dataclass(frozen=True)
class LocalWorkers:
    """Processes of this machine: one a GPU, or sharing its cores where there is none."""

    count: int

    @contextmanager
    def connect(self, run: RunSection, logs: Path) -> Iterator[Connection]:
        from distributed import LocalCluster

        del logs
        gpus, threads = _gpus(run.device), max(1, cores() // self.count)
        if gpus and self.count > gpus:
            raise UsageError(
                f"There are {gpus} GPUs for {self.count} local workers: ask for {gpus} or fewer, "
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
            **({"resources": {"GPU": 1}, "preload_nanny": [GUARD]} if gpus else {}),
        }
        with _own(lambda: LocalCluster(**settings)) as (client, cluster):
            cluster.scale(self.count)
            workers = f"{self.count} worker{'' if self.count == 1 else 's'}"
            yield Connection(client, f"{workers} on this machine", threads)


@dataclass(frozen=True)
class JobWorkers:
    """Jobs of a batch system, each with a worker a GPU, or with one worker."""

    cluster: Cluster

    @contextmanager
    def connect(self, run: RunSection, logs: Path) -> Iterator[Connection]:
        del run
        jobs = Jobs(self.cluster)
        with _own(lambda: jobs.start(GUARD, logs)) as (client, _):
            jobs.submit()
            yield Connection(client, jobs.words, jobs.threads, jobs.submit)


@contextmanager
def _own(start: Callable[[], Any]) -> Iterator[tuple[Client, Any]]:
    """A client and the cluster of this run's own that it is connected to, closed with the run."""
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
    """Threads that begin meanwhile, and the processes that these start, are not interrupted from
    the keyboard: this process is, and takes them down in order."""
    resource_tracker.ensure_running()  # which, started later, would undo the mask
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _gpus(device: str) -> int:
    """How many GPUs the local workers of a run may share out."""
    if device not in ("auto", "cuda"):
        if ":" in device:
            raise UsageError(
                f"Local workers share out all GPUs: write --device cuda, not {device}."
            )
        return 0
    import torch

    return torch.cuda.device_count()
