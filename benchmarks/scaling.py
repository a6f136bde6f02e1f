"""How the pipeline scales: `python benchmarks/scaling.py [PART ...] [--rounds 3] [--images 2048]`.

workers: one and two ranks, each a process bound to a core of its own, on JPEG files and the demo
    models; at least 1.85 times as fast is wanted.
rate: JPEG folder -> stored attention against decoding and forward passes measured one after the
    other on the same cores; at least 0.93 of it is wanted.
memory: peak memory of extraction from a tenth of the images to all; less than 5 % more is wanted.
million: see `benchmarks/million.py`; planning in under 10 s and 1 GB, `status` and a warm
    `build-matrix` in under 5 s are wanted.

All parts unless some are named. Models' threads wait as under the command `a2pipe`, without
spinning (OMP_WAIT_POLICY). Rounds are interleaved. Prints one JSON object with wall seconds,
processor seconds, which suffer less from a busy machine, and the load at the start and the end.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from million import million, peak_kb
from PIL import Image

from a2pipe.machine import cores
from a2pipe.pipeline.session import Session, open_session
from a2pipe.pipeline.shards.backbones import Backbones
from a2pipe.pipeline.shards.local import LocalExecutor
from a2pipe.pipeline.shards.task import prepare

LOCALIZER, EMBEDDER = "demo_localizer_s", "demo_embedder_s"
BATCH, SHARD = 64, 256


def write_jpegs(folder: Path, count: int, width: int = 500, height: int = 375) -> None:
    """Photographs of smoothed noise, each its own, in two classes and two splits."""
    for number in range(count):
        place = folder / ("train", "test")[number % 4 == 0] / str(number % 2)
        place.mkdir(parents=True, exist_ok=True)
        coarse = np.random.default_rng(number).integers(0, 256, (24, 32, 3), np.uint8)
        image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        image.save(place / f"{number:06d}.jpg", quality=92)


def experiment(images: Path, size: int, embed: bool, **run: Any) -> dict[str, Any]:
    """Attention, and crops and embeddings if asked for, of a folder."""
    return {
        "name": "scaling",
        "dataset": {"name": str(images)},
        "image": {"size": size},
        "attention": {"models": [LOCALIZER]},
        "crops": {"sizes": [size // 3]},
        "embedding": {"models": [EMBEDDER] if embed else [], "input_size": 48},
        "run": {"device": "cpu", "batch_size": BATCH, "shard_size": SHARD, **run},
    }


# --- workers ------------------------------------------------------------------------------------


def workers(images: Path, scratch: Path, rounds: int) -> dict[str, Any]:
    """One worker and two, `rounds` times in turn; medians."""
    open_session(experiment(images, 96, embed=True), scratch / "index")
    found: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
    for number in range(rounds):
        for world in (1, 2) if number % 2 == 0 else (2, 1):
            cache = scratch / f"cache {number} {world}"
            found[world].append(ranks(images, cache, scratch / "index", world))
    (wall_one, cpu_one), (wall_two, cpu_two) = (
        (statistics.median(column) for column in zip(*found[world], strict=True))
        for world in (1, 2)
    )
    return {
        "seconds": {"one": round(wall_one, 2), "two": round(wall_two, 2)},
        "cpu_seconds": {"one": round(cpu_one, 2), "two, both": round(cpu_two, 2)},
        "speedup": round(wall_one / wall_two, 3),
        "speedup_if_undisturbed": round(2 * cpu_one / cpu_two, 3),
        "wanted": 1.85,
    }


def ranks(images: Path, cache: Path, index: Path, world: int) -> tuple[float, float]:
    """Seconds from the first shard to the last of the slowest rank; processor seconds of all."""
    (cache / "index").mkdir(parents=True)
    for memo in (index / "index").iterdir():
        (cache / "index" / memo.name).write_bytes(memo.read_bytes())
    started = [rank_process(images, cache, rank, world) for rank in range(world)]
    outcomes = [json.loads(process.communicate()[0].splitlines()[-1]) for process in started]
    return max(o["seconds"] for o in outcomes), sum(o["cpu_seconds"] for o in outcomes)


def rank_process(images: Path, cache: Path, rank: int, world: int) -> subprocess.Popen[str]:
    """One rank on one core with one thread."""
    command = [sys.executable, __file__, "--rank", str(rank), str(world), str(images), str(cache)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def run_rank(rank: int, world: int, images: Path, cache: Path) -> dict[str, float]:
    """What one rank does, after its imports and with its models loaded."""
    allowed = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {allowed[rank % len(allowed)]})
    session = opened(images, cache, 96, embed=True, workers=1)
    start, start_cpu = time.perf_counter(), time.process_time()
    session.compute(rank=rank, world_size=world)
    return {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - start_cpu}


def opened(images: Path, cache: Path, size: int, embed: bool, **run: Any) -> Session:
    """A session whose models are loaded and have run once."""
    session = open_session(experiment(images, size, embed, **run), cache)
    backbones = loaded(session)
    for spec in session.plan.specs():
        if hasattr(spec, "model"):
            blank = np.zeros((1, 3, spec.input_size, spec.input_size), np.float32)
            backbones.get(spec.model).embed(_tensor(blank))
    return session


def loaded(session: Session) -> Backbones:
    """The models that the session's executor keeps loaded."""
    plan = session.plan
    assert isinstance(session.executor, LocalExecutor)
    return session.executor.backbones(prepare(plan, session.cache, plan.specs()))


