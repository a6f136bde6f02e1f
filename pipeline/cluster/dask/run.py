"""The Dask executor deals shards to workers as these become free, until each shard is done."""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ....errors import A2pipeError, first_line
from ...shards.progress import Advance, Progress
from ...shards.request import Report, Request, report_from
from ...shards.stats import RunStats
from ...shards.task import Task
from .clusters import Connect, Connection
from .worker import compute_shards, make_request

if TYPE_CHECKING:
    from distributed import Future

LOGS = "logs"
TRIES = 3
SHARDS_A_TASK = 4
SECONDS_BETWEEN_LOOKS = 2.0
SECONDS_TO_BE_SEEN = 90.0
FIRST_PATIENCE = 60.0


class ShardsFailedError(A2pipeError):
    """Some shards failed as often as they are tried, and all others are done.

    failed: the last error of each, by the number of the shard.
    """

    def __init__(self, failed: dict[int, str]):
        count = f"{len(failed)} shard{'s' if len(failed) > 1 else ''} failed {TRIES} times"
        listing = "".join(f"\n  shard {shard}: {error}" for shard, error in sorted(failed.items()))
        super().__init__(f"{count}; all others are done. Run again to try anew:{listing}")
        self.failed = failed


@dataclass(frozen=True)
class DaskExecutor:
    """Compute tasks on Dask workers.

    connect: what connects to them; it is called for each task anew.
    """

    connect: Connect

    def compute(self, task: Task, progress: Progress, stats: RunStats) -> None:
        """Compute and commit every shard of a task; see `Executor`.

        Raises:
            ShardsFailedError: some shards failed three times; all others are done.
            A2pipeError: no worker can open the experiment, the disk is full, or the connection to
                the scheduler was lost.
        """
        with self.connect(task.plan.experiment.run, task.cache.root / LOGS) as connection:
            words = f"Dask: {connection.words}"
            with suppress(KeyError):  # the cluster has no dashboard
                words += f", dashboard at {connection.client.dashboard_link}"
            progress.say(words)
            request = make_request(task, uuid.uuid4().hex, connection.decoders)
            with progress.bar("images", task.images(task.shards)) as advance:
                run = _Run(connection, request, task, stats, advance, progress, deque(task.shards))
                run.finish()
        _wait_until_seen(task, set(task.shards) - run.failed.keys())
        if run.failed:
            raise ShardsFailedError(run.failed)


def is_lost_connection(error: BaseException) -> bool:
    """Tell whether an error is how distributed tells of a scheduler that is gone."""
    from distributed import CancelledError

    if isinstance(error, OSError):
        # Errors of distributed's own have no number; a broken pipe is that of the output.
        lost = error.errno is None or isinstance(error, ConnectionError)
        return lost and not isinstance(error, BrokenPipeError)
    return isinstance(error, CancelledError)


