"""Commands open an experiment on a cache through this function."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..pipeline.experiment.schema import Experiment
    from ..pipeline.session import Session
    from ..pipeline.shards.executor import Executor


def open_experiment(
    source: Path | Experiment | None,
    overrides: Mapping[str, Any],
    cache_root: Path | None,
    quiet: bool,
    executor: Executor | None = None,
    looking: bool = False,
) -> Session:
    """Open the experiment that the arguments and flags of a command describe.

    source: an experiment, its file, or None for flags alone. overrides: the flags, by dotted keys
    of the experiment. cache_root: folder of the cache, None for the default one. quiet: print no
    progress. executor: what computes shards; what the experiment says if None. looking: nothing is
    to be computed.

    Raises:
        UsageError: the experiment, a model name or the dataset is wrong, or --gpus asks for what
            this machine lacks.
    """
    from ..pipeline.experiment.load import load_experiment
    from ..pipeline.session import open_session
    from ..pipeline.shards.progress import make_progress

    loaded, progress = load_experiment(source, overrides), make_progress(quiet)
    if "run.gpus" in overrides and not looking:
        from ..pipeline.shards.gpus.devices import choose_gpus

        choose_gpus(loaded.run.gpus or "all")  # before a dataset is read, which may take long
    return open_session(loaded, cache_root, progress, executor=executor, looking=looking)


def without_attention(
    source: Path | Experiment | None, overrides: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the flags of a command for which no map of attention is made, so that none is read.

    Models whose attention cannot be read would be refused otherwise. Rows that combine others are
    left out, as they may name one with such a map. source, overrides: as for `open_experiment`.
    """
    from ..pipeline.experiment.load import load_experiment

    named = load_experiment(source, overrides).attention.source
    sources = tuple(each for each in named if each != "attention")
    return {**overrides, "attention.source": sources, "combine": ()}
