"""Find an object in every image by every map of an experiment: from records, else measured."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.fingerprint import fingerprint
from ...cache.records import Record, Records
from ...datasets.collection import Collection
from ...datasets.masks import masks_digest
from ...errors import A2pipeError, UsageError
from ...metrics.discovery import THRESHOLDS
from ...metrics.mean_intervals import mean_intervals
from ...reports.localization.discovery import Discovery, DiscoveryLine, Estimate
from ...stages.discovery import Scene, discovery_values, find_scenes
from ...stages.specs import DiscoverSpec, MapSpec
from ..session import Session
from ..shards.bad_images import refuse_bad_images
from .run_record import RunRecord, study_facts
from .stage_run import compute_stage

MAPS = "maps"
"""So far the plan is computed: attention and statistics of patches, which maps are made of."""
READ_AT_ONCE = 2048
"""The rows of so many images are in memory together."""
MEASURED_AT_ONCE = 64
"""The maps of so many images are worked on at a time."""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class _Truth:
    """A truth is what maps are compared with: its name in a spec, and the images that have it."""

    name: str
    scenes: list[Scene]
    left_out: int


def discover(session: Session) -> Discovery:
    """Compute missing maps, find objects by each that has no record, return what was found.

    Every map is compared under every threshold: as a box with the boxes of the images that have
    some (CorLoc), as a foreground with the masks of those that have one (mIoU).

    Raises:
        UsageError: no attention model is named, or the dataset has no image in the split, or
            neither a box nor a mask there; or a mask cannot be read or is not of its image's size.
        BadImagesError: some images are bad and `run.skip_bad_images` is off.
    """
    experiment = session.experiment
    if not experiment.attention.models:
        raise UsageError("Name at least one attention model with --model.")
    record = RunRecord(images=len(session.collection.images), stats=session.stats)
    _truths(session, session.collection)
    record.bad = compute_stage(session, MAPS).bad
    refuse_bad_images(record.bad, experiment.run.skip_bad_images)
    collection = session.usable(record.bad)
    record.samples_left_out = len(session.collection) - len(collection)
    start = time.perf_counter()
    truths = _truths(session, collection)
    found = {
        spec: each
        for (of_map, kind) in _maps(session).items()
        for spec, each in _of_map(session, collection.digest, of_map, truths).items()
    }
    record.seconds["discovery"] = time.perf_counter() - start
    session.keep([fingerprint(spec) for spec in found], through=MAPS, purpose="discover")
    return _discovery(session, collection, found, record)


def _truths(session: Session, collection: Collection) -> list[_Truth]:
    """Return what the images of the split can be compared with."""
    scenes = find_scenes(collection, session.experiment.localize.split)
    boxed = [scene for scene in scenes if len(scene.boxes)]
    masked = [scene for scene in scenes if scene.mask]
    if not boxed and not masked:
        raise UsageError(
            f"Dataset {collection.name} has no boxes and no masks in the split "
            f"{session.experiment.localize.split}, with which objects that are found could be "
            "compared; choose another localize.split or dataset."
        )
    found = [_Truth("boxes", boxed, len(scenes) - len(boxed))] if boxed else []
    if masked:
        digest = masks_digest({scene.image: scene.mask for scene in masked})
        found.append(_Truth(digest, masked, len(scenes) - len(masked)))
    return found


def _maps(session: Session) -> dict[MapSpec, str]:
    """Return the maps of the plan with their kind, each once."""
    return {row.map: row.kind for row in session.plan.rows if row.map is not None}


def _of_map(
    session: Session, collection: str, of_map: MapSpec, truths: Sequence[_Truth]
) -> dict[DiscoverSpec, Record]:
    """Return a record for each truth and threshold, read or else measured and written."""
    records, split = Records(session.cache.root), session.experiment.localize.split
    found: dict[DiscoverSpec, Record] = {}
    for truth in truths:
        specs = [DiscoverSpec(of_map, each, truth.name, collection, split) for each in THRESHOLDS]
        stored = {spec: record for spec in specs if (record := records.read(spec)) is not None}
        missing = [spec for spec in specs if spec not in stored]
        # Before they are there, lest `gc` frees them.
        session.keep([fingerprint(spec) for spec in missing], through=MAPS, purpose="discover")
        for spec, values in _measure(session, missing, truth.scenes).items():
            stored[spec] = _summarize(spec, values, truth)
            with session.noting():
                records.write(spec, *stored[spec])
        found |= {spec: stored[spec] for spec in specs}
    return found


def _measure(
    session: Session, specs: Sequence[DiscoverSpec], scenes: Sequence[Scene]
) -> dict[DiscoverSpec, Values]:
    """Return the value of every image for specs of one map, whose rows are read once."""
    if not specs:
        return {}
    source = specs[0].map.attention
    prefix = session.plan.backbones[source.model.name].prefix_tokens
    parts: dict[DiscoverSpec, list[Values]] = {spec: [] for spec in specs}
    for start in range(0, len(scenes), READ_AT_ONCE):
        some = scenes[start : start + READ_AT_ONCE]
        rows = session.read(source, [scene.image for scene in some])
        for at in range(0, len(some), MEASURED_AT_ONCE):
            part = slice(at, at + MEASURED_AT_ONCE)
            for spec in specs:
                parts[spec].append(discovery_values(spec, rows[part], prefix, some[part]))
    return {spec: np.concatenate(found) for spec, found in parts.items()}


def _summarize(spec: DiscoverSpec, values: Values, truth: _Truth) -> Record:
    """Return what a record says: mean and counts, and the values of the images that count."""
    answered = np.isfinite(values)
    if not answered.any():
        raise A2pipeError(
            f"No image has an answer to {spec.map.attention.words}: its maps are undefined (NaN), "
            "or no mask shows an object; check the model's weights and the masks."
        )
    content: dict[str, Any] = {
        "n": int(answered.sum()),
        "n_left_out": truth.left_out + int((~answered).sum()),
        "mean": float(values[answered].mean()),
    }
    samples = np.array([scene.sample for scene in truth.scenes], np.int64)
    return content, {"value": values[answered], "index": samples[answered]}


# --- the result ---------------------------------------------------------------------------------


def _discovery(
    session: Session,
    collection: Collection,
    found: Mapping[DiscoverSpec, Record],
    record: RunRecord,
) -> Discovery:
    section = session.experiment.localize
    return Discovery(
        **study_facts(session, collection, record),
        resamples=section.resamples,
        level=section.level,
        seed=section.seed,
        lines=tuple(_lines(session, found)),
    )


def _lines(session: Session, found: Mapping[DiscoverSpec, Record]) -> Iterator[DiscoveryLine]:
    """Yield a line for each map and threshold; lines over equally many images share every draw."""
    section = session.experiment.localize
    bounds = mean_intervals(
        [arrays["value"] for _, arrays in found.values()],
        resamples=section.resamples,
        level=section.level,
        seed=section.seed,
    ).tolist()
    estimates = {
        (spec.map, spec.threshold, spec.truth == "boxes"): Estimate(
            content["n"], content["n_left_out"], content["mean"], low, high, fingerprint(spec)
        )
        for (spec, (content, _)), (low, high) in zip(found.items(), bounds, strict=True)
    }
    for of_map, kind in _maps(session).items():
        for threshold in THRESHOLDS:
            yield DiscoveryLine(
                map=_words(of_map),
                model=of_map.attention.model.name,
                kind="control" if kind == "control" else "attention",
                threshold=threshold,
                corloc=estimates.get((of_map, threshold, True)),
                miou=estimates.get((of_map, threshold, False)),
            )


def _words(of_map: MapSpec) -> str:
    """Return the map in words: "dinov2_vits14, block 12, max over heads, smoothed over 3"."""
    smoothed = "" if of_map.smooth == 1 else f", smoothed over {of_map.smooth}"
    return f"{of_map.attention.name}{of_map.suffix}{smoothed}"
