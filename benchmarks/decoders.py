"""Ways to decode in parallel, beside each other: `python benchmarks/decoders.py [--workers 2]`.

Every way turns generated photographs into canvases of 224 px in batches of 64, by `load_canvas`:
threads; torch's DataLoader with persistent workers, spawned and forked; a spawned process pool with
`multiprocessing.shared_memory`; and `a2pipe.workers`. With SPDL at hand (`spdl-core`, `spdl-io` and
FFmpeg's libraries) its threads with `load_canvas`, and its own decoder, which gives other pixels.

Each way has a process of its own, and all take turns. Prints one JSON: images per second and
processor milliseconds an image, which a busy machine disturbs less (medians), seconds to the first
batch, and the memory of the workers.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from decoder_ways import SPDL, WAYS
from photos import write_many
from process_tree import children, own_memory


def through(batches: Iterable[Any]) -> tuple[float, int, float]:
    """Take all batches: seconds to the first, images after it, and the seconds that these took."""
    start = first = time.perf_counter()
    counts = []
    for batch in batches:
        first = first if counts else time.perf_counter()
        counts.append(len(batch))
    return first - start, sum(counts[1:]), time.perf_counter() - first


def cpu_seconds() -> float:
    """Processor seconds of this process and its children so far."""
    ticks = 0
    for pid in (os.getpid(), *children(os.getpid())):
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def workers_memory() -> list[str]:
    """Resident and proportional memory of each child process."""
    found = []
    with suppress(OSError):  # a thread or process may end between two looks
        for pid in children(os.getpid()):
            rss, pss = own_memory(pid)
            found.append(f"{rss:.0f} MB, {pss:.0f} of it its own share")
    return found


def measure(name: str, paths: list[str], workers: int) -> dict[str, Any]:
    """Start a way and take two epochs, of which the second counts."""
    start = time.perf_counter()
    epoch = (WAYS | SPDL)[name](workers)
    begun = time.perf_counter() - start
    first = begun + through(epoch(paths))[0]
    memory, before = workers_memory(), cpu_seconds()
    _, images, seconds = through(epoch(paths))
    return {
        "images_per_second": round(images / seconds, 1),
        "cpu_ms_an_image": round(1e3 * (cpu_seconds() - before) / len(paths), 2),
        "seconds_to_first_batch": round(first, 2),
        "workers": memory,
    }


def end() -> None:
    """End this process and what it started at once; some pools would wait for their workers."""
    sys.stdout.flush()
    with suppress(OSError):
        for pid in children(os.getpid()):
            os.kill(pid, signal.SIGTERM)  # which the tracker of shared memory outlives
    os._exit(0)


def apart(name: str, paths: list[str]) -> dict[str, Any]:
    """Measure a way in a process of its own: what one leaves behind is no burden to the next."""
    command = [sys.executable, __file__, *sys.argv[1:], "--one", name]
    done = subprocess.run(
        command, input="\n".join(paths), check=True, stdout=subprocess.PIPE, text=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def report(options: argparse.Namespace) -> dict[str, Any]:
    """All ways in turn, and the medians of the rounds."""
    names = options.ways or list(WAYS | (SPDL if find_spec("spdl") else {}))
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(path) for path in write_many(Path(folder), options.images)]
        rounds = [{n: apart(n, paths) for n in names} for _ in range(options.rounds)]
    found: dict[str, Any] = {"workers": options.workers, "load": os.getloadavg()}
    for name in names:
        found[name] = rounds[-1][name]
        for what in ("images_per_second", "cpu_ms_an_image", "seconds_to_first_batch"):
            found[name][what] = statistics.median(each[name][what] for each in rounds)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ways", nargs="*", help="all unless some are named")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, sys.stdin.read().split("\n"), options.workers)))
        end()
    print(json.dumps(report(options), indent=1))


if __name__ == "__main__":
    main()
