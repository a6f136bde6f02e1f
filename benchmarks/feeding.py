"""How well a device of any speed is fed: `python benchmarks/feeding.py [--workers 2]`.

The device is a fake one. It takes so many milliseconds for a batch of 64 images, in the order in
which they are launched, and needs neither a core nor the interpreter's lock. All else is real: the
executor, decoding of generated JPEGs of about 500 x 375 in `--workers` processes, writing attention
to a cache. Crops are left out, as they are cut on the device. The batch times of the sweep are
multiples of the time that decoding takes in as many processes that do nothing else, which is
measured before and after every run. Decoding checks that a file is the one that was indexed. The
processes are started by a run of one batch before the one that counts, as in earnest they start
while models load, which these have no need of.

For each time of the sweep it tells the rate end to end as a share of the slower of the two bounds,
the device and decoding, of which 0.93 is wanted, and whether the run names the one that is slower.
It also counts the images that fill up passes on a full run of 11,788 images, for every shape of the
table; less than 2 % is wanted. Prints a table on stderr and one JSON object on stdout.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from fake_device import Device, Executor
from photos import write_many

from a2pipe.models.forward_shape import images_a_pass
from a2pipe.pipeline.session import Session, open_session
from a2pipe.stages.crops import whole_canvas
from a2pipe.stages.geometry import Canvas
from a2pipe.stages.pixels import load_crops
from a2pipe.workers import KEEP_FREED

SIDE, BATCH, CHUNK = 224, 64, 16
FACTORS = 0.25, 0.5, 0.8, 1.0, 1.25, 2.0, 4.0
"""Times of the sweep, as multiples of the time that decoding takes."""
WANTED, CLOSE = 0.93, 0.15
"""Bounds that differ by less than CLOSE are both slow enough to be named."""
FULL_RUN, PADDING_WANTED = 11_788, 0.02
WIDTHS = {"ViT-S": 384, "ViT-B": 768, "ViT-L": 1024, "ViT-g": 1536}


def experiment(images: Path, options: argparse.Namespace, limit: int | None) -> dict[str, Any]:
    """Attention of the last block."""
    return {
        "name": "feeding",
        "dataset": {"name": str(images)},
        "image": {"size": SIDE},
        "attention": {"models": ["demo_localizer_s"]},
        "run": {"device": "cpu", "workers": options.workers, "limit": limit},
    }


def fed(session: Session) -> dict[str, Any]:
    """Run a session to its end: wall seconds, processor seconds of this process, what it said."""
    start, cpu = time.perf_counter(), time.process_time()
    stats = session.compute("attention")
    return {
        "seconds": time.perf_counter() - start,
        "own_cpu_seconds": round(time.process_time() - cpu, 2),
        "named": stats.throughput.bottleneck,
        "said": stats.throughput.words(),
    }


# --- the bound of decoding ----------------------------------------------------------------------


@contextmanager
def decoders(images: Sequence[tuple[str, str]], count: int) -> Iterator[Callable[[], float]]:
    """Processes that do nothing but decode; yield what lets them and returns their seconds.

    images: digest and path of each.
    """
    command, pipe = [sys.executable, __file__, "--decode"], subprocess.PIPE
    begun = [
        subprocess.Popen(
            command, stdin=pipe, stdout=pipe, text=True, env={**KEEP_FREED, **os.environ}
        )
        for _ in range(count)
    ]
    chunks = [images[start : start + CHUNK] for start in range(0, len(images), CHUNK)]

    def share(process: subprocess.Popen[str], todo: Iterator[Any]) -> None:
        for chunk in todo:  # a list's iterator is safe among threads
            assert process.stdin
            assert process.stdout
            print(json.dumps(chunk), file=process.stdin, flush=True)
            process.stdout.readline()

    def seconds() -> float:
        start, todo = time.perf_counter(), iter(chunks)
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(partial(share, todo=todo), begun))
        return time.perf_counter() - start

    try:
        seconds()  # once for their imports and the files
        yield seconds
    finally:
        for process in begun:
            process.kill()
            process.communicate()


def decode() -> None:
    """The life of such a process."""
    whole = whole_canvas(Canvas(SIDE))
    for chunk in sys.stdin:
        for digest, path in json.loads(chunk):
            load_crops(path, [whole], digest)
        print("done", flush=True)


# --- the sweep ----------------------------------------------------------------------------------


def sweep(options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """Every time of the sweep, with decoding alone before and after it."""
    import a2pipe.models.backbone  # noqa: F401  # as loading a model does, which no run here has to

    images = options.photos or folder / "images"
    write_many(images, options.images)
    collection = session_of(images, folder / "index", options, Executor(Device(0.0))).collection
    count = len(collection.images)
    with decoders(list(collection.path_of.items()), options.workers) as decoding:
        found, before = [], decoding()
        for number, factor in enumerate(options.factors * options.rounds):
            device = Device(factor * before / count)
            executor = Executor(device)
            caches = [indexed(folder, f"{what} {number}") for what in ("start", "cache")]
            start = fed(session_of(images, caches[0], options, executor, BATCH))
            run = fed(session_of(images, caches[1], options, executor))
            executor.close()
            after = decoding()
            bound = statistics.mean((before, after))
            found.append(compared(factor, count, device, bound, run))
            found[-1]["seconds_to_start"] = round(start["seconds"], 2)
            print(line(found[-1]), file=sys.stderr, flush=True)
            before = after
    return [middle([each for each in found if each["factor"] == x]) for x in options.factors]


def middle(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """The run whose share is the median; named right are those in which most rounds are."""
    shares = [each["share_of_bound"] for each in rounds]
    one = next(each for each in rounds if each["share_of_bound"] == statistics.median_low(shares))
    right = statistics.median_low(each["right"] for each in rounds)
    return {**one, "right": right, "shares": shares}


def indexed(folder: Path, name: str) -> Path:
    """A cache that has the digests of the images and nothing else."""
    shutil.copytree(folder / "index" / "index", folder / name / "index")
    return folder / name


def session_of(
    images: Path,
    cache: Path,
    options: argparse.Namespace,
    executor: Executor,
    limit: int | None = None,
) -> Session:
    """An experiment whose dataset is indexed already, where the cache has the index."""
    return open_session(experiment(images, options, limit), cache, executor=executor)


def compared(
    factor: float, images: int, device: Device, decode: float, run: dict[str, Any]
) -> dict[str, Any]:
    """The run beside its bounds. decode, run["seconds"]: for all images."""
    compute = images * device.seconds
    slower = "device" if compute > decode else "decode"
    close = abs(compute - decode) < CLOSE * max(compute, decode)
    return {
        "factor": factor,
        "milliseconds_a_batch": round(1e3 * BATCH * compute / images, 1),
        "images_per_second": {
            "device": round(images / compute, 1),
            "decode": round(images / decode, 1),
            "end to end": round(images / run["seconds"], 1),
        },
        "share_of_bound": round(max(compute, decode) / run["seconds"], 3),
        "bottleneck": f"{slower}, nearly both" if close else slower,
        "named": run["named"],
        "right": run["named"] == slower or (close and run["named"] in ("device", "decode")),
        "own_cpu_ms_an_image": round(1e3 * run["own_cpu_seconds"] / images, 3),
        "said": run["said"],
    }


def line(found: dict[str, Any]) -> str:
    """One line of the table."""
    rates = found["images_per_second"]
    return (
        f"{found['milliseconds_a_batch']:7.1f} ms a batch: device {rates['device']:7.1f}, decode "
        f"{rates['decode']:7.1f}, end to end {rates['end to end']:7.1f} images/s = "
        f"{found['share_of_bound']:.3f} of the bound; {found['bottleneck']}, named: "
        f"{found['named'] or '?'}; {found['own_cpu_ms_an_image']:.2f} ms of its own an image"
    )


# --- padding ------------------------------------------------------------------------------------


def padding(shard_size: int, batch_size: int) -> dict[str, float]:
    """Images of zeros for each image of a full run, by model and device."""
    found = {}
    for kind in ("cpu", "cuda", "mps"):
        for name, width in WIDTHS.items():
            images = images_a_pass(width, 261, kind)
            batch = -(-batch_size // images) * images
            added = sum(
                -len(range(start, min(start + batch, stop))) % images
                for first in range(0, FULL_RUN, shard_size)
                for stop in (min(first + shard_size, FULL_RUN),)
                for start in range(first, stop, batch)
            )
            found[f"{name}, {kind}"] = round(added / FULL_RUN, 4)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--images", type=int, default=8_192)
    parser.add_argument("--factors", type=float, nargs="+", default=list(FACTORS))
    parser.add_argument("--rounds", type=int, default=1, help="of the sweep; medians are shown")
    parser.add_argument("--photos", type=Path, help="folder to keep them in for further runs")
    parser.add_argument("--decode", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.decode:
        decode()
        return 0
    report: dict[str, Any] = {"workers": options.workers, "load_before": os.getloadavg()}
    with tempfile.TemporaryDirectory() as temporary:
        report["sweep"] = sweep(options, Path(temporary))
    report["worst_share"] = min(each["share_of_bound"] for each in report["sweep"])
    report["named_right"] = all(each["right"] for each in report["sweep"])
    report["padding"] = padding(1024, BATCH)
    report["wanted"] = {"worst_share": WANTED, "padding": PADDING_WANTED}
    print(json.dumps({**report, "load_after": os.getloadavg()}, indent=1))
    met = report["worst_share"] >= WANTED and report["named_right"]
    return 0 if met and max(report["padding"].values()) < PADDING_WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
