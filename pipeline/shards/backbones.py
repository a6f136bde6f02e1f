"""Models are loaded ahead or when first needed, and their passes are counted."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...cache.catalog import Cache
from ...ending import in_background
from ...errors import A2pipeError
from ...models.identity import BackboneInfo
from ...stages.specs import ModelSpec
from ..experiment.sections import RunSection
from ..planning.plan import Stored

if TYPE_CHECKING:
    from ...models.backbone import Backbone


def weights_memo(cache: Cache) -> Path:
    """Return the file in which a cache remembers what was read from weights."""
    return cache.root / "index" / "weights.json"


class Backbones:
    """Load a backbone for each model and precision, ahead or when it is needed, and keep it.

    seconds_waited: how long `get` has waited for models to be loaded.
    """

    def __init__(self, infos: Mapping[str, BackboneInfo], run: RunSection, memo: Path | None):
        self._infos = infos
        self._run = run
        self._memo = memo
        self._loaded: dict[ModelSpec, Backbone] = {}
        self._ahead: dict[ModelSpec, Future[Backbone]] = {}
        self.seconds_waited = 0.0

    def serve(self, infos: Mapping[str, BackboneInfo], run: RunSection) -> bool:
        """Tell whether a run with these models and settings may use what is loaded here."""
        mine, theirs = (
            (dict(known), how.device, dict(how.weights), how.offline)
            for known, how in ((self._infos, self._run), (infos, run))
        )
        return mine == theirs

    def load_ahead(self, models: Iterable[ModelSpec]) -> None:
        """Begin to load models, one after the other, in a thread; `get` tells what goes wrong."""
        self._ahead = {model: Future() for model in models if model not in self._loaded}
        in_background(self._fulfil, dict(self._ahead))

    def _fulfil(self, ahead: Mapping[ModelSpec, Future[Backbone]]) -> None:
        for model, future in ahead.items():
            try:
                future.set_result(self._load(model))
            except BaseException as error:
                future.set_exception(error)

    def get(self, model: ModelSpec) -> Backbone:
        """Return the backbone of a model, which the first call loads or waits for.

        Raises:
            A2pipeError: its weights are no longer those that were identified.
        """
        if model not in self._loaded:
            start = time.perf_counter()
            ahead = self._ahead.pop(model, None)
            self._loaded[model] = ahead.result() if ahead else self._load(model)
            self.seconds_waited += time.perf_counter() - start
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

        kind = self._kind()
        # Powers of two, so that the largest is a multiple of the others.
        largest = max(
            images_a_pass(info.dim, info.tokens(side), kind)
            for info, side in ((self._infos[name], side) for name, side in passes)
        )
        return -(-wanted // largest) * largest

    def pinned(self, array: NDArray[np.uint8]) -> AbstractContextManager[None]:
        """Pin the memory of an array while the block runs, if the models are on a GPU."""
        if self._kind() != "cuda":
            return nullcontext()
        from ...models.preprocessing import pinned

        return pinned(array)

    @property
    def asynchronous(self) -> bool:
        """Return whether the device computes while this process does something else."""
        return self._kind() != "cpu"

    def _kind(self) -> str:
        """Return the kind of device that models are, or will be, on: cpu, cuda or mps."""
        if self._run.device == "cpu":  # told without PyTorch, which is being imported meanwhile
            return "cpu"
        from ...models.device import choose_device

        return choose_device(self._run.device).type

    def notices(self) -> list[str]:
        """Return what there is to tell of the models that were loaded, a sentence each."""
        return [notice for backbone in self._loaded.values() for notice in backbone.notices]

    def device(self) -> str:
        """Return where the loaded backbones are, or an empty string if none was needed."""
        return next((str(backbone.device) for backbone in self._loaded.values()), "")