def _tensor(array: Any) -> Any:
    import torch

    return torch.from_numpy(array)


# --- rate ---------------------------------------------------------------------------------------


def rate(images: Path, scratch: Path, rounds: int) -> dict[str, Any]:
    """End to end against the sum of its two parts, in turn; medians of wall and processor time."""
    decode_only, forward_only, whole = [], [], []
    for number in range(rounds):
        session = opened(images, scratch / f"rate {number}", 96, embed=False)
        decode_only.append(spent(lambda session=session: decode_all(session)))
        forward_only.append(spent(lambda session=session: forward_all(session)))
        whole.append(spent(lambda session=session: session.compute("attention")))
    names = ("decode", "forward", "end to end")
    medians = {
        name: [statistics.median(column) for column in zip(*times, strict=True)]
        for name, times in zip(names, (decode_only, forward_only, whole), strict=True)
    }
    bound = [medians["decode"][i] + medians["forward"][i] for i in (0, 1)]
    return {
        "seconds": {name: round(times[0], 2) for name, times in medians.items()},
        "cpu_seconds": {name: round(times[1], 2) for name, times in medians.items()},
        "share_of_bound": round(bound[0] / medians["end to end"][0], 3),
        "share_of_bound_by_cpu": round(bound[1] / medians["end to end"][1], 3),
        "wanted": 0.93,
        "cores": cores(),
    }


def spent(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor seconds, those of processes that have ended meanwhile among them."""
    start, before = time.perf_counter(), sum(os.times()[:4])
    work()
    return time.perf_counter() - start, sum(os.times()[:4]) - before


def decode_all(session: Session) -> None:
    """Every image to its canvas, and nothing kept."""
    from a2pipe.stages.pixels import load_canvas

    canvas, paths = session.experiment.image.canvas, session.collection.path_of.values()
    with ThreadPoolExecutor(cores()) as pool:
        for _ in pool.map(lambda path: load_canvas(path, canvas).shape, paths):
            pass


def forward_all(session: Session) -> None:
    """As many images of one colour through the model."""
    from a2pipe.models.preprocessing import to_unit

    (spec,) = session.plan.attention
    backbone = loaded(session).get(spec.model)
    count, size = len(session.collection.images), spec.input_size
    batch = np.full((BATCH, size, size, 3), 128, np.uint8)
    for start in range(0, count, BATCH):
        pixels = to_unit(batch[: count - start], backbone.device)
        backbone.attention(pixels, [spec.block])


# --- memory -------------------------------------------------------------------------------------


def memory(images: Path, scratch: Path, count: int) -> dict[str, Any]:
    """Peak memory of extraction from a tenth of the images, and from all."""
    peaks = {
        number: in_a_process(images, scratch / f"memory {number}", number)
        for number in (count // 10, count)
    }
    few, many = peaks.values()
    return {
        "peak_mb": {f"{number} images": round(peak, 1) for number, peak in peaks.items()},
        "growth_percent": round(100 * (many / few - 1), 2),
        "wanted": 5,
    }


def in_a_process(images: Path, cache: Path, count: int) -> float:
    """Peak memory in MB of a process that extracts attention from `count` images."""
    command = [sys.executable, __file__, "--extract", str(count), str(images), str(cache)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.splitlines()[-1])


def extract(count: int, images: Path, cache: Path) -> float:
    """In this process; the default shard of 1,024 images."""
    run = {"limit": count, "shard_size": 1024}
    open_session(experiment(images, 48, False, **run), cache).compute("attention")
    return peak_kb() / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help="workers, rate, memory, million")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=2048, help="Of workers and rate.")
    parser.add_argument("--memory-images", type=int, default=20_000)
    parser.add_argument("--rows", type=int, default=1_000_000, help="Of million.")
    parser.add_argument("--rank", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--extract", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if options.rank:
        rank, world, images, cache = options.rank
        print(json.dumps(run_rank(int(rank), int(world), Path(images), Path(cache))))
        return
    if options.extract:
        count, images, cache = options.extract
        print(extract(int(count), Path(images), Path(cache)))
        return
    print(json.dumps(report(options), indent=2))


def report(options: argparse.Namespace) -> dict[str, Any]:
    """Every part that is asked for."""
    wanted = options.parts or ["workers", "rate", "memory", "million"]
    found: dict[str, Any] = {"load_before": os.getloadavg()}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if {"workers", "rate"} & set(wanted):
            write_jpegs(folder / "images", options.images)
        if "workers" in wanted:
            found["workers"] = workers(folder / "images", folder, options.rounds)
        if "rate" in wanted:
            found["rate"] = rate(folder / "images", folder, options.rounds)
        if "memory" in wanted:
            write_jpegs(folder / "many", options.memory_images, 160, 120)
            found["memory"] = memory(folder / "many", folder, options.memory_images)
        if "million" in wanted:
            found["million"] = million(options.rows, folder / "million")
    return {**found, "load_after": os.getloadavg()}


if __name__ == "__main__":
    main()
