"""a2pipe against its peers on one folder of JPEGs: `benchmarks/peers.sh`, which makes the
environment, or `python benchmarks/peers.py` in one that has transformers and nnsight.

The same generated JPEGs of about 500 x 375 px through the same ViT-S/14 (DINOv2's shape at 224 px,
257 tokens, seeded random weights, since none are fetched) in float32 on the CPU:

- transformers with `output_attentions=True`, in a DataLoader loop;
- timm with `AttentionExtract` by a hook, fusion off in the block that is read;
- nnsight, which reads any module of a PyTorch network and stops the pass there. thingsvision would
  be nearer to the task and cannot be had beside today's libraries: version 2.7.3 pins torchvision
  0.15.2, TensorFlow < 2.16, NumPy < 2 and transformers 4.40.1;
- a2pipe's `extract-attn` and `embed-crops`.

With `--compile`, transformers, timm and a2pipe also run through torch.compile, beside themselves.
nnsight traces each pass and cannot. Code is kept in one folder for all, and every compiled way runs
once before the rounds, so that these measure what the code does and not its making.

Each run is a fresh process on a fresh output folder, held to so many cores with all its threads and
processes; the ways run in turn, in an order that changes from round to round. Seconds are from the
imported libraries to the arrays on the disk, with reading the weights; memory is the peak of the
process tree, with libraries. a2pipe then runs again on its cache, and once more with a tenth more
photos. Before anything is shown, the arrays of all ways are compared.

Then a 4 x 4 matrix with the shipped demo models against a script that computes every cell anew.

Prints a Markdown table; `--json` also writes benchmarks/results/peers-N-core.json. Needs Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from peer_jobs import CAN_COMPILE, COMPILED, NATIVE, NETWORK, OURS, PEERS, TASKS, library, photos_of
from peer_tables import markdown
from photos import write_photos
from process_tree import Run, run

HERE = Path(__file__).parent
PACKAGES = ("a2pipe", "torch", "torchvision", "transformers", "timm", "nnsight", "numpy", "pillow")
CLOSE = {"attention": 1e-4, "crops": 1e-3}
AGREE = 0.95
Name = tuple[str, str]


@dataclass
class Runs:
    """Of one way and one task, or of one way to a matrix: a run a round, in the order of rounds."""

    runs: list[Run] = field(default_factory=list)

    def said(self, what: str) -> list[float]:
        return [run.said[what] for run in self.runs]

    def summary(self, images: int | None = None) -> dict[str, Any]:
        """Medians over the rounds; images per second where images were counted."""
        seconds = statistics.median(self.said("seconds"))
        rate = {} if images is None else {"images_per_second": round(images / seconds, 2)}
        return rate | {
            "seconds": round(seconds, 2),
            "cpu_seconds": round(statistics.median(self.said("cpu_seconds")), 2),
            "seconds_of_process": round(statistics.median(r.seconds for r in self.runs), 2),
            "peak_rss_mb": round(statistics.median(r.peak_rss_mb for r in self.runs)),
            "peak_pss_mb": round(statistics.median(r.peak_pss_mb for r in self.runs)),
            "rounds": [round(each, 2) for each in self.said("seconds")],
        }


def ratio(slower: Runs, faster: Runs, what: str = "seconds") -> float:
    """Median over the rounds of how many times more one took: rounds are side by side."""
    pairs = zip(slower.said(what), faster.said(what), strict=True)
    return round(statistics.median(a / b for a, b in pairs), 2)


def rotated(ways: Sequence[str], by: int) -> list[str]:
    """Who begins changes from round to round."""
    by %= len(ways)
    return [*ways[by:], *ways[:by]]


@dataclass(frozen=True)
class Bench:
    """folder: where all that is made lies. grown: the photos and a tenth more of them."""

    folder: Path
    photos: Path
    grown: Path
    weights: Path
    options: argparse.Namespace

    @property
    def others(self) -> list[str]:
        """Every way but a2pipe as it is."""
        peers: list[str] = self.options.peers
        compiled = [way + COMPILED for way in CAN_COMPILE if way in (*peers, OURS)]
        return [*peers, *compiled] if self.options.compile else peers

    def start(self, way: str, task: str, photos: Path, out: Path) -> Run:
        """One way through one folder."""
        paths = ("--photos", photos, "--weights", self.weights, "--out", out)
        sizes = ("--cores", self.options.cores, "--batch", self.options.batch)
        return self.child("peer_jobs.py", way, task, *paths, *sizes)

    def child(self, script: str, *words: object) -> Run:
        """A fresh process; libraries that start threads see how many there may be."""
        environment = {"OMP_NUM_THREADS": str(self.options.cores), "HF_HUB_OFFLINE": "1"}
        environment |= {"TORCHINDUCTOR_CACHE_DIR": str(self.folder / "code")}
        done = run([sys.executable, str(HERE / script), *map(str, words)], environment)
        task = words[1] if words[1] in TASKS else "matrix"
        figures = f"{done.said['seconds']:.1f} s, {done.said['cpu_seconds']:.1f} CPU s"
        print(words[0], task, figures, f"{done.peak_pss_mb:.0f} MB", file=sys.stderr, flush=True)
        return done


def prepared(folder: Path, options: argparse.Namespace) -> Bench:
    """Photos, more photos, and weights."""
    from networks import network
    from safetensors.torch import save_file

    photos, grown, weights = folder / "photos", folder / "grown", folder / "weights.safetensors"
    for path in write_photos(photos, options.images):
        link = grown / path.relative_to(photos)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.hardlink_to(path)
    write_photos(grown, max(1, options.images // 10), options.images)
    save_file(network(NETWORK, NATIVE).state_dict(), weights)
    return Bench(folder, photos, grown, weights, options)


def side_by_side(bench: Bench) -> dict[str, Any]:
    """Every way and both tasks, in interleaved rounds."""
    ways = [*bench.others, OURS]
    tasks = bench.options.tasks
    for task in tasks:
        for way in ways:
            if way.endswith(COMPILED):
                bench.start(way, task, bench.photos, bench.folder / f"{way}-{task}-before")
    first: dict[Name, Runs] = {(way, task): Runs() for task in tasks for way in ways}
    again, grown = ({task: Runs() for task in tasks} for _ in range(2))
    for number in range(bench.options.rounds):
        for task in tasks:
            for way in rotated(ways, number):
                out = bench.folder / f"{way}-{task}-{number}"
                first[way, task].runs.append(bench.start(way, task, bench.photos, out))
                if way == OURS:
                    again[task].runs.append(bench.start(way, task, bench.photos, out))
                    grown[task].runs.append(bench.start(way, task, bench.grown, out))
    return {task: shown(bench, task, first, again[task], grown[task]) for task in tasks}


def shown(
    bench: Bench, task: str, first: dict[Name, Runs], again: Runs, grown: Runs
) -> dict[str, Any]:
    """The figures of one task; a script that keeps no account of what it did runs all again."""
    ways = [*bench.others, OURS]
    count = bench.options.images
    report = {way: first[way, task].summary(count) for way in ways}
    for peer in bench.others:
        pair = first[peer, task], first[OURS, task]
        report[peer][f"times {OURS}"] = ratio(*pair)
        report[peer][f"cpu times {OURS}"] = ratio(*pair, "cpu_seconds")
        report[peer]["agrees"] = agreement(bench, task, peer)
    report[OURS]["second run"] = again.summary()
    report[OURS]["a tenth more photos"] = grown.summary()
    return report


def agreement(bench: Bench, task: str, peer: str) -> float:
    """Share of photos for which a peer's array is a2pipe's up to rounding; exit if it is small.

    Equal sums on plateaus of a map may be broken otherwise by rounding, and a crop then lies
    elsewhere: so not every photo has to agree.
    """
    if library(peer) == OURS:
        theirs = ours(bench, task, peer)
    else:
        theirs = np.load(bench.folder / f"{peer}-{task}-0" / f"{task}.npy")
    share = float(agreeing(ours(bench, task), theirs, CLOSE[task]).mean())
    if share < AGREE:
        sys.exit(f"{peer} and {OURS} agree on {share:.1%} of the photos only: {task}.")
    return round(share, 4)


def agreeing(one: Any, other: Any, close: float) -> Any:
    """Which rows of two arrays differ by no more than `close` of the largest value, bool (n,)."""
    if one.shape != other.shape:
        return np.zeros(len(one), bool)
    return np.abs(one - other).reshape(len(one), -1).max(1) <= close * np.abs(one).max()


def ours(bench: Bench, task: str, way: str = OURS) -> Any:
    """a2pipe's array of the first round, in the order of the scripts."""
    import a2pipe

    experiment: dict[str, Any] = {
        "name": "peers",
        "dataset": {"name": str(bench.photos)},
        "attention": {"models": [NETWORK]},
        "crops": {"sizes": [64]},
        "run": {
            "weights": {NETWORK: str(bench.weights)},
            "offline": True,
            "compile": way.endswith(COMPILED),
        },
    }
    if task == "crops":
        experiment["embedding"] = {"models": [NETWORK]}
    opened = {"attention": a2pipe.open_attention, "crops": a2pipe.open_features}[task]
    view = opened(experiment, cache=bench.folder / f"{way}-{task}-0")
    rows = dict(zip(view.collection.paths, view.row_of_sample, strict=True))
    return view.values[[rows[str(path)] for path in photos_of(bench.photos)]]


