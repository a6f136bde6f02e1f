"""A head for one block of features is planned before any feature is read, then built.

Every head takes one parameter more, `projected = true`: it then sees the CLS embeddings of an
OpenCLIP model projected into the space shared with text, as CLIP's own linear probes do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.fingerprint import fingerprint
from ...cache.records import Records
from ...datasets.collection import Collection
from ...errors import UsageError
from ...heads.fitting.projection import project
from ...heads.registry import HEADS, canonical, make_head
from ...models.text_tower import text_entry
from ..specs import FeatureSpec, ModelSpec
from .text import TextSource, image_projection, projection_spec
from .zero_shot import KIND, ZeroShotPlan, one_model, plan_zero_shot, zero_shot_head

PROJECTED = "projected"
SPEED_ALONE = "n_jobs"
"""This parameter of a head, as everywhere in scikit-learn, changes no result."""


@dataclass(frozen=True)
class HeadPlan:
    """A HeadPlan is a head on one block of features, as known before any feature is read.

    kind: its name. parameters: those of the head itself.
    address: the parameters that stand in its `HeadSpec`, which decide where its fit is stored.
    records: fingerprints of the records beside the features that it reads.
    projected: the model whose projection the features go through, or None.
    zero_shot: what a zero-shot head is made of; None for every other kind.
    """

    kind: str
    parameters: dict[str, Any]
    address: dict[str, Any]
    records: tuple[str, ...] = ()
    projected: ModelSpec | None = None
    zero_shot: ZeroShotPlan | None = None


@dataclass(frozen=True)
class UnfittedHead:
    """An UnfittedHead is a head and what features go through before it.

    head: a classifier. projection: float32 (d, e), from embeddings to the space shared with text;
    None for features as they are.
    """

    head: Any
    projection: NDArray[np.float32] | None = None

    def features(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return features as the head sees them: float32 (N, crops * d) to (N, crops * e)."""
        return X if self.projection is None else project(X, self.projection)


def plan_head(
    kind: str,
    parameters: Mapping[str, Any],
    collection: Collection,
    features: Sequence[FeatureSpec],
    source: TextSource,
) -> HeadPlan:
    """Find out what a head on these features is made of; reads no feature.

    kind, parameters: as the experiment gives them. source: where the files of the embedding model
    are found, for a head that reads text or a projection.

    Raises:
        UsageError: the kind or a parameter does not exist, or `plan_zero_shot` refuses them.
    """
    own, projected = _split(kind, parameters)
    if kind == KIND:
        plan = plan_zero_shot(own, collection, features, source)
        return HeadPlan(kind, own, plan.address, plan.records, zero_shot=plan)
    address = _address(kind, own, projected)
    if not projected:
        return HeadPlan(kind, own, address)
    model = one_model(features)
    text_entry(model.name)
    uses = (fingerprint(projection_spec(model)),)
    return HeadPlan(kind, own, address, uses, projected=model)


def build_head(plan: HeadPlan, source: TextSource, records: Records) -> UnfittedHead:
    """Return the unfitted head, with text embedded and projections read where it needs them.

    records: where text features and projections are kept, so that each is worked out once.

    Raises:
        UsageError, A2pipeError: as `zero_shot_head` and `image_projection`.
    """
    if plan.zero_shot is not None:
        return UnfittedHead(zero_shot_head(plan.zero_shot, source, records))
    head = make_head(plan.kind, plan.parameters)
    if plan.projected is None:
        return UnfittedHead(head)
    return UnfittedHead(head, image_projection(plan.projected, source, records))


def make_own_head(kind: str, parameters: Mapping[str, Any]) -> Any:
    """Return the unfitted head alone, without text features or a projection.

    parameters: as an experiment gives them, `projected` among them. Raises as `make_head`.
    """
    return make_head(kind, _split(kind, parameters)[0])


def project_features(
    X: NDArray[np.float32],
    parameters: Mapping[str, Any],
    features: Sequence[FeatureSpec],
    source: TextSource,
    records: Records,
) -> NDArray[np.float32]:
    """Return features as a fitted head with these parameters sees them: float32 (N, crops * e).

    X: float32 (N, crops * d), as they are stored. Raises as `image_projection`.
    """
    if not parameters.get(PROJECTED, False):
        return X
    return project(X, image_projection(one_model(features), source, records))


def _address(kind: str, own: Mapping[str, Any], projected: bool) -> dict[str, Any]:
    """Return what decides where a fit is stored: parameters, and whose code a plug-in's is."""
    address = canonical(kind, own)
    address.pop(SPEED_ALONE, None)
    if projected:
        address[PROJECTED] = True
    package = HEADS.origin(kind)
    return address if package is None else {**address, "package": package}


def _split(kind: str, parameters: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return the parameters of the head itself, and whether it sees projected features."""
    own = dict(parameters)
    projected = own.pop(PROJECTED, False)
    if not isinstance(projected, bool):
        raise UsageError(f"A head's projected is true or false, not {projected!r}.")
    if projected and kind == KIND:
        raise UsageError("Zero-shot projects its features in any case; leave out `projected`.")
    return own, projected
