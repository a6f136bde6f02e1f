"""How long a dataset takes to be read: `python benchmarks/index.py [--rows N] [--photos N]`.

Generated datasets in a temporary folder: a manifest whose rows share a few thousand files, one of
distinct tiny files, class folders of these files, tar shards of them, and half as many images as
in ImageNet with an XML file for each. Each is read twice by fresh processes: the first time every
file is opened and hashed (the files were just written, so the disk's own cache is warm), the second
time the memo knows them. Prints one JSON object: seconds without the imports, and the process's
peak memory, which includes them; cpu_seconds are less disturbed by a busy machine.

Photographs, JPEG files of 500 x 375 px in class folders, are read out of the disk's cache and from
the disk, and beside each stands the bound: their bytes read and hashed by as many threads, without
a look at their headers. `us_a_file_and_core` is the processor time of a photograph: n cores take at
least 1/n of it. `--rows 0` measures the photographs alone.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from a2pipe.datasets.images.index import WORKERS
from a2pipe.machine import cores

SHARED_FILES, A_TAR = 4000, 10_000
XML = (
    "<annotation><folder>val</folder><size><width>{0}</width><height>{0}</height></size><object>"
    "<name>n01440764</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>7</xmax><ymax>6</ymax></bndbox>"
    "</object></annotation>"
)


def write_image(path: Path, number: int, side: int) -> None:
    """A small PNG or JPEG whose bytes no other number has."""
    text = PngImagePlugin.PngInfo()
    text.add_text("number", str(number))
    Image.new("RGB", (side, side)).save(path, pnginfo=text, comment=str(number))


def write_manifest(folder: Path, rows: int, files: int, side: int) -> Path:
    """A manifest of `rows` samples over `files` images, and those images."""
    folder.mkdir()
    for number in range(files):
        write_image(folder / f"{number:06d}.png", number, side)
    splits = ("train", "val", "test")
    lines = [
        f"{row % files:06d}.png,{row % 2},{row % 4},{splits[row % 3]},0,0,4,4,{row}"
        for row in range(rows)
    ]
    header = "path,label,group,split,x0,y0,x1,y1,image_id"
    (folder / "manifest.csv").write_text("\n".join([header, *lines]) + "\n")
    return folder / "manifest.csv"


def link_classes(folder: Path, files: Path) -> Path:
    """The images of `files` in ten class folders of two splits."""
    for number, path in enumerate(sorted(files.glob("*.png"))):
        place = folder / ("train", "test")[number % 2] / f"class {number % 10}"
        place.mkdir(parents=True, exist_ok=True)
        (place / path.name).hardlink_to(path)
    return folder


def write_tars(folder: Path, files: Path) -> Path:
    """The images of `files` in tars of ten thousand, each with a .cls."""
    folder.mkdir()
    paths = sorted(files.glob("*.png"))
    for start in range(0, len(paths), A_TAR):
        with tarfile.open(folder / f"train-{start // A_TAR:06d}.tar", "w") as tar:
            for number, path in enumerate(paths[start : start + A_TAR]):
                tar.add(path, path.name)
                label = tarfile.TarInfo(f"{path.stem}.cls")
                label.size = 1
                tar.addfile(label, io.BytesIO(b"%d" % (number % 10)))
    return folder


def write_annotated(folder: Path, count: int, side: int) -> Path:
    """Images as in ImageNet's flat folder, with an XML file for each."""
    for part in ("val", "bbox/val"):
        (folder / part).mkdir(parents=True)
    for number in range(1, count + 1):
        name = f"ILSVRC2012_val_{number:08d}"
        write_image(folder / "val" / f"{name}.JPEG", number, side)
        (folder / "bbox" / "val" / f"{name}.xml").write_text(XML.format(side))
    return folder


def measured(name: str, root: str, memo: str) -> dict[str, Any]:
    """Load one dataset in this process: seconds, peak memory in MB, samples and unique images."""
    from a2pipe.datasets.benchmarks import imagenet  # noqa: F401 (imports are not what is measured)
    from a2pipe.datasets.registry import load

    start, start_cpu = time.perf_counter(), time.process_time()
    found = load(name, Path(root), memo=Path(memo))
    seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1024 if sys.platform != "darwin" else 1 << 20
    )
    return {
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "peak_mb": round(peak),
        "samples": len(found),
        "images": len(found.images),
    }


