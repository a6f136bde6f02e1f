"""Fit heads that have no record yet, side by side in processes that share features on disk."""

from collections import Counter
from collections.abc import Callable, Generator, Hashable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from threadpoolctl import threadpool_limits

from ...cache.records import Record
from ...files import explained
from ...machine import cores
from ...stages.fits.fit import Features, fit_cell
from ...stages.fits.head_plan import UnfittedHead
from ...stages.fits.samples import Samples
from .processes import in_processes, scratch_folder

WORTH_A_PROCESS = 10_000_000
"""Below so many feature values, over all fits, to start processes takes longer than it saves."""
READ_AT_ONCE = 4096
"""The features of so many samples are in memory together while they are written to disk."""


@dataclass(frozen=True)
class FeatureBlock:
    """A FeatureBlock is the features of a collection's samples, read when they are needed.

    key: equal for equal features. width: number of values of one sample. read: takes positions
    (n,) in the collection and returns the features of these samples, float32 (n, width).
    """

    key: Hashable
    width: int
    read: Callable[[Any], Features]


@dataclass(frozen=True, eq=False)
class Fit:
    """A Fit is a head to fit on a feature block.

    prepare: returns the unfitted head when its turn comes.
    """

    features: FeatureBlock
    prepare: Callable[[], UnfittedHead]


def run_fits(
    fits: Sequence[Fit], samples: Samples, workers: int | None = None
) -> Generator[tuple[int, Record], None, None]:
    """Fit every head, and yield its number in `fits` and its record as soon as it is done.

    workers: number of processes, one a core unless given. The records depend neither on it nor on
    the order in which they come.

    A feature block is written to a temporary file once, and all its heads read it through a memory
    map, so memory holds no more than what the running fits touch. However the run ends, processes
    and files end with it; the files of a killed run go with the next run.

    Raises:
        UsageError, A2pipeError: as heads do, or a process was killed. Fits that are done by then
            have been yielded.
    """
    left = Counter(fit.features.key for fit in fits)
    processes = _processes(fits, samples, workers)
    with scratch_folder() as folder:
        jobs = ((*job, samples) for job in _jobs(fits, samples, folder))
        with closing(in_processes(processes, _fit, jobs)) as results:
            for number, file, record in results:
                key = fits[number].features.key
                left[key] -= 1
                # Else the features of all blocks would be on the disk at once by the end.
                if not left[key]:
                    file.unlink()
                yield number, record


def write_features(block: FeatureBlock, samples: Samples, file: Path) -> None:
    """Write the features of N samples, in their order, as .npy: float32 (N, width).

    Raises:
        A2pipeError: the file cannot be written; or as `block.read` does.
    """
    shape = (len(samples.index), block.width)
    with explained(file):
        features = open_memmap(file, mode="w+", dtype=np.float32, shape=shape)
        _fill(features, block, samples)
        features.flush()


def features_in_order(block: FeatureBlock, samples: Samples) -> Features:
    """Return the features of N samples, in their order, in memory: float32 (N, width)."""
    features = np.empty((len(samples.index), block.width), np.float32)
    _fill(features, block, samples)
    return features


def _fill(features: Features, block: FeatureBlock, samples: Samples) -> None:
    # Rows are stored in the order of the collection, and a read hashes every shard that it touches.
    # In the order of the samples, which are grouped by split, each shard would be read many times.
    order = np.argsort(samples.index)
    for start in range(0, len(order), READ_AT_ONCE):
        part = order[start : start + READ_AT_ONCE]
        features[part] = block.read(samples.index[part])


def _processes(fits: Sequence[Fit], samples: Samples, workers: int | None) -> int:
    """Return how many processes to start: one where more would take longer than they save."""
    values = sum(fit.features.width for fit in fits) * len(samples.index)
    return min(workers or cores(), len(fits)) if values >= WORTH_A_PROCESS else 1


def _jobs(
    fits: Sequence[Fit], samples: Samples, folder: Path
) -> Iterator[tuple[int, Path, UnfittedHead]]:
    """Yield number, file of features and head of each fit; a file is written when first needed."""
    written: dict[Hashable, Path] = {}
    for number, fit in enumerate(fits):
        head, key = fit.prepare(), fit.features.key
        if key not in written:
            written[key] = folder / f"{number}.npy"
            write_features(fit.features, samples, written[key])
        yield number, written[key], head


def _fit(number: int, file: Path, head: UnfittedHead, samples: Samples) -> tuple[int, Path, Record]:
    with threadpool_limits(1):
        features = head.features(np.load(file, mmap_mode="r"))
    return number, file, fit_cell(head.head, features, samples)
