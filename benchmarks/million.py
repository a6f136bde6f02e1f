"""A collection of a million images without one pixel: what planning and looking cost.

Used by `benchmarks/scaling.py`, and alone as `python benchmarks/million.py [--rows 1000000]`.
Digests are numbers, every path leads to the same small file, and shards are committed directly: a
shard of zeros, whose markers are real. The first plan of a cache looks into the weights, in
a process of its own that imports PyTorch; later ones know them. Each command is measured in a fresh
process: wall and processor seconds without what the collection takes to be made up, and the peak
memory of the process and of the one for the weights.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from a2pipe.cache.catalog import Cache
from a2pipe.cache.records import Records
from a2pipe.datasets.collection import NO_BOXES, Collection
from a2pipe.pipeline.experiment.load import load_experiment
from a2pipe.pipeline.planning.identification import identify_apart
from a2pipe.pipeline.session import Session, open_session
from a2pipe.pipeline.shards.backbones import weights_memo

FILES = 1000
SPLITS = ("train", "train", "train", "val", "test")
COMMANDS = ("plan, new weights", "plan", "plan, warm", "plan, grown", "status", "build-matrix")
NOTHING_STORED = COMMANDS[:2]


def collection_of(rows: int, folder: Path) -> Collection:
    """`rows` samples, two classes on two places; their files are a thousand names of one."""
    numbers = np.arange(rows)
    return Collection(
        name="million",
        paths=tuple([f"{folder}/{n // FILES:04d}/{n % FILES:03d}.png" for n in range(rows)]),
        labels=numbers % 2,
        class_names=("0", "1"),
        groups=numbers % 4,
        group_names=("0 on 0", "1 on 0", "0 on 1", "1 on 1"),
        splits=np.array(SPLITS)[numbers % len(SPLITS)],
        boxes=(NO_BOXES,) * rows,
        image_ids=tuple([str(n) for n in range(rows)]),
        digests=tuple([hashlib.md5(str(n).encode()).hexdigest() for n in range(rows)]),
        sizes=np.full((rows, 2), 8, np.int64),
        unreadable={},
    )


def write_files(folder: Path, rows: int) -> None:
    """One image under a thousand names, in as many folders as the rows need."""
    first = folder / "0000"
    first.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(first / "000.png")
    for number in range(1, FILES):
        (first / f"{number:03d}.png").hardlink_to(first / "000.png")
    for number in range(1, -(-rows // FILES)):
        (folder / f"{number:04d}").symlink_to(first, target_is_directory=True)


def experiment() -> Any:
    """Demo models on the smallest canvas: what is measured depends on rows, not on their width."""
    return load_experiment(
        {
            "name": "million",
            "dataset": {"name": "million"},
            "image": {"size": 48},
            "attention": {"models": ["demo_localizer_s"]},
            "crops": {"sizes": [16]},
            "embedding": {"models": ["demo_embedder_s"], "baselines": ["full"]},
            "run": {"device": "cpu"},
        }
    )


def opened(collection: Collection, folder: Path) -> Session:
    """The experiment on these rows."""
    return open_session(experiment(), folder, collection=collection)


def fill(session: Session) -> None:
    """Commit every shard of every spec: zeros, and boxes in the corner."""
    run, images = session.experiment.run, session.collection.images
    for spec in session.plan.specs():
        field = session.plan.field(spec)
        artifact = session.cache.create(spec, [field], images, run.shard_size, run.backend)
        for shard in range(artifact.cut.shards):
            rows = np.zeros((artifact.cut.length_of(shard), *field.shape), field.dtype)
            if field.name == "box":
                rows[:] = (0, 0, 16, 16)
            artifact.commit(shard, {field.name: rows}, np.ones(len(rows), np.uint8))


def fill_records(session: Session) -> None:
    """A record of every cell: predictions that are right four times of five."""
    from a2pipe.pipeline.results.cells import _planned_cells
    from a2pipe.stages.fits.samples import samples_of_collection

    samples = samples_of_collection(session.collection)
    part = samples.part("test")
    labels = samples.labels[part]
    arrays = {
        "test_index": samples.index[part],
        "test_labels": labels,
        "test_groups": samples.groups[part],
        "test_images": samples.images[part],
        "test_predictions": np.where(np.arange(len(labels)) % 5 == 0, 1 - labels, labels),
    }
    content = {
        "samples": dict(samples.sizes),
        "class_names": list(samples.class_names),
        "group_names": list(samples.group_names),
        "measures": {"balanced_accuracy": 0.8, "macro_f1": 0.8, "adjusted_accuracy": 0.8},
        "fitted": {},
        "warnings": [],
        "seconds": 0.0,
    }
    for cell in _planned_cells(session, session.collection):
        Records(session.cache.root).write(cell.spec, content, arrays)


def measured(command: str, folder: Path, rows: int) -> dict[str, Any]:
    """One command in this process."""
    from a2pipe.pipeline.inspect.estimate import needs
    from a2pipe.pipeline.inspect.inventory import status_table
    from a2pipe.pipeline.results.report import publish

    cache = folder / ("empty" if command in NOTHING_STORED else "cache")
    start = time.perf_counter()
    identify_apart(experiment(), weights_memo(Cache(cache)))
    apart, children = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    peak_apart = peak_kb() + children.ru_maxrss
    collection = collection_of(rows, folder / "files")
    start, start_cpu = time.perf_counter(), time.process_time()
    session = opened(collection, cache)
    if command.startswith("plan"):
        lines = [need.to_json() for need in needs(session.plan, session.cache)]
        missing = sum(line["rows_missing"] for line in lines)
    elif command == "status":
        missing = sum(line["rows_missing"] for line in status_table(session))
    else:
        publish(session, folder / "report")
        missing = 0
    seconds, cpu = time.perf_counter() - start + apart, time.process_time() - start_cpu
    cpu += children.ru_utime + children.ru_stime
    peak = max(peak_kb(), peak_apart) / 1024
    return {
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "peak_mb": round(peak),
        "rows_missing": missing,
    }


def peak_kb() -> int:
    """The peak memory of this process; `ru_maxrss` would begin with that of its parent."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def in_a_process(command: str, folder: Path, rows: int) -> dict[str, Any]:
    """The same in a process of its own."""
    arguments = [sys.executable, __file__, "--measure", command, str(folder), "--rows", str(rows)]
    done = subprocess.run(arguments, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def million(rows: int, folder: Path) -> dict[str, Any]:
    """Every command on a collection of `rows` rows, and planning one that has grown by a tenth."""
    write_files(folder / "files", rows + rows // 10)
    session = opened(collection_of(rows, folder / "files"), folder / "cache")
    fill(session)
    fill_records(session)
    report = {
        command: in_a_process(command, folder, rows)
        for command in COMMANDS
        if command != "plan, grown"
    }
    return {**report, "plan, grown": in_a_process("plan, grown", folder, rows + rows // 10)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--measure", nargs=2, metavar=("COMMAND", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        command, folder = options.measure
        print(json.dumps(measured(command, Path(folder), options.rows)))
        return
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(million(options.rows, Path(folder)), indent=2))


if __name__ == "__main__":
    main()
