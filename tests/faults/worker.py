"""One command of a2pipe, with a fault at a chosen write if one is asked for.

`conftest.py` runs this file in a process forked from one that has imported everything. It sets
`request`: argv; output (stdout and stderr go to this path with .out and .err); and optionally
- bound: modes of files hold even for root;
- temporary: the folder for temporary files;
- group: the process leads a group of its own, as a terminal starts a command;
- fits: heads are fitted in processes however small they are, and each takes that many seconds more;
- fault ("kill" or "full") and within (writes below this folder count) with either step (which write
  is hit, from 0) or met (a file: the first write that is not listed there is hit, and listed). A
  disk that is full stays full.
"""

import atexit
import ctypes
import errno
import os
import re
import signal
import sys
import tempfile
import threading
import zlib
from pathlib import Path
from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
STEPS = ("open", "flush", "os.rename")


class Fault:
    """Watches what changes files below a folder (create, flush, rename, new folders); hits one."""

    def __init__(self, within: str, fault: str, step: int = -1, met: str | None = None) -> None:
        self.within, self.fault, self.step = within, fault, step
        self.file = Path(met) if met else None
        self.met = set(self.file.read_text().splitlines()) if self.file else set()
        self.count, self.full = 0, False
        self.thread = threading.local()

    def install(self) -> None:
        flush = os.fsync

        def watched(descriptor: int) -> None:
            self.meet("flush", self.thread.path)
            flush(descriptor)

        os.fsync = watched
        sys.addaudithook(self.hook)

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in ("open", "os.mkdir", "os.rename"):
            return
        if not isinstance(arguments[0], str | os.PathLike):
            return
        path = self.thread.path = os.fspath(arguments[0])
        if event != "open" or arguments[2] & WRITING:
            self.meet(event, path)

    def meet(self, event: str, path: str) -> None:
        if not path.startswith(self.within):
            return
        if self.full or self.is_due(event, path):
            self.strike()
        self.count += 1

    def is_due(self, event: str, path: str) -> bool:
        if self.file is None:
            return self.count == self.step
        name = what(path)
        if name in self.met or (event in STEPS and event != STEPS[zlib.crc32(name.encode()) % 3]):
            return False
        self.met.add(name)
        self.file.write_text("\n".join(sorted(self.met)))
        return True

    def strike(self) -> None:
        if self.fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        self.full = True
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def what(path: str) -> str:
    """The path without what differs from run to run: temporary names and the time.

    What artifacts have alike, their folders, headers and metadata, is one whichever it belongs to.
    """
    path = re.sub(r"/\.([^/.]+)[^/]*\.tmp$", r"/\1", path)
    path = re.sub(r"/runs/.*", "/runs/RECORD", path)
    if re.search(r"/(\d{6}|c)$", path):
        return path
    return re.sub(r"/(attention|boxes|embeddings)(/[0-9a-f]{32}|$)", "/STAGE", path)


def give_up_override() -> None:
    """Drop CAP_DAC_OVERRIDE (Linux), which lets root write whatever the modes say."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this thread
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable: low words, then high
    if libc.capget(header, sets) == 0:
        sets[0] &= ~(1 << 1)
        libc.capset(header, sets)


def slow_down_fits(seconds: float) -> None:
    """Fit in processes however little there is to fit, and each `seconds` longer."""
    from a2pipe.pipeline.results import fits

    fit = fits._fit

    def slow_fit(*job: Any) -> Any:
        import time

        time.sleep(seconds)
        return fit(*job)

    slow_fit.__module__ = "__main__"  # travels to the processes as it is, not by name
    fits._fit, fits.WORTH_A_PROCESS = slow_fit, 0


def divert(output: str) -> None:
    """Send stdout and stderr to files."""
    for stream, suffix in ((sys.stdout, ".out"), (sys.stderr, ".err")):
        stream.flush()
        with Path(output + suffix).open("w") as file:
            os.dup2(file.fileno(), stream.fileno())


def run(request: dict[str, Any]) -> None:
    from a2pipe.cli import main

    divert(request["output"])
    os.chdir(Path(request["output"]).parent)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # as a terminal starts a command
    if request.get("bound") and os.geteuid() == 0:
        give_up_override()
    if request.get("group"):
        os.setsid()
    if "temporary" in request:
        os.environ["TMPDIR"] = tempfile.tempdir = request["temporary"]
    if "fits" in request:
        slow_down_fits(request["fits"])
    if "fault" in request:
        names = ("within", "fault", "step", "met")
        Fault(**{name: request[name] for name in names if name in request}).install()
    sys.argv = ["a2pipe", *request["argv"]]
    try:
        main()
    finally:
        threading._shutdown()  # what ends a process of its own, and in another order a fork
        atexit._run_exitfuncs()


if __name__ == "worker":
    run(globals()["request"])
