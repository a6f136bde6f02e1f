"""Find out what a zero-shot head reads before anything is embedded, then build it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...cache.fingerprint import fingerprint
from ...cache.records import Records
from ...datasets.collection import Collection
from ...errors import UsageError
from ...heads.registry import canonical, make_head
from ..specs import FeatureSpec, ModelSpec, TextSpec, parts_of
from .prompts import prompt_names, prompts
from .text import (
    TextSource,
    class_features,
    image_projection,
    projection_spec,
    text_model,
    text_specs,
)

if TYPE_CHECKING:
    from ...heads.zero_shot import ZeroShotHead

KIND = "zero-shot"


@dataclass(frozen=True)
class ZeroShotPlan:
    """A ZeroShotPlan is a zero-shot head on one block of features, before anything is embedded.

    parameters: as the experiment gives them. names: what the classes are called in prompts.
    texts: the spec of each prompt of each class. model: whose embeddings they are compared with.
    """

    parameters: Mapping[str, Any]
    names: tuple[str, ...]
    texts: tuple[tuple[TextSpec, ...], ...]
    model: ModelSpec

    @property
    def address(self) -> dict[str, Any]:
        """Return what decides a prediction: prompts, however they were written, and text tower."""
        given = canonical(KIND, self.parameters)
        others = {k: v for k, v in given.items() if k not in ("templates", "class_names")}
        return {
            **others,
            "prompts": [[spec.prompt for spec in of_class] for of_class in self.texts],
            "text_model": fingerprint(self.texts[0][0].model),
        }

    @property
    def records(self) -> tuple[str, ...]:
        """Return fingerprints of the records it reads or writes, which `cache gc` has to keep."""
        texts = dict.fromkeys(spec for of_class in self.texts for spec in of_class)
        return (*map(fingerprint, texts), fingerprint(projection_spec(self.model)))


def plan_zero_shot(
    parameters: Mapping[str, Any],
    collection: Collection,
    features: Sequence[FeatureSpec],
    source: TextSource,
) -> ZeroShotPlan:
    """Find out what a zero-shot head is made of.

    Nothing is embedded, and torch is not imported if `source.memo` knows the weights.

    Raises:
        UsageError: a parameter or the class names cannot be used, the features are of several
            models or of one without a text tower, or of several crops that nothing combines.
        A2pipeError: the weights cannot be had or are not those of the features.
    """
    head: ZeroShotHead = make_head(KIND, parameters)
    model = one_model(features)
    if len(features) > 1 and head.combine is None:
        raise UsageError(
            f"Zero-shot reads one crop, and this row has {len(features)}; name one crop size, or "
            'set combine = "mean".'
        )
    names = prompt_names(collection, head.class_names)
    by_class = [prompts(head.templates, name) for name in names]
    texts = text_specs(text_model(model, source), by_class)
    return ZeroShotPlan(parameters, names, texts, model)


def zero_shot_head(plan: ZeroShotPlan, source: TextSource, records: Records) -> ZeroShotHead:
    """Return the unfitted head with its text features and its projection.

    Prompts without a record are embedded.

    Raises:
        UsageError: a prompt is longer than the text tower reads.
        A2pipeError: open_clip is not installed, or the weights cannot be had or do not fit.
    """
    head: ZeroShotHead = make_head(KIND, plan.parameters)
    text = class_features(plan.texts, source, records)
    projection = image_projection(plan.model, source, records)
    head.set_params(text=text, projection=projection, classes=np.arange(len(plan.names)))
    return head


def one_model(features: Sequence[FeatureSpec]) -> ModelSpec:
    """Return the one model of a block of features.

    Raises:
        UsageError: there are several, or an embedding is not that of the CLS token, which alone is
            shared with text.
    """
    if {part.pool for spec in features for part in parts_of(spec)} != {"cls"}:
        raise UsageError(
            "Only embeddings of the CLS token can be projected into the space shared with text; "
            'name the pool "cls".'
        )
    models = dict.fromkeys(spec.model for spec in features)
    if len(models) > 1:
        names = ", ".join(model.name for model in models)
        raise UsageError(
            f"These features are of several models ({names}), and only those of one can be "
            "projected into the space shared with text; name one."
        )
    return next(iter(models))
