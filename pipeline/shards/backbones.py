"""Models are identified ahead and loaded when first needed, and their passes are counted."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...cache.catalog import Cache
from ...errors import A2pipeError
from ...models.identity import BackboneInfo, identify, is_known
from ...stages.specs import ModelSpec
from ..experiment.schema import Experiment
from ..experiment.sections import RunSection
from ..planning.plan import Stored

if TYPE_CHECKING:
    from ...models.backbone import Backbone


def weights_memo(cache: Cache) -> Path:
    """Return the file in which a cache remembers what was read from weights."""
    return cache.root / "index" / "weights.json"


def identify_all(experiment: Experiment, memo: Path | None) -> dict[str, BackboneInfo]:
    """Return architecture and weights digest of every model that the experiment names, by name.

    memo: the file that remembers what was read from weights, or None.

    Raises:
        UsageError: a name is unknown.
        A2pipeError: weights cannot be had or read.
    """
    run = experiment.run
    return {
        name: identify(name, weights=run.weights.get(name), offline=run.offline, memo=memo)
        for name in _names(experiment)
    }


def identify_apart(experiment: Experiment, memo: Path) -> None:
    """Read the weights that the memo does not know in another process, which fills the memo.

    PyTorch takes some 700 MB, which are gone when that process ends. Nothing is done where this
    process has PyTorch already. Weights that cannot be read there raise in `identify_all`, which is
    called next.

    Raises:
        UsageError: a name is unknown.
        A2pipeError: weights cannot be had.
    """
    run = experiment.run
    if "torch" in sys.modules or all(
        is_known(name, weights=run.weights.get(name), offline=run.offline, memo=memo)
        for name in _names(experiment)
    ):
        return
    child = get_context("spawn").Process(target=_identify, args=(experiment, memo), daemon=True)
    child.start()
    child.join()


def _identify(experiment: Experiment, memo: Path) -> None:
    with suppress(Exception, KeyboardInterrupt):
        identify_all(experiment, memo)
    # What is known is on disk by now, and PyTorch takes two seconds to end in order.
    os._exit(0)


def _names(experiment: Experiment) -> list[str]:
    """Return the models that the experiment names, each once."""
    return list(dict.fromkeys((*experiment.attention.models, *experiment.embedding.models)))


class Backbones:
    """Load a backbone for each model and precision when it is first needed, and keep it."""

    def __init__(self, infos: Mapping[str, BackboneInfo], run: RunSection, memo: Path | None):
        self._infos = infos
        self._run = run
        self._memo = memo
        self._loaded: dict[ModelSpec, Backbone] = {}

    def serve(self, infos: Mapping[str, BackboneInfo], run: RunSection) -> bool:
        """Tell whether a run with these models and settings may use what is loaded here."""
        mine, theirs = (
            (dict(known), how.device, dict(how.weights), how.offline)
            for known, how in ((self._infos, self._run), (infos, run))
        )
        return mine == theirs

    def get(self, model: ModelSpec) -> Backbone:
        """Return the backbone of a model, which the first call loads.

        Raises:
            A2pipeError: its weights are no longer those that were identified.
        """
        if model not in self._loaded:
            self._loaded[model] = self._load(model)
        return self._loaded[model]

    def _load(self, model: ModelSpec) -> Backbone:
        from ...models.backbone import load_backbone

        backbone = load_backbone(
            model.name,
            weights=self._run.weights.get(model.name),
            device=self._run.device,
            precision=model.precision,
            compiled=model.compiled,
            offline=self._run.offline,
            memo=self._memo,
        )
        if backbone.info.weights != model.weights:
            raise A2pipeError(
                f"The weights of {model.name} have changed since this run began: run again."
            )
        return backbone

    def prefix_tokens(self, model: ModelSpec) -> int:
        """Return the number of tokens before the patches: CLS and registers."""
        return self._infos[model.name].prefix_tokens

    def forward_passes(self) -> dict[str, int]:
        """Return how many images were sent through each model so far, by the model's name.

        Every crop counts as an image.
        """
        counts: dict[str, int] = {}
        for model, backbone in self._loaded.items():
            counts[model.name] = counts.get(model.name, 0) + backbone.forward_passes
        return counts

    def batch_size(self, specs: Iterable[Stored]) -> int:
        """Return how many images are decoded and held together to compute these specs.

        It is a multiple of the images of every pass, so that passes are full.
        """
        passes = {
            (each.model.name, each.side) for each in (spec.forward_pass for spec in specs) if each
        }
        wanted = self._run.batch_size
        if not passes:
            return wanted
        from ...models.forward_shape import images_a_pass

        kind = self._chosen().type
        # Powers of two, so that the largest is a multiple of the others.
        largest = max(
            images_a_pass(info.dim, info.tokens(side), kind)
            for info, side in ((self._infos[name], side) for name, side in passes)
        )
        return -(-wanted // largest) * largest

    def pinned(self, array: NDArray[np.uint8]) -> AbstractContextManager[None]:
        """Pin the memory of an array while the block runs, if the models are on a GPU."""
        if self._chosen().type != "cuda":
            return nullcontext()
        from ...models.preprocessing import pinned

        return pinned(array)

    def _chosen(self) -> Any:
        """Return the device that models are, or will be, on."""
        from ...models.backbone import choose_device

        return choose_device(self._run.device)

    def notices(self) -> list[str]:
        """Return what there is to tell of the models that were loaded, a sentence each."""
        return [notice for backbone in self._loaded.values() for notice in backbone.notices]

    def device(self) -> str:
        """Return where the loaded backbones are, or an empty string if none was needed."""
        return next((str(backbone.device) for backbone in self._loaded.values()), "")
