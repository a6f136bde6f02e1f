"""What a command takes: wall seconds and the peak memory of its whole process tree (Linux)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

INTERVAL = 0.2


@dataclass(frozen=True)
class Run:
    """seconds: of the process, from start to end. peak_rss_mb, peak_pss_mb: the most that was seen
    of the tree's resident memory; PSS counts a page that processes share once. said: the JSON on
    the last line of what the command printed."""

    seconds: float
    peak_rss_mb: float
    peak_pss_mb: float
    said: dict[str, Any]


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Run:
    """Run a command to its end; exit with its errors if it fails."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        with subprocess.Popen(
            command, stdout=output, stderr=errors, env={**os.environ, **(environment or {})}
        ) as process:
            rss, pss = watch(process)
        seconds = time.perf_counter() - start
        output.seek(0)
        errors.seek(0)
        if process.returncode:
            sys.exit(f"{' '.join(command)}\n{output.read()}{errors.read()}")
        return Run(seconds, rss, pss, json.loads(output.read().splitlines()[-1]))


def watch(process: subprocess.Popen[bytes]) -> tuple[float, float]:
    """Peak RSS and PSS of the tree in megabytes, looked at five times a second until it ends."""
    peaks = (0.0, 0.0)
    while True:
        seen = memory(process.pid)
        peaks = (max(peaks[0], seen[0]), max(peaks[1], seen[1]))
        with suppress(subprocess.TimeoutExpired):
            process.wait(INTERVAL)
            return peaks


def memory(pid: int) -> tuple[float, float]:
    """RSS and PSS of a process and of all that it started, in megabytes; 0 once it is gone."""
    rss = pss = 0.0
    with suppress(OSError):  # a process may end between two looks
        rss, pss = own_memory(pid)
        for child in children(pid):
            more = memory(child)
            rss, pss = rss + more[0], pss + more[1]
    return rss, pss


def own_memory(pid: int) -> tuple[float, float]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    kilobytes = {key: int(value.split()[0]) for key, value in (each.split(":") for each in lines)}
    return kilobytes["Rss"] / 1024, kilobytes["Pss"] / 1024


def children(pid: int) -> list[int]:
    """Processes that any thread of this one started."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(each) for task in tasks for each in (task / "children").read_text().split()]
