"""Make an experiment's masking probe: hide ever more patches, and let heads predict the class.

It is figure 6 of LaSt-ViT (arXiv 2602.22394) for any model, score and head.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ....cache.ledger import now
from ....errors import UsageError
from ....metrics.binomial import share_limits
from ....reports.masking.probe import Curve, MaskingProbe, Point
from ....reports.masking.published import CLAIM, is_published
from ....reports.masking.write import write_probe
from ....stages.specs import MapSpec
from ....version import __version__
from ...session import Session
from ..run_record import RunRecord
from .passes import Passes, check_passes, compute_passes, masked_counts, probed_samples
from .predictors import Predictor, check_heads, predictors


def publish_probe(
    session: Session, folder: Path | None = None
) -> tuple[MaskingProbe, dict[str, Path]]:
    """Make the probe, write it with its plot, and return it with the paths of what was written.

    folder: where it is written, results/<name of the experiment> unless given. Raises as
    `make_probe` does, and A2pipeError when the folder cannot be written.
    """
    probe = make_probe(session)
    folder = folder or Path("results") / session.experiment.name
    return probe, write_probe(probe, folder.resolve())


def make_probe(session: Session) -> MaskingProbe:
    """Compute the masked passes that are missing, fit the heads, and return every curve.

    The models are those of `embedding.models`; each ranks the patches of its own images. Heads are
    fitted on training images, and curves taken on test images.

    Raises:
        UsageError: no model is named, or what `check_passes` and `check_heads` refuse.
        BadImagesError: some images are bad and `run.skip_bad_images` is off.
    """
    models = session.experiment.embedding.models
    if not models:
        raise UsageError("Name at least one model with --model.")
    record = RunRecord(images=len(session.collection.images), stats=session.stats)
    probed_samples(session.collection)
    for model in models:
        check_passes(session, model)
        check_heads(session, model)
    curves: list[Curve] = []
    for model in models:
        passes = compute_passes(session, model)
        record.bad = list(dict.fromkeys([*record.bad, *passes.bad]))
        start = time.perf_counter()
        curves += _curves(session, passes)
        record.seconds[f"heads of {model}"] = time.perf_counter() - start
    with session.noting():
        record.save(session.cache.root)
    return _probe(session, tuple(curves), record)


def _probe(session: Session, curves: tuple[Curve, ...], record: RunRecord) -> MaskingProbe:
    experiment = session.experiment
    probe = MaskingProbe(
        name=experiment.name,
        dataset=session.collection.name,
        collection=session.collection.digest,
        image_size=experiment.image.size,
        geometry=experiment.image.geometry,
        seed=experiment.masking.seed,
        level=experiment.masking.level,
        created=now(),
        version=__version__,
        curves=curves,
        notes=experiment.notes,
        run=record.content(),
    )
    published = any(is_published(probe, curve) for curve in curves)
    return replace(probe, notes=(*probe.notes, CLAIM)) if published else probe


def _curves(session: Session, passes: Passes) -> Iterator[Curve]:
    """Yield every curve of one model: head by head, score by score, fill by fill."""
    section, side = session.experiment.masking, session.experiment.image.size
    # A random order has no score; where there is nothing else, one stands for all.
    scores: list[MapSpec | None] = [*passes.scores] or [None]
    counts = masked_counts(passes.info, side, section)
    for predictor in predictors(session, passes):
        for score in scores:
            for fill in section.fill:
                for order in section.order:
                    points = [
                        _point(session, passes, predictor, score, order, count, fill)
                        for count in counts
                    ]
                    yield Curve(
                        model=passes.model,
                        pool=predictor.pool,
                        score=_name(session, score),
                        order=order,
                        fill=fill,
                        head=predictor.head,
                        patches=counts[-1],
                        points=tuple(points),
                    )


def _point(
    session: Session,
    passes: Passes,
    predictor: Predictor,
    score: MapSpec | None,
    order: str,
    count: int,
    fill: str,
) -> Point:
    """Return the accuracy of a head on the test images with `count` patches masked."""
    collection, level = passes.collection, session.experiment.masking.level
    index = probed_samples(collection)
    images = [collection.digests[sample] for sample in index.tolist()]
    features = passes.embed_masked(predictor.pool, images, score, order, count, fill)
    right = int((predictor.predict(features) == collection.labels[index]).sum())
    low, high = share_limits(right, len(index), (1 - level) / 2)
    return Point(count, len(index), right / len(index), float(low), float(high))


def _name(session: Session, score: MapSpec | None) -> str:
    """Return what ranks patches: "patch-score:cls", "attention block 11, max over heads"."""
    if score is None:
        return "no score"
    source = score.attention
    only_last = session.experiment.attention.layers == "last"
    block = source.layer_words(only_last) if source.has_heads else ""
    return f"{source.source}{block}{score.suffix}"