def matrices(bench: Bench) -> dict[str, Any]:
    """Ratio of forward passes and of time, of the first run and of the second."""
    from peer_matrix import MODELS, WAYS, write_table

    table = write_table(bench.folder, bench.options.samples)
    first, again = {way: Runs() for way in WAYS}, Runs()
    for number in range(bench.options.rounds):
        for way in rotated(WAYS, number):
            words = (way, "--table", table, "--out", bench.folder / f"matrix-{number}")
            words += ("--cores", bench.options.cores)
            first[way].runs.append(bench.child("peer_matrix.py", *words))
            if way == OURS:
                again.runs.append(bench.child("peer_matrix.py", *words))
    said = {way: first[way].runs[0].said for way in WAYS}
    passes = {way: said[way]["forward_passes"] for way in WAYS}
    return {
        "models": MODELS,
        "samples": bench.options.samples,
        "forward_passes": passes,
        "forward_passes_of_second_run": again.runs[0].said["forward_passes"],
        "ratio_of_forward_passes": round(passes["script"] / passes[OURS], 3),
        "ratio_of_time": ratio(first["script"], first[OURS]),
        "ratio_of_cpu_time": ratio(first["script"], first[OURS], "cpu_seconds"),
        "ratio_of_time_of_second_run": ratio(first["script"], again),
        "largest_difference_of_accuracies": difference(*(said[way] for way in WAYS)),
        **{way: first[way].summary() for way in WAYS},
        "second run": again.summary(),
    }


