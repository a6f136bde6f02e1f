"""The Dask executor: shards dealt to workers as these become free, each until it is done.

Only as many tasks are given away as there are workers, so that what takes a worker down is counted
against the shards that it was computing and no other.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ....errors import A2pipeError, first_line
from ...shards.progress import Advance, Progress
from ...shards.stats import RunStats
from ...shards.task import Task
from .clusters import Connection, Workers
from .worker import Report, Request, asked_for, compute_shards, make_request, report_from

if TYPE_CHECKING:
    from distributed import Client, Future

LOGS = "logs"
TRIES = 3
SHARDS_A_TASK = 4
SECONDS_BETWEEN_LOOKS = 2.0
SECONDS_TO_BE_SEEN = 90.0
FIRST_PATIENCE = 60.0


class ShardsFailedError(A2pipeError):
    """The run is complete except for these shards."""

    def __init__(self, failed: dict[int, str]):
        count = f"{len(failed)} shard{'s' if len(failed) > 1 else ''} failed {TRIES} times"
        listing = "".join(f"\n  shard {shard}: {error}" for shard, error in sorted(failed.items()))
        super().__init__(f"{count}; all others are done. Run again to try anew:{listing}")
        self.failed = failed


@dataclass(frozen=True)
class DaskExecutor:
    """Computes shards on Dask workers.

    Raises:
        ShardsFailedError: some shards failed three times; all others are done.
        A2pipeError: no worker can open the experiment, the disk is full, or the scheduler is gone.
    """

    workers: Workers

    def compute(self, task: Task, progress: Progress, stats: RunStats) -> None:
        """Compute the shards of a task; they are then seen from here too."""
        logs = task.cache.root / LOGS
        with self.workers.connect(task.plan.experiment.run, logs) as connection:
            progress.say(f"Dask: {connection.words}{_dashboard(connection.client)}")
            request = make_request(task, uuid.uuid4().hex, connection.decoders)
            with progress.bar("images", task.images(task.shards)) as advance:
                run = _Run(connection, request, task, stats, advance, progress)
                run.finish()
        _wait_until_seen(task, set(task.shards) - run.failed.keys())
        if run.failed:
            raise ShardsFailedError(run.failed)


@dataclass(frozen=True)
class _Piece:
    """Shards of one task; avoid: workers that have failed on them."""

    shards: tuple[int, ...]
    avoid: frozenset[str] = frozenset()


@dataclass
class _Run:
    """A run in progress. fresh: shards no one has tried; again: pieces to be tried once more."""

    connection: Connection
    request: Request
    task: Task
    stats: RunStats
    advance: Advance
    progress: Progress
    fresh: deque[int] = field(default_factory=deque)
    again: deque[_Piece] = field(default_factory=deque)
    running: dict[Future[Any], _Piece] = field(default_factory=dict)
    tries: Counter[int] = field(default_factory=Counter)
    failed: dict[int, str] = field(default_factory=dict)
    unfit: dict[str, str] = field(default_factory=dict)
    known: dict[str, int] = field(default_factory=dict)
    looked: float = float("-inf")
    alone_since: float = field(default_factory=time.monotonic)
    patience: float = field(default_factory=lambda: FIRST_PATIENCE)

    def finish(self) -> None:
        """Deal shards until each is done or has failed for good."""
        self.fresh.extend(self.task.shards)
        try:
            while self.fresh or self.again or self.running:
                self._look()
                while len(self.running) < len(self._fit()) and (piece := self._next()):
                    self._submit(piece)
                self._collect()
        except BaseException:
            self._cancel()
            raise

    def _look(self) -> None:
        """Which workers there are by now, each with the GPUs it says it has."""
        if time.monotonic() - self.looked < SECONDS_BETWEEN_LOOKS:
            return
        first, self.looked = self.looked < 0, time.monotonic()
        with self._connected():
            problem = self.connection.mend()
            workers = self.connection.client.scheduler_info(n_workers=-1).get("workers")
            if workers is None:
                raise ConnectionError("no scheduler")
        self.known = {
            address: int(worker["resources"].get("GPU", 0)) for address, worker in workers.items()
        }
        if problem and not self.known:
            raise A2pipeError(f"No worker of {self.connection.words} can be started: {problem}")
        if first and not self.known:
            self.progress.say("Waiting for the first worker.")
        self._say_if_none_comes()

    def _say_if_none_comes(self) -> None:
        """Jobs may wait in a queue for long, or end before their worker begins: after 1, 2, 4, ...
        minutes, say where that can be seen."""
        now = time.monotonic()
        if self.known:
            self.alone_since, self.patience = now, FIRST_PATIENCE
        elif now - self.alone_since > self.patience:
            self.progress.say(
                f"No worker for {now - self.alone_since:.0f} s; what jobs of this run said that "
                f"have ended is in {self.request['cache']}/{LOGS}."
            )
            self.patience *= 2

    def _fit(self) -> list[str]:
        """Workers that shards can be given to: where some say that they have a GPU, only those."""
        fit = [address for address in self.known if address not in self.unfit]
        return [address for address in fit if self.known[address]] or fit

    def _next(self) -> _Piece | None:
        """What to give away next; several shards at once while there are many for each worker."""
        if not self.fresh:
            return self.again.popleft() if self.again else None
        share = len(self.fresh) // (2 * max(1, len(self.known)))
        count = min(len(self.fresh), SHARDS_A_TASK, max(1, share))
        return _Piece(tuple(self.fresh.popleft() for _ in range(count)))

    def _submit(self, piece: _Piece) -> None:
        fit = self._fit()
        others = [address for address in fit if address not in piece.avoid]
        limits = {"workers": others, "allow_other_workers": True} if others != [*self.known] else {}
        resources = {"GPU": 1} if any(self.known[address] for address in fit) else None
        with self._connected():
            future = self.connection.client.submit(
                compute_shards,
                self.request,
                piece.shards,
                pure=False,
                retries=0,
                resources=resources,
                **(limits if others else {}),
            )
        self.running[future] = piece

    def _collect(self) -> None:
        """Wait a moment, or until a task is over, and take what is over into account."""
        from distributed import wait

        if not self.running:
            time.sleep(SECONDS_BETWEEN_LOOKS / 4)
            return
        client = self.connection.client
        with self._connected(), suppress(TimeoutError), client.as_current():
            wait(list(self.running), SECONDS_BETWEEN_LOOKS, "FIRST_COMPLETED")
        for future in [each for each in self.running if each.status != "pending"]:
            piece = self.running.pop(future)
            self._settle(piece, self._report(future, piece))

    def _report(self, future: Future[Any], piece: _Piece) -> Report:
        from distributed import KilledWorker

        with self._connected():
            if future.status != "error":
                return report_from(future.result())
            error = future.exception()
        if isinstance(error, KilledWorker):
            address = error.last_worker.address
            words = f"its worker at {address} was lost"
            return Report(RunStats(), piece.shards, "shard", words, worker=address)
        assert error is not None
        raise A2pipeError(
            f"{self.connection.words} could not run a task ({type(error).__name__}: "
            f"{first_line(error)}): give scheduler and workers the a2pipe, Python and packages of "
            "this machine."
        ) from error

    def _settle(self, piece: _Piece, report: Report) -> None:
        """Count what is done, and put back or give up what is not."""
        self.stats.add(report.stats)
        if done := set(piece.shards) - set(report.undone):
            self.advance(self.task.images(done))
        if report.cause == "disk":
            raise A2pipeError(f"On {report.host}: {report.error}")
        if report.cause == "worker":
            self._leave_out(report)
            self.again.append(piece)
            return
        for shard in report.undone:
            self.tries[shard] += 1
            if self.tries[shard] < TRIES:
                self.again.append(_Piece((shard,), piece.avoid | {report.worker}))
            else:
                self._give_up(shard, report)

    def _leave_out(self, report: Report) -> None:
        """Give no more shards to a worker that cannot open the experiment."""
        self.unfit[report.worker] = report.error
        if not self._fit():
            raise A2pipeError(
                f"No worker can open the experiment. On {report.host}: {report.error}"
            )
        self.progress.say(f"Left out the worker at {report.worker}: {report.error}")

    def _give_up(self, shard: int, report: Report) -> None:
        self.failed[shard] = f"{report.error} (on {report.host})" if report.host else report.error
        self.progress.say(f"Shard {shard} failed {TRIES} times: {self.failed[shard]}")
        self.advance(self.task.images([shard]))

    def _cancel(self) -> None:
        """Take back what no worker has begun; what one has, it finishes, or it ends with it."""
        with suppress(Exception):
            self.connection.client.cancel(list(self.running), asynchronous=False)

    @contextmanager
    def _connected(self) -> Iterator[None]:
        """One sentence for a scheduler that is gone."""
        from distributed import CancelledError
        from distributed.comm.core import CommClosedError

        try:
            yield
        except (OSError, CommClosedError, CancelledError) as error:
            raise A2pipeError(
                f"The connection to {self.connection.words} was lost; what was committed is kept. "
                "Run again to go on."
            ) from error


def _dashboard(client: Client) -> str:
    """Where the cluster can be watched, as far as it says."""
    try:
        return f", dashboard at {client.dashboard_link}"
    except KeyError:
        return ""


def _wait_until_seen(task: Task, shards: Iterable[int]) -> None:
    """Wait for the markers of these shards: a network's file system may show them late."""
    end = time.monotonic() + SECONDS_TO_BE_SEEN
    for spec in asked_for(task.artifacts):
        for shard in shards:
            while not task.artifacts[spec].has(shard) and time.monotonic() < end:
                time.sleep(0.5)