def read_twice(name: str, root: Path, memo: Path) -> dict[str, Any]:
    """First and second reading, each in its own process."""
    command = [sys.executable, __file__, "--measure", name, str(root), str(memo)]
    runs = [subprocess.run(command, check=True, capture_output=True, text=True) for _ in range(2)]
    first, second = (json.loads(run.stdout) for run in runs)
    return {"first": first, "second": second}


def tables(folder: Path, rows: int) -> dict[str, Any]:
    """The datasets of tiny files, each read twice."""
    shared = write_manifest(folder / "shared", rows, min(SHARED_FILES, rows), 64)
    distinct = write_manifest(folder / "distinct", rows, rows, 8)
    annotated = write_annotated(folder / "annotated", rows // 2, 8)
    classes = link_classes(folder / "classes", folder / "distinct")
    tars = write_tars(folder / "tars", folder / "distinct")
    return {
        "manifest, shared files": read_twice("manifest", shared, folder / "memo 1"),
        "manifest, distinct files": read_twice("manifest", distinct, folder / "memo 2"),
        "folder": read_twice("folder", classes, folder / "memo 3"),
        "tar shards": read_twice("webdataset", tars, folder / "memo 4"),
        "imagenet-val": read_twice("imagenet-val", annotated, folder / "memo 5"),
    }


# --- photographs --------------------------------------------------------------------------------


def photographs(folder: Path, count: int, rounds: int) -> dict[str, Any]:
    """The index of photographs beside what reading and hashing them takes."""
    from scaling import write_jpegs

    write_jpegs(folder, count)
    files = sorted(map(str, folder.rglob("*.jpg")))
    found: dict[str, Any] = {
        "files": count,
        "kb_a_file": round(sum(map(os.path.getsize, files)) / count / 1000, 1),
        "cores": cores(),
    }
    for place, prepare in (("disk's cache", read_all), ("disk", forget)):
        indexed, bare = [], []
        for _ in range(rounds):
            prepare(files)
            bare.append(spent(lambda: hash_all(files)))
            prepare(files)
            indexed.append(spent(lambda: index(folder)))
        found[place] = {"index": figures(indexed, count), "bytes and hashes": figures(bare, count)}
    return found


def figures(times: list[tuple[float, float]], count: int) -> dict[str, float]:
    """Of the fastest of several rounds, as others may use the machine."""
    wall, cpu = (min(column) for column in zip(*times, strict=True))
    return {
        "seconds": round(wall, 2),
        "files_a_second": round(count / wall),
        "us_a_file_and_core": round(1e6 * cpu / count, 1),
    }


def spent(work: Callable[[], object]) -> tuple[float, float]:
    """Wall seconds, and processor seconds of this process and of those that it started."""
    start, start_cpu = time.perf_counter(), sum(os.times()[:4])
    work()
    return time.perf_counter() - start, sum(os.times()[:4]) - start_cpu


def index(folder: Path) -> None:
    """The collection of a folder, which remembers nothing."""
    from a2pipe.datasets.formats.folder import load_folder

    load_folder(folder)


def hash_all(files: list[str]) -> None:
    """The digest of every file, by as many threads as the index has."""
    parts = [files[start : start + 256] for start in range(0, len(files), 256)]
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(lambda part: [hashlib.sha256(content(file)) for file in part], parts))


def content(file: str) -> bytes:
    with open(file, "rb", buffering=0) as handle:  # noqa: PTH123
        return handle.read()


def read_all(files: list[str]) -> None:
    for file in files:
        content(file)


def forget(files: list[str]) -> None:
    """Have the system drop the files from its cache."""
    for file in files:
        descriptor = os.open(file, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--photos", type=int, default=8192)
    parser.add_argument("--rounds", type=int, default=3, help="Of the photographs.")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measured(*options.measure)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        report = tables(folder, options.rows) if options.rows else {}
        if options.photos:
            report["photographs"] = photographs(folder / "photos", options.photos, options.rounds)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
