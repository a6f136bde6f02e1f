"""The GPU executor computes in one process a GPU of this machine."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from queue import SimpleQueue

from ....errors import A2pipeError
from ....machine import cores
from ..progress import Progress
from ..stats import RunStats
from ..task import Task
from .devices import choose_gpus, label
from .opening import told
from .process import Events, Process, Share, all_ended


@dataclass(frozen=True)
class GpuExecutor:
    """Compute tasks in processes of this machine, each with a device and a share of its own.

    devices: such as ("cuda:0", "cuda:2"), one for each process; if empty, the GPUs that the key
    `run.gpus` of the task's experiment names, and all if it names none.
    """

    devices: tuple[str, ...] = ()

    def compute(self, task: Task, progress: Progress, stats: RunStats) -> None:
        """Compute and commit every shard of a task; see `Executor`.

        If a process fails, the others compute their shares to the end. On an interruption
        (KeyboardInterrupt, SystemExit) each process writes the shards that are complete, and ends.

        Raises:
            UsageError: a GPU that is asked for is not there.
            A2pipeError: a process failed, and shards are missing; says which and why.
        """
        gpus = task.plan.experiment.run.gpus or "all"
        devices = self.devices or [f"cuda:{number}" for number in choose_gpus(gpus)]
        shares = _dealt(task.shards, devices)
        progress.say(f"One process each on {_listed(share.name for share in shares)}.")
        # As in one process, a core is left to the thread of the device.
        request = json.dumps(told(task, max(1, cores() // len(shares) - 1)))
        processes: list[Process] = []
        try:
            with progress.bar("images", task.images(task.shards)) as advance, all_ended(processes):
                events: Events = SimpleQueue()
                for share in shares:
                    processes.append(_start(share, request, events))
                running = len(processes)
                while running:
                    process, event = events.get()
                    if event is None:
                        running -= 1
                    elif "images" in event:
                        advance(event["images"])
                    else:
                        progress.say(f"{process.share.name}: {event['line']}")
        finally:
            stats.add(_merged(processes))
        _require_done(task, processes, progress)


def _dealt(shards: Sequence[int], devices: Sequence[str]) -> list[Share]:
    """Deal shards to devices; where there are fewer shards than devices, some have none.

    Where all shards are missing, the `g`th of G devices of rank r of W has those of rank r * G + g
    of W * G.
    """
    # By place and not by number: what a failed process has left is all of one number modulo G, and
    # would be dealt to one device alone.
    return [
        Share(label(device, place), device, part)
        for place, device in enumerate(devices)
        if (part := tuple(shards[place :: len(devices)]))
    ]


def _start(share: Share, request: str, events: Events) -> Process:
    try:
        return Process(share, request, events)
    except OSError as error:
        raise A2pipeError(f"No process can be started for {share.name}: {error}.") from error


def _merged(processes: Sequence[Process]) -> RunStats:
    """Return the statistics of all processes, with the devices as this process names them."""
    merged, devices = RunStats(), dict[str, None]()
    for process in processes:
        found = process.report.stats
        merged.add(found)
        if found.device:
            devices[process.share.device] = None
    return replace(merged, device=", ".join(devices))


def _require_done(task: Task, processes: Sequence[Process], progress: Progress) -> None:
    """Raise A2pipeError if shards of a process that failed are missing."""
    failed = {process.share: process.report.error for process in processes if process.report.error}
    if not failed:
        return
    missing = len(task.only([shard for share in failed for shard in share.shards]).shards)
    names: dict[str, list[str]] = {}
    for share, error in failed.items():
        names.setdefault(error.rstrip("."), []).append(share.name)
    what = "; ".join(f"{_listed(each)} failed ({error})" for error, each in names.items())
    if not missing:
        progress.say(f"{what}, after all of its shards were done.")
        return
    others = [process.share.device for process in processes if process.share not in failed]
    kept = "all others are done" if others else "what was committed is kept"
    raise A2pipeError(
        f"{what}: {missing} shard{'s are' if missing > 1 else ' is'} missing, {kept}. Run again to "
        f"compute what is missing{_without(others)}."
    )


def _without(others: Sequence[str]) -> str:
    """Return how the next run leaves out devices that failed, if there are others."""
    numbers = [device.partition(":")[2] for device in others]
    if not all(numbers) or not numbers:
        return ""
    flag = f"--gpus {','.join(numbers)}" if len(numbers) > 1 else f"--device {others[0]}"
    return f", on the others alone with {flag}"


def _listed(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
