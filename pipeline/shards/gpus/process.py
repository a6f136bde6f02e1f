"""A process of this machine computes a share of a task, and is told to and tells over two pipes.

It is started by `subprocess`, not by `multiprocessing`, which cannot be used in a daemon, and which
imports the caller's script once more. `child.py` is what it runs.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import Any

from ....workers import search_path
from ..request import Report, report_from
from ..stats import RunStats
from .devices import shown

START = "from a2pipe.pipeline.shards.gpus.child import main; main()"
Events = SimpleQueue[tuple["Process", Mapping[str, Any] | None]]
"""What processes tell as they work, each with who told it; None when the process has ended."""


@dataclass(frozen=True)
class Share:
    """A share is what one process computes of a task.

    name: of the process, for a person. device: as this process names it. shards: their numbers.
    """

    name: str
    device: str
    shards: tuple[int, ...]


class Process:
    """A process computes a share, from when it is made until it has reported.

    share: what it computes.
    """

    def __init__(self, share: Share, request: str, events: Events):
        """Start the process.

        request: what `opening.told` returns, as JSON. events: what the process tells is put there.
        """
        self.share = share
        self._report: Report | None = None
        device, environment = shown(share.device, os.environ)
        # The environment names the GPU before PyTorch is imported, as CUDA reads it only once.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**environment, "PYTHONPATH": search_path()},
            process_group=0,  # Ctrl-C on a terminal is for the parent, which ends its processes
        )
        self._listener = Thread(target=self._listen, args=(events,), daemon=True)
        self._listener.start()
        own = json.dumps({"device": device, "shards": list(share.shards)})
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # how it ended is told by `report`
            self._process.stdin.write(f"{request}\n{own}\n".encode())
            self._process.stdin.flush()

    def stop(self) -> None:
        """Let the process write the shards that are complete, and end."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()

    def wait(self) -> None:
        """Wait until the process has ended and all that it told has arrived."""
        self._listener.join()

    def kill(self) -> None:
        """End the process at once, if it has not ended yet."""
        self._process.kill()
        self._listener.join()

    @property
    def report(self) -> Report:
        """Return what came of the share, after the process has ended."""
        return self._report or Report(RunStats(), self.share.shards, "worker", self._ending)

    @property
    def _ending(self) -> str:
        code = self._process.returncode
        if code is not None and code < 0:
            return f"its process was ended by signal {-code}, {signal.Signals(-code).name}"
        return f"its process ended with exit code {code}"

    def _listen(self, events: Events) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with suppress(ValueError):  # of a process that was killed as it wrote
                event = json.loads(line)
                if "report" in event:
                    self._report = report_from(event["report"])
                else:
                    events.put((self, event))
        self._process.wait()
        events.put((self, None))


@contextmanager
def all_ended(processes: Sequence[Process]) -> Iterator[None]:
    """End the processes of a list when the block is left, those that the block has added too.

    Each may write the shards that are complete. A second interruption while they do kills them.
    """
    try:
        try:
            yield
        finally:
            for process in processes:
                process.stop()
            for process in processes:
                process.wait()
    finally:
        for process in processes:
            process.kill()
