"""Commands of a2pipe as forks of this process, which imports everything once, and their faults.

Each leads a session of its own, so that what it starts can be found and told from the rest. Faults
at a chosen write are those of `tests/faults/worker.py`.
"""

from __future__ import annotations

import atexit
import mmap
import os
import runpy
import signal
import struct
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

for name in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{name}_NUM_THREADS"] = "1"  # before numpy: a fork is whole if its parent is alone

WORKER = Path(__file__).parents[1] / "tests" / "faults" / "worker.py"
PATIENCE = 300.0


@dataclass
class Command:
    """A command that runs, or ran. code: as a shell tells it, or minus the signal's number."""

    pid: int
    errors: Path
    counts: mmap.mmap
    started: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    code: int | None = None

    def ended(self) -> bool:
        """Whether it has ended; notes its exit code and how long it took."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
                self.seconds = time.monotonic() - self.started
        return self.code is not None

    def wait(self) -> int:
        """The exit code; TimeoutError if it hangs."""
        end = time.monotonic() + PATIENCE
        while not self.ended():
            if time.monotonic() > end:
                raise TimeoutError(f"the command hangs: {self.errors.read_text()}")
            time.sleep(0.01)
        assert self.code is not None
        return self.code

    def wait_until(self, seconds: float) -> bool:
        """Whether it still runs so many seconds after its start."""
        while not self.ended() and time.monotonic() - self.started < seconds:
            time.sleep(0.001)
        return self.code is None

    def forward_passes(self) -> int:
        """Images that it has sent through models, up to its last moment."""
        return int(struct.unpack("q", self.counts[:8])[0])

    def writes(self) -> int:
        """Steps of writing that it took, if it was given a fault and none struck."""
        return int(struct.unpack("q", self.counts[8:])[0])

    def processes(self) -> list[int]:
        """Those of its session that are alive, itself included."""
        known = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
        return [pid for pid in known if self._has(pid)]

    def fit_processes(self) -> list[int]:
        """Those of them that fit heads."""
        return [pid for pid in self.processes() if b"popen_loky" in _read(pid, "cmdline")]

    def _has(self, pid: int) -> bool:
        fields = _read(pid, "stat").rpartition(b")")[2].split()  # state, parent, group, session
        return bool(fields) and fields[0] != b"Z" and int(fields[3]) == self.pid


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def start(
    arguments: list[str], folder: Path, fault: dict[str, Any] | None = None, pool: bool = True
) -> Command:
    """Start `a2pipe ARGUMENTS`; folder: where its output, and its temporary files, go.

    fault: the arguments of `Fault` in `tests/faults/worker.py`. pool: heads are fitted in processes
    however little there is to fit.
    """
    folder.mkdir(parents=True, exist_ok=True)
    counts = mmap.mmap(-1, 16)
    pid = os.fork()
    if not pid:
        _be(arguments, folder, counts, fault, pool)
    return Command(pid, folder / "err", counts)


def _be(
    arguments: list[str], folder: Path, counts: mmap.mmap, fault: dict[str, Any] | None, pool: bool
) -> None:
    """Be the command, to its end."""
    code = 70
    try:
        os.setsid()
        os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
        for descriptor, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _count(counts)
        if pool:
            _fit_in_processes()
        faults = [runpy.run_path(str(WORKER), run_name="faults")["Fault"](**fault)] if fault else []
        for each in faults:
            each.install()
        code = _ended(_main, arguments)
        counts[8:] = struct.pack("q", sum(each.count for each in faults))
        threading._shutdown()  # type: ignore[attr-defined]  # what ends a process of its own
        atexit._run_exitfuncs()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _main(arguments: list[str]) -> None:
    from a2pipe.cli import main

    sys.argv = ["a2pipe", *arguments]
    main()


def _fit_in_processes() -> None:
    from a2pipe.pipeline.results import fits

    fits.WORTH_A_PROCESS = 0


def _ended(run: Callable[[list[str]], None], arguments: list[str]) -> int:
    try:
        run(arguments)
    except SystemExit as ended:
        return int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
        return 70
    return 0


def _count(counts: mmap.mmap) -> None:
    """Forward passes of every backbone go to shared memory, which survives a kill."""
    from a2pipe.models.backbone import Backbone

    def read(backbone: Any) -> int:
        return int(backbone.__dict__.get("_passes", 0))

    def write(backbone: Any, count: int) -> None:
        more = count - read(backbone)
        backbone.__dict__["_passes"] = count
        counts[:8] = struct.pack("q", struct.unpack("q", counts[:8])[0] + more)

    Backbone.forward_passes = property(read, write)  # type: ignore[assignment]
