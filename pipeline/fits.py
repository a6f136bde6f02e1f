"""Fits that have no record yet, side by side in processes that share the features on disk."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from ..cache.files import explained
from ..cache.records import Record
from ..heads.registry import make_head
from ..stages.heads import fit_cell
from ..stages.samples import Samples
from ..stages.specs import FitSpec
from .experiment import HeadSection
from .plan import PlanRow
from .session import Session

WORTH_A_PROCESS = 10_000_000
"""Feature values, over all fits, below which starting processes takes longer than it saves."""
READ_AT_ONCE = 4096
"""Samples whose features are in memory together while they are written down."""


@dataclass(frozen=True, eq=False)
class Fit:
    """One cell to fit."""

    spec: FitSpec
    row: PlanRow
    column: str
    head: HeadSection


def run_fits(
    session: Session, samples: Samples, fits: Sequence[Fit]
) -> Generator[tuple[Fit, Record], None, None]:
    """Fit and yield each as soon as it is done, in any order.

    The features of one cell are written to a temporary file once, read by all heads through a
    memory map, and removed with the last of them; so memory holds no more than what the running
    fits touch. The results depend neither on the number of processes nor on their order.

    Raises:
        UsageError, A2pipeError: as heads do; fits that are done have been yielded.
    """
    from joblib import Parallel, delayed, parallel_config

    left = Counter(fit.spec.features for fit in fits)
    with tempfile.TemporaryDirectory(prefix="a2pipe-features-") as folder:
        jobs = _jobs(session, samples, fits, Path(folder))
        pool = Parallel(
            n_jobs=_processes(session, samples, fits),
            return_as="generator_unordered",
            pre_dispatch="n_jobs",
        )
        with (
            parallel_config("loky", inner_max_num_threads=1),
            closing(pool(delayed(_fit)(*job, samples) for job in jobs)) as results,
        ):
            for number, file, record in results:
                features = fits[number].spec.features
                left[features] -= 1
                if not left[features]:
                    file.unlink()
                yield fits[number], record


def _processes(session: Session, samples: Samples, fits: Sequence[Fit]) -> int:
    """As many as there are workers, but one where starting more would take longer."""
    width = sum(_width(session, fit.row, fit.column) for fit in fits)
    workers = session.experiment.run.workers or os.cpu_count() or 1
    worthwhile = width * len(samples.index) >= WORTH_A_PROCESS
    return min(workers, len(fits)) if worthwhile else 1


def _jobs(
    session: Session, samples: Samples, fits: Sequence[Fit], folder: Path
) -> Iterator[tuple[int, Path, Any]]:
    """Number, features and head of each fit; features are written when first needed."""
    written: dict[tuple[Any, ...], Path] = {}
    for number, fit in enumerate(fits):
        head = make_head(fit.head.kind, fit.head.parameters)
        if fit.spec.features not in written:
            written[fit.spec.features] = folder / f"{number}.npy"
            write_features(session, samples, fit.row, fit.column, folder / f"{number}.npy")
        yield number, written[fit.spec.features], head


def write_features(
    session: Session, samples: Samples, row: PlanRow, column: str, file: Path
) -> None:
    """Concatenated embeddings in the order of `samples`, as .npy: float32 (N, d)."""
    digests, order = session.collection.digests, np.argsort(samples.index)
    shape = (len(samples.index), _width(session, row, column))
    with explained(file):
        features = open_memmap(file, mode="w+", dtype=np.float32, shape=shape)
        for start in range(0, len(order), READ_AT_ONCE):
            part = order[start : start + READ_AT_ONCE]
            images = [digests[position] for position in samples.index[part]]
            features[part] = features_of(session, images, row, column)
        features.flush()


def features_of(
    session: Session, images: list[str], row: PlanRow, column: str
) -> NDArray[np.float32]:
    """Concatenated crop embeddings, one row an image digest: float32 (len(images), n * d)."""
    blocks = [session.read(spec, images) for spec in session.plan.features(row, column)]
    return np.concatenate(blocks, axis=1, dtype=np.float32)


def _width(session: Session, row: PlanRow, column: str) -> int:
    """How many features one sample has in a cell."""
    plan = session.plan
    return sum(plan.field(spec).shape[0] for spec in plan.features(row, column))


def _fit(number: int, file: Path, head: Any, samples: Samples) -> tuple[int, Path, Record]:
    return number, file, fit_cell(head, np.load(file, mmap_mode="r"), samples)