def difference(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Of two matrices with the same cells, in accuracy."""
    assert one["accuracies"].keys() == other["accuracies"].keys()
    return max(abs(value - other["accuracies"][name]) for name, value in one["accuracies"].items())


def environment(options: argparse.Namespace) -> dict[str, Any]:
    """Versions, machine, and how busy it is."""
    return {
        "python": platform.python_version(),
        "versions": dict(versions()),
        "cpu": processor(),
        "cores_used": options.cores,
        "cores": os.cpu_count(),
        "load": [round(each, 2) for each in os.getloadavg()],
        "images": options.images,
        "batch": options.batch,
        "rounds": options.rounds,
    }


def versions() -> Iterator[tuple[str, str]]:
    """Of those packages that are there; a peer that was left out need not be."""
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            yield name, version(name)


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--samples", type=int, default=240, help="of the matrix")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--peers", nargs="*", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--compile", action="store_true", help="run the ways that can compiled too")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--only", choices=["folder", "matrix"])
    parser.add_argument(
        "--json", action="store_true", help="write it under benchmarks/results/ too"
    )
    return parser.parse_args(words)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """The whole report."""
    report: dict[str, Any] = {"environment": environment(options)}
    with tempfile.TemporaryDirectory() as folder:
        bench = prepared(Path(folder), options)
        if options.only != "matrix":
            report |= side_by_side(bench)
        if options.only != "folder":
            report["matrix"] = matrices(bench)
    return report | {"load_after": [round(each, 2) for each in os.getloadavg()]}


def main() -> None:
    options = arguments()
    report = measure(options)
    print("\n".join(markdown(report)))
    if options.json:
        path = HERE / "results" / f"peers-{options.cores}-core.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
