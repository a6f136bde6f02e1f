"""Embed the text of classes, and read projections of images; each is kept as a record."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.records import Records
from ...errors import A2pipeError, UnwritableError
from ...models.identity import identify
from ...models.text_tower import identify_text, load_text_tower, read_projection
from ..specs import ModelSpec, ProjectionSpec, TextModelSpec, TextSpec

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class TextSource:
    """A TextSource says where the files of an OpenCLIP model are found.

    weights: the file that the experiment gives; None for the published one.
    offline: whether the network must not be used.
    memo: a file that remembers digests, so that weights are read and torch is imported only once.
    """

    weights: Path | None = None
    offline: bool = False
    memo: Path | None = None


def text_model(model: ModelSpec, source: TextSource) -> TextModelSpec:
    """Return the text tower that belongs to an embedding model.

    Raises:
        UsageError: the model has no text tower.
        A2pipeError: its weights cannot be had, or are not those that the embeddings are made with.
    """
    info = identify_text(model.name, **_where(source))
    _check_weights(model, info.image_weights)
    return TextModelSpec(info.architecture, info.weights, name=info.name)


def _check_weights(model: ModelSpec, found: str) -> None:
    if found != model.weights:
        raise A2pipeError(
            f"The embeddings are of other weights of {model.name} than those that are here now, "
            "which text and projection would come from; give the same `--weights`, or run again."
        )


def text_specs(
    model: TextModelSpec, prompts: Sequence[Sequence[str]]
) -> tuple[tuple[TextSpec, ...], ...]:
    """Return the spec of each prompt of each class."""
    return tuple(tuple(TextSpec(model, prompt) for prompt in of_class) for of_class in prompts)


def class_features(
    specs: Sequence[Sequence[TextSpec]], source: TextSource, records: Records
) -> Floats:
    """Return the feature of each of C classes, of unit length: float32 (C, e).

    It is the mean of the features of the class's prompts, scaled to unit length again. Only prompts
    without a record are embedded.
    """
    found = _embedded(
        dict.fromkeys(spec for of_class in specs for spec in of_class), source, records
    )
    return np.stack([_mean([found[spec] for spec in of_class]) for of_class in specs])


def _mean(rows: list[Floats]) -> Floats:
    """Return the mean of rows, scaled to unit length; a single row as it is, bit for bit."""
    if len(rows) == 1:
        return rows[0]
    mean = np.mean(rows, axis=0, dtype=np.float64)
    return np.asarray(mean / np.linalg.norm(mean), np.float32)


def _embedded(
    specs: dict[TextSpec, None], source: TextSource, records: Records
) -> dict[TextSpec, Floats]:
    found = dict(_recorded(specs, records))
    missing = [spec for spec in specs if spec not in found]
    if missing:
        tower = load_text_tower(missing[0].model.name, **_where(source))
        for spec, row in zip(missing, tower.embed([s.prompt for s in missing]), strict=True):
            found[spec] = row
            _write(records, spec, {"prompt": spec.prompt}, embedding=row)
    return found


def _recorded(specs: dict[TextSpec, None], records: Records) -> Iterator[tuple[TextSpec, Floats]]:
    for spec in specs:
        record = records.read(spec)
        if record is not None:
            yield spec, record[1]["embedding"]


def image_projection(model: ModelSpec, source: TextSource, records: Records) -> Floats:
    """Return the projection of a model's CLS embeddings to the space shared with text: (d, e).

    Raises:
        UsageError: the model has no text tower, and so no such space.
        A2pipeError: its weights cannot be had, are not those that the embeddings are made with, or
            hold no projection.
    """
    spec = projection_spec(model)
    record = records.read(spec)
    if record is not None:
        kept: Floats = record[1]["projection"]
        return kept
    _check_weights(model, identify(model.name, **_where(source)).weights)
    projection = read_projection(model.name, weights=source.weights, offline=source.offline)
    _write(records, spec, {"shape": list(projection.shape)}, projection=projection)
    return projection


def projection_spec(model: ModelSpec) -> ProjectionSpec:
    """Return the spec of a model's projection."""
    return ProjectionSpec(model.weights, name=model.name)


def _write(records: Records, spec: Any, content: dict[str, Any], **arrays: Floats) -> None:
    """Keep a record, unless the cache may only be read."""
    with suppress(UnwritableError):
        records.write(spec, content, arrays)


def _where(source: TextSource) -> dict[str, Any]:
    return {"weights": source.weights, "offline": source.offline, "memo": source.memo}
