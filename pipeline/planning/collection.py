"""Load the samples that an experiment is about."""

from pathlib import Path

from ...cache.catalog import Cache
from ...datasets.collection import Collection
from ...datasets.holdout import hold_out
from ...datasets.registry import load
from ..experiment.load import Source, load_experiment


def load_collection(experiment: Source, *, cache: Path | str | None = None) -> Collection:
    """Load the dataset that an experiment names.

    Where the experiment says so, `dataset.split_val` of the training images are held out for
    validation, and the collection is cut to `run.limit` samples.

    experiment: a TOML file, a mapping of the same shape, or an `Experiment`. cache: folder of the
    cache, where digests of files are remembered; `$A2PIPE_CACHE` or the user's cache folder if
    None.

    Raises:
        UsageError: the experiment is wrong, or the dataset cannot be found or read.
    """
    experiment, root = load_experiment(experiment), Cache(cache or None).root
    section, limit = experiment.dataset, experiment.run.limit
    collection = load(
        section.name,
        section.root,
        options=section.options,
        memo=root / "index",
        workspace=root / "collections",
        rehash=section.rehash,
    )
    if section.split_val is not None:
        collection = hold_out(collection, section.split_val, section.split_seed)
    return collection.limit(limit) if limit else collection
