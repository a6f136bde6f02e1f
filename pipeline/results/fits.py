"""Fits that have no record yet, side by side in processes that share the features on disk."""

from __future__ import annotations

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
from ...stages.fits.prepared import PreparedHead
from ...stages.fits.samples import Samples
from .processes import in_processes, scratch_folder

WORTH_A_PROCESS = 10_000_000
"""Feature values, over all fits, below which starting processes takes longer than it saves."""
READ_AT_ONCE = 4096
"""Samples whose features are in memory together while they are written down."""


@dataclass(frozen=True)
class FeatureBlock:
    """Features of N samples that need not be in memory.

    key: equal for equal features; width: of one sample's; read: the features of the samples at
    these positions of the collection, float32 (n, width).
    """

    key: Hashable
    width: int
    read: Callable[[Any], Features]


@dataclass(frozen=True, eq=False)
class Fit:
    """A head to fit on some features; prepare: makes an unfitted one, when its turn comes."""

    features: FeatureBlock
    prepare: Callable[[], PreparedHead]


def run_fits(
    fits: Sequence[Fit], samples: Samples, workers: int | None = None
) -> Generator[tuple[int, Record], None, None]:
    """Fit each, and yield its number and record as soon as it is done, in any order.

    A feature block is written to a temporary file once, read by all its heads through a memory
    map, and removed with the last of them; so memory holds no more than what the running fits
    touch. The records depend neither on the number of workers (one a core unless given) nor on
    the order. However the run ends, processes and files end with it (files of a killed process
    with the next run).

    Raises:
        UsageError, A2pipeError: as heads do, or a process was killed; fits that are done have been
            yielded.
    """
    left = Counter(fit.features.key for fit in fits)
    processes = _processes(fits, samples, workers)
    with scratch_folder() as folder:
        jobs = ((*job, samples) for job in _jobs(fits, samples, folder))
        with closing(in_processes(processes, _fit, jobs)) as results:
            for number, file, record in results:
                key = fits[number].features.key
                left[key] -= 1
                if not left[key]:
                    file.unlink()
                yield number, record


def write_features(block: FeatureBlock, samples: Samples, file: Path) -> None:
    """The features in the order of `samples`, as .npy: float32 (N, width)."""
    shape = (len(samples.index), block.width)
    with explained(file):
        features = open_memmap(file, mode="w+", dtype=np.float32, shape=shape)
        _fill(features, block, samples)
        features.flush()


def features_in_order(block: FeatureBlock, samples: Samples) -> Features:
    """The features in the order of `samples`, in memory: float32 (N, width)."""
    features = np.empty((len(samples.index), block.width), np.float32)
    _fill(features, block, samples)
    return features


def _fill(features: Features, block: FeatureBlock, samples: Samples) -> None:
    """Read in the order of the collection, which is that of the stored rows."""
    order = np.argsort(samples.index)
    for start in range(0, len(order), READ_AT_ONCE):
        part = order[start : start + READ_AT_ONCE]
        features[part] = block.read(samples.index[part])


def _processes(fits: Sequence[Fit], samples: Samples, workers: int | None) -> int:
    """As many as there are workers, but one where starting more would take longer."""
    values = sum(fit.features.width for fit in fits) * len(samples.index)
    return min(workers or cores(), len(fits)) if values >= WORTH_A_PROCESS else 1


def _jobs(
    fits: Sequence[Fit], samples: Samples, folder: Path
) -> Iterator[tuple[int, Path, PreparedHead]]:
    """Number, features and head of each fit; features are written when first needed."""
    written: dict[Hashable, Path] = {}
    for number, fit in enumerate(fits):
        head, key = fit.prepare(), fit.features.key
        if key not in written:
            written[key] = folder / f"{number}.npy"
            write_features(fit.features, samples, written[key])
        yield number, written[key], head


def _fit(number: int, file: Path, head: PreparedHead, samples: Samples) -> tuple[int, Path, Record]:
    with threadpool_limits(1):
        features = head.features(np.load(file, mmap_mode="r"))
    return number, file, fit_cell(head.head, features, samples)
