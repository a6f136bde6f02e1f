"""Heads of a masking probe: a model's own, or ones that are fitted on whole images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ....datasets.collection import Collection
from ....errors import UsageError
from ....heads.registry import make_head
from ....models.own_head import OwnHead, read_own_head
from ....stages.fits.fit import fit_head, refusals_explained
from ....stages.fits.samples import samples_of_collection
from ...session import Session
from .passes import Features, Passes

KINDS = {"linear": "logistic", "nearest-mean": "nearest-mean"}
"""These heads are fitted; it gives their kinds in the registry of heads."""


@dataclass(frozen=True, eq=False)
class Predictor:
    """A Predictor is a head with the embedding that it reads.

    head: as the experiment calls it. pool: of the embedding. predict: takes embeddings (n, d) to
    class indices (n,).
    """

    head: str
    pool: str
    predict: Callable[[Features], NDArray[np.int64]]


def check_heads(session: Session, model: str) -> None:
    """Raise UsageError, before anything is computed, for heads that cannot predict.

    That is so if no head can be fitted on the training samples, or the model has no head of its
    own, or one for another number of classes.
    """
    heads = session.experiment.masking.head
    if set(heads) & KINDS.keys():
        samples_of_collection(session.collection)
    if "own" in heads:
        _own(session, session.collection, model)


def predictors(session: Session, passes: Passes) -> list[Predictor]:
    """Return every head of an experiment, fitted on the whole training images of a model."""
    section, found = session.experiment, list[Predictor]()
    for head in section.masking.head:
        if head == "own":
            own = _own(session, passes.collection, passes.model)
            found.append(Predictor(head, "native", own.predict))
        else:
            found += [_fitted(passes, head, pool) for pool in section.embedding.pool]
    return found


def _own(session: Session, collection: Collection, model: str) -> OwnHead:
    own = read_own_head(model, session.experiment.run.weights.get(model))
    if own.classes != len(collection.class_names):
        raise UsageError(
            f"The head of {model} tells {own.classes:,} classes apart, and {collection.name} has "
            f"{len(collection.class_names):,}: choose --head linear or nearest-mean."
        )
    return own


def _fitted(passes: Passes, kind: str, pool: str) -> Predictor:
    samples = samples_of_collection(passes.collection)
    images = [passes.collection.digests[index] for index in samples.index.tolist()]
    head = make_head(KINDS[kind], {})
    # One thread, as everywhere, so that a fit does not depend on the number of cores.
    with threadpool_limits(1), refusals_explained(head):
        fit_head(head, passes.embed(pool, images), samples)

    def predict(features: Features) -> NDArray[np.int64]:
        with threadpool_limits(1):
            return np.asarray(head.predict(features), np.int64)

    return Predictor(kind, pool, predict)
