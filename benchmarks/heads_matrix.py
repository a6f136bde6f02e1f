"""The heads of a 4 x 4 matrix against bare scikit-learn; run by benchmarks/heads.py.

Sixteen logistic heads on 12,000 x 3,072 float32 features of four classes, a tenth of them for test,
go through `run_fits` in two processes. The same fits are made by scikit-learn alone, four of them
one after the other and the same four in two processes, which tells what the second process gains.
Memory is sampled over this process and its children, less what they hold before the first fit:
anonymous memory, which nothing but swap can take back, and all of it with the pages of mapped
files, which the system drops when it needs room.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.linear_model import LogisticRegression

from a2pipe.heads.logistic import LogisticHead
from a2pipe.pipeline.results.fits import FeatureBlock, Fit, run_fits
from a2pipe.stages.fits.head_plan import UnfittedHead
from a2pipe.stages.fits.samples import Samples

SAMPLES, TRAIN, WIDTH = 12_000, 10_800, 3_072
CLASSES = ("a", "b", "c", "d")
CELLS, FILES = 16, 4
"""Every four cells have the same numbers, under keys of their own, to spare the disk."""
PROCESSES = 2
SAMPLE_EVERY = 0.05


def write_features(folder: Path) -> tuple[list[Path], Any]:
    """FILES files of X float32 (N, d), and labels (N,): classes that overlap, correlated features
    of different scales, so that lbfgs has as much to do as on real embeddings."""
    generator = np.random.default_rng(0)
    y = generator.integers(0, len(CLASSES), SAMPLES)
    files = [folder / f"{number}.npy" for number in range(FILES)]
    for file in files:
        factors = generator.normal(size=(SAMPLES, 100)) @ generator.normal(size=(100, WIDTH)) / 10
        X = factors + 0.05 * generator.normal(size=(len(CLASSES), WIDTH))[y]
        scales = np.exp(0.5 * generator.normal(size=WIDTH))
        np.save(file, ((X + generator.normal(size=X.shape)) * scales).astype(np.float32))
    return files, y


def through_the_pipeline(files: list[Path], y: Any) -> list[Any]:
    """Predictions of the test samples of every cell."""
    sizes: Any = {"train": TRAIN, "val": 0, "test": SAMPLES - TRAIN}
    samples = Samples(np.arange(SAMPLES), y, y, np.arange(SAMPLES), sizes, CLASSES, CLASSES)
    fits = [Fit(block(files[n % FILES], n), prepare) for n in range(CELLS)]
    records = dict(run_fits(fits, samples, PROCESSES))
    return [records[number][1]["test_predictions"] for number in range(CELLS)]


def block(file: Path, key: int) -> FeatureBlock:
    """Features that lie on disk, as embeddings do."""
    return FeatureBlock(key, WIDTH, lambda wanted: np.load(file, mmap_mode="r")[wanted])


def prepare() -> UnfittedHead:
    return UnfittedHead(LogisticHead())


def bare_fit(file: Path, y: Any) -> Any:
    """Predictions of the test samples by scikit-learn alone."""
    X = np.load(file, mmap_mode="r")
    model = LogisticRegression(max_iter=1000).fit(X[:TRAIN], y[:TRAIN])
    return model.predict(X[TRAIN:])


def bare(files: list[Path], y: Any, processes: int) -> list[Any]:
    return list(Parallel(n_jobs=processes)(delayed(bare_fit)(file, y) for file in files))


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


@contextmanager
def peak_memory() -> Iterator[Callable[[], Any]]:
    """Bytes (anonymous, all) at their most, above what they are at the beginning."""
    first, most, over = held(), np.zeros(2, np.int64), threading.Event()

    def watch() -> None:
        while not over.wait(SAMPLE_EVERY):
            np.maximum(most, held(), out=most)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield lambda: most - first
    finally:
        over.set()
        thread.join()


def held(process: str = "self") -> Any:
    """Bytes (anonymous, proportional set size) of a process and its children."""
    try:
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii")
        tasks = list(Path(f"/proc/{process}/task").iterdir())
        children = [(task / "children").read_text(encoding="ascii") for task in tasks]
    except OSError:  # it has ended
        return np.zeros(2, np.int64)
    found = {line.split(":")[0]: line.split()[1] for line in rollup.splitlines()[1:]}
    own = 1024 * np.array([int(found["Anonymous"]), int(found["Pss"])])
    return sum((held(child) for child in " ".join(children).split()), own)


def matrix() -> dict[str, Any]:
    """Seconds of ours and of the bare fits, the ratio to what two processes can do, memory."""
    with tempfile.TemporaryDirectory() as folder:
        files, y = write_features(Path(folder))
        bare(files[:2], y, PROCESSES)  # starts and warms the processes
        with peak_memory() as peak:
            ours, predicted = timed(lambda: through_the_pipeline(files, y))
        one, expected = timed(lambda: bare(files, y, 1))
        two, _ = timed(lambda: bare(files, y, PROCESSES))
    same = all(np.array_equal(predicted[n], expected[n % FILES]) for n in range(CELLS))
    anonymous, everything = peak() / (SAMPLES * WIDTH * 4)
    possible = one * (CELLS / FILES) / (one / two)
    return {
        "same_predictions": same,
        "seconds": round(ours, 1),
        "bare_sum_seconds": round(one * CELLS / FILES, 1),
        "speed_up_of_two_processes": round(one / two, 2),
        "ratio_to_what_two_processes_can_do": round(ours / possible, 3),
        "peak_memory_over_largest_matrix": round(float(anonymous), 2),
        "the_same_with_mapped_files": round(float(everything), 2),
    }
