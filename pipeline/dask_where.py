"""Dask workers: those of a cluster that runs, or some that are started and stopped with a run."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from ..errors import A2pipeError, UsageError, first_line
from .cluster_file import Cluster
from .dask_jobs import job_cluster, processes_of
from .experiment import RunSection

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from distributed import Client

SECONDS_TO_ANSWER = 5.0
SECONDS_TO_CLOSE = 10.0
GUARD = "a2pipe.pipeline.dask_device"
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True)
class Connection:
    """Workers that can be given tasks.

    words: what they are, for a person. decoders: decoding threads of each, if that is known here.
    mend: start again what was lost of them, where they are this run's own.
    """

    client: Client
    words: str
    decoders: int | None = None
    mend: Callable[[], object] = lambda: None


class Workers(Protocol):
    """Where workers come from; what was started is stopped at the end, whatever happens."""

    def connect(self, run: RunSection) -> AbstractContextManager[Connection]: ...


@dataclass(frozen=True)
class RunningWorkers:
    """Those of a scheduler that runs already; it is left as it is."""

    address: str

    def checked(self) -> RunningWorkers:
        """These, or A2pipeError if nothing listens at their address."""
        try:
            parts = urlsplit(self.address if "://" in self.address else f"//{self.address}")
            where = (parts.hostname or "", parts.port or 8786)
        except ValueError as error:
            raise UsageError(f"{self.address} is no address, such as tcp://HOST:8786.") from error
        try:
            socket.create_connection(where, timeout=SECONDS_TO_ANSWER).close()
        except OSError as error:
            raise self._unreachable(error) from error
        return self

    @contextmanager
    def connect(self, run: RunSection) -> Iterator[Connection]:
        from distributed import Client

        del run
        try:
            client = Client(self.address, timeout=SECONDS_TO_ANSWER)
        except (OSError, ValueError) as error:
            raise self._unreachable(error) from error
        with closing(client):
            yield Connection(client, f"the scheduler at {self.address}")

    def _unreachable(self, error: Exception) -> A2pipeError:
        reason = getattr(error, "strerror", None) or first_line(error)
        return A2pipeError(
            f"No Dask scheduler answers at {self.address} ({reason}): start one with "
            "`dask scheduler`, or check the address."
        )


@dataclass(frozen=True)
class LocalWorkers:
    """Processes of this machine: one a GPU, or sharing its cores where there is none."""

    count: int

    @contextmanager
    def connect(self, run: RunSection) -> Iterator[Connection]:
        from distributed import LocalCluster

        gpus, cores = _gpus(run.device), max(1, (os.cpu_count() or 1) // self.count)
        if gpus and self.count > gpus:
            raise UsageError(
                f"There are {gpus} GPUs for {self.count} local workers: ask for {gpus} or fewer, "
                "or for --device cpu."
            )
        cluster = LocalCluster(
            n_workers=self.count,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            memory_limit=0,
            env={name: os.environ.get(name, str(cores)) for name in THREADS},
            **({"resources": {"GPU": 1}, "preload_nanny": [GUARD]} if gpus else {}),
        )
        with _own(cluster) as client:
            yield Connection(client, f"{self.count} workers on this machine", cores)


@dataclass(frozen=True)
class JobWorkers:
    """Jobs of a batch system, each with a worker a GPU, or with one worker."""

    cluster: Cluster

    @contextmanager
    def connect(self, run: RunSection) -> Iterator[Connection]:
        del run
        jobs = self.cluster.at_once or self.cluster.tasks
        cluster = job_cluster(self.cluster, GUARD)
        with _own(cluster) as client:
            cluster.scale(jobs=jobs)
            yield Connection(
                client,
                f"{jobs} {self.cluster.system} jobs",
                max(1, self.cluster.cores // processes_of(self.cluster)),
                lambda: cluster.scale(jobs=jobs),
            )


@contextmanager
def _own(cluster: Any) -> Iterator[Client]:
    """A client of a cluster that is this run's own, and is closed with it."""
    from distributed import Client

    try:
        with closing(Client(cluster, timeout=SECONDS_TO_ANSWER)) as client:
            yield client
    finally:
        cluster.close(timeout=SECONDS_TO_CLOSE)


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
