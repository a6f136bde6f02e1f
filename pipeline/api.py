"""The two calls of the Python API that compute: a matrix, and a collection."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..cache.catalog import Cache
from ..datasets.collection import Collection
from ..reports.results import Matrix
from . import session
from .experiment.schema import Experiment
from .experiment.toml import load_experiment
from .results import matrix
from .shards.progress import make_progress

Source = Experiment | Path | str | Mapping[str, Any]


def build_matrix(
    experiment: Source, *, cache: Path | str | None = None, quiet: bool = False
) -> Matrix:
    """Compute what an experiment lacks, fit the missing heads, and return its matrix.

    experiment: a TOML file, a mapping of the same shape, or an `Experiment`. cache: folder of the
    cache, by default `$A2PIPE_CACHE` or the user's cache folder.

    Raises:
        A2pipeError: the experiment, the dataset or a model is wrong; some images are bad and
            `run.skip_bad_images` is off; the disk is full.
    """
    opened = session.open_session(experiment, cache, make_progress(quiet))
    return matrix.build_matrix(opened).matrix


def load_collection(experiment: Source, *, cache: Path | str | None = None) -> Collection:
    """The samples that an experiment is about; raises UsageError if they cannot be found."""
    loaded = experiment if isinstance(experiment, Experiment) else load_experiment(experiment)
    return session.load_collection(loaded, Cache(Path(cache) if cache else None).root)
