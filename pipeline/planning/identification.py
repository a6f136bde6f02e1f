"""The models of an experiment are identified, in a thread while the dataset is read."""

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path

from ...ending import in_background
from ...errors import A2pipeError, UsageError
from ...models.identity import BackboneInfo, identify, is_known, refuse_unusable
from ...models.outputs import Block, Output, parse_pools, parse_statistic
from ...models.zoo.names import resolve
from ..experiment.schema import Experiment


class Identification:
    """Identify the models of an experiment in a thread, as far as that needs no network.

    Weights that are new to the memo are looked into with PyTorch, whose import takes seconds. They
    pass while the dataset is read. Where the memo knows every model, PyTorch is not imported.

    experiment: what names the models. memo: the file that remembers what was read from weights.
    """

    def __init__(self, experiment: Experiment, memo: Path) -> None:
        self._experiment, self._memo = experiment, memo
        self._found: dict[str, BackboneInfo] = {}
        self._thread = in_background(self._run)

    def finish(self) -> dict[str, BackboneInfo]:
        """Wait for the thread, and return what it has found of each model, by name.

        Models that it could not identify, as their weights have to be fetched, or as anything is
        wrong, are left out; `identify_all` asks for them again and tells what is wrong.
        """
        self._thread.join()
        return self._found

    def _run(self) -> None:
        with suppress(Exception):
            if self._needs_pytorch():
                # Weights that have to be fetched need it too, once the dataset was checked.
                from ...models import backbone  # noqa: F401
        run = self._experiment.run
        for name in _names(self._experiment):
            with suppress(Exception):
                self._found[name] = identify(
                    name, weights=run.weights.get(name), offline=True, memo=self._memo
                )

    def _needs_pytorch(self) -> bool:
        try:
            return not _all_known(self._experiment, self._memo, offline=True)
        except UsageError:
            return False
        except A2pipeError:  # weights that are not on this machine
            return True


def identify_all(
    experiment: Experiment, memo: Path | None, found: Mapping[str, BackboneInfo] | None = None
) -> dict[str, BackboneInfo]:
    """Return architecture and weights digest of every model that the experiment names, by name.

    memo: the file that remembers what was read from weights, or None. found: what has just been
    identified.

    Raises:
        UsageError: a name is unknown, or a model has no CLS token and is asked for what needs one.
        A2pipeError: weights cannot be had or read.
    """
    _refuse_lacking(experiment)
    run, found = experiment.run, found or {}
    return {
        name: found.get(name)
        or identify(name, weights=run.weights.get(name), offline=run.offline, memo=memo)
        for name in _names(experiment)
    }


def identify_apart(experiment: Experiment, memo: Path) -> None:
    """Read the weights that the memo does not know in another process, which fills the memo.

    PyTorch takes some 700 MB, which are gone when that process ends. Nothing is done where this
    process has PyTorch already. Weights that cannot be read there raise in `identify_all`, which is
    called next.

    Raises:
        UsageError: as for `identify_all`.
        A2pipeError: weights cannot be had.
    """
    _refuse_lacking(experiment)
    if "torch" in sys.modules or _all_known(experiment, memo, experiment.run.offline):
        return
    child = get_context("spawn").Process(target=_identify, args=(experiment, memo), daemon=True)
    child.start()
    child.join()


def _identify(experiment: Experiment, memo: Path) -> None:
    with suppress(Exception, KeyboardInterrupt):
        identify_all(experiment, memo)
    # What is known is on disk by now, and PyTorch takes two seconds to end in order.
    os._exit(0)


def _all_known(experiment: Experiment, memo: Path, offline: bool) -> bool:
    """Tell whether the memo knows every model; raises what `identify` raises."""
    weights = experiment.run.weights
    return all(
        is_known(name, weights=weights.get(name), offline=offline, memo=memo)
        for name in _names(experiment)
    )


def _refuse_lacking(experiment: Experiment) -> None:
    """Raise UsageError if a model lacks what it is asked for, before any weights are fetched."""
    for name in _names(experiment):
        refuse_unusable(resolve(name), _asked_of(name, experiment))


def _asked_of(name: str, experiment: Experiment) -> list[Output]:
    """Return what a model is asked for, as far as it is known before the model is."""
    asked: list[Output] = []
    if name in experiment.attention.models:
        sources = experiment.attention.source
        asked += [Block(1)] if "attention" in sources else []
        statistics = (*sources, *experiment.patches.statistics)
        asked += [parse_statistic(text) for text in statistics if text != "attention"]
    if name in experiment.embedding.models:
        asked += [pool for pools in experiment.embedding.pool for pool in parse_pools(pools)]
    return asked


def _names(experiment: Experiment) -> list[str]:
    """Return the models that the experiment names, each once."""
    return list(dict.fromkeys((*experiment.attention.models, *experiment.embedding.models)))