@dataclass
class _Run:
    """Deal the shards of one task, and hold the state of that.

    connection: to the workers. request: what each is sent besides numbers of shards. task, stats,
    progress: as in `Executor.compute`. advance: called with the number of images that are done.
    waiting: shards to be dealt. running: the shards of each task that was given away. tried: by
    shard, the workers on which it failed. failed: shards that are given up, and why. unfit: workers
    that cannot open the experiment. known: the GPUs of each worker. looked: when that was asked.
    alone_since, say_at: since when there is no worker, and when to say so next.
    """

    connection: Connection
    request: Request
    task: Task
    stats: RunStats
    advance: Advance
    progress: Progress
    waiting: deque[int]
    running: dict[Future[Any], list[int]] = field(default_factory=dict)
    tried: dict[int, list[str]] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)
    unfit: set[str] = field(default_factory=set)
    known: dict[str, int] = field(default_factory=dict)
    looked: float = float("-inf")
    alone_since: float = 0.0
    say_at: float = 0.0

    def finish(self) -> None:
        """Deal shards until each is done or given up."""
        try:
            while self.waiting or self.running:
                self._look()
                # No more tasks than workers: a shard that waits at a worker would be blamed for
                # the loss of it, though another was being computed.
                while self.waiting and len(self.running) < len(self._fit()):
                    self._submit(self._next())
                self._collect()
        except BaseException as error:
            # Take back what no worker has begun. What one has, it finishes or drops as it ends.
            with suppress(Exception):
                self.connection.client.cancel(list(self.running), asynchronous=False)
            if is_lost_connection(error):
                raise A2pipeError(
                    f"The connection to {self.connection.words} was lost; what was committed is "
                    "kept. Run again to go on."
                ) from error
            raise

    def _look(self) -> None:
        """Ask from time to time which workers there are, and say if there is none for long."""
        now, first = time.monotonic(), self.looked < 0
        if now - self.looked < SECONDS_BETWEEN_LOOKS:
            return
        self.looked = now
        refusal = self.connection.mend()
        workers = self.connection.client.scheduler_info(n_workers=-1).get("workers")
        if workers is None:
            raise ConnectionError("no scheduler")
        self.known = {each: int(w["resources"].get("GPU", 0)) for each, w in workers.items()}
        if refusal and not self.known:
            raise A2pipeError(f"No worker of {self.connection.words} can be started: {refusal}")
        if first and not self.known:
            self.progress.say("Waiting for the first worker.")
        if first or self.known:
            self.alone_since, self.say_at = now, now + FIRST_PATIENCE
        elif now > self.say_at:
            # Jobs may wait in a queue for long, or end before their worker begins.
            self.progress.say(
                f"No worker for {now - self.alone_since:.0f} s; what jobs of this run said that "
                f"have ended is in {self.request['cache']}/{LOGS}."
            )
            self.say_at = now + (now - self.alone_since)  # after 1, 2, 4, ... minutes

    def _fit(self) -> list[str]:
        """Return the workers that may compute: where some say that they have a GPU, only those."""
        fit = [address for address in self.known if address not in self.unfit]
        return [address for address in fit if self.known[address]] or fit

    def _next(self) -> list[int]:
        """Take the shards of the next task: several while many are waiting, a failed one alone."""
        share = len(self.waiting) // (2 * max(1, len(self.known)))
        shards = [self.waiting.popleft()]
        while len(shards) < min(share, SHARDS_A_TASK) and not (
            self.tried.keys() & {shards[0], self.waiting[0]}
        ):
            shards.append(self.waiting.popleft())
        return shards

    def _submit(self, shards: list[int]) -> None:
        """Give shards to a worker on which they have not failed, if there is one."""
        fit = self._fit()
        others = [address for address in fit if address not in self.tried.get(shards[0], ())]
        limits = {"workers": others, "allow_other_workers": True}
        future = self.connection.client.submit(
            compute_shards,
            self.request,
            shards,
            pure=False,
            retries=0,
            resources={"GPU": 1} if any(self.known[address] for address in fit) else None,
            **(limits if 0 < len(others) < len(self.known) else {}),
        )
        self.running[future] = shards

    def _collect(self) -> None:
        """Wait a moment, or until a task is over, and count what is over."""
        from distributed import wait

        if not self.running:
            time.sleep(SECONDS_BETWEEN_LOOKS / 4)
            return
        with suppress(TimeoutError), self.connection.client.as_current():
            wait(list(self.running), SECONDS_BETWEEN_LOOKS, "FIRST_COMPLETED")
        for future in [each for each in self.running if each.status != "pending"]:
            shards = self.running.pop(future)
            self._settle(shards, self._report(future, shards))

    def _report(self, future: Future[Any], shards: list[int]) -> Report:
        """Return what a worker reported, or report the loss of the worker."""
        from distributed import KilledWorker

        if future.status != "error":
            return report_from(future.result())
        error = future.exception()
        if isinstance(error, KilledWorker):
            address = error.last_worker.address
            words = f"its worker at {address} was lost"
            return Report(RunStats(), tuple(shards), "shard", words, worker=address)
        raise A2pipeError(
            f"{self.connection.words} could not run a task ({type(error).__name__}: "
            f"{first_line(error)}): give scheduler and workers the a2pipe, Python and packages of "
            "this machine."
        ) from error

    def _settle(self, shards: list[int], report: Report) -> None:
        """Count what is done, and put back or give up what is not."""
        self.stats.add(report.stats)
        if done := set(shards) - set(report.undone):
            self.advance(self.task.images(done))
        if report.cause == "disk":
            raise A2pipeError(f"On {report.host}: {report.error}")
        if report.cause == "worker":
            told = report.worker in self.unfit
            self.unfit.add(report.worker)
            self.waiting.extend(shards)
            if not self._fit():
                raise A2pipeError(
                    f"No worker can open the experiment. On {report.host}: {report.error}"
                )
            if not told:  # the scheduler may give two tasks to one worker
                self.progress.say(f"Left out the worker at {report.worker}: {report.error}")
            return
        for shard in report.undone:
            self._try_again(shard, report)

    def _try_again(self, shard: int, report: Report) -> None:
        """Put back a shard that failed, or give it up after the last of its tries."""
        self.tried.setdefault(shard, []).append(report.worker)
        if len(self.tried[shard]) < TRIES:
            self.waiting.append(shard)
            return
        where = f" (on {report.host})" if report.host else ""
        self.failed[shard] = report.error + where
        self.progress.say(f"Shard {shard} failed {TRIES} times: {self.failed[shard]}")
        self.advance(self.task.images([shard]))


def _wait_until_seen(task: Task, shards: Iterable[int]) -> None:
    """Wait for the markers of these shards: a network's file system may show them late."""
    end = time.monotonic() + SECONDS_TO_BE_SEEN
    for spec in task.asked_for:
        for shard in shards:
            while not task.artifacts[spec].has(shard) and time.monotonic() < end:
                time.sleep(0.5)
