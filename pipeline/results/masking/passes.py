"""Compute what a model embeds of images with ever more patches masked, and read it.

Each masked pass is an embedding like any other, of a box that `stages.boxes.masked` defines, and
lies under its own address: a longer curve, or one more order, computes what is new. With no patch
masked it is the embedding of the full image. With all masked it is that of a random order, as all
orders end alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ....datasets.collection import Collection
from ....errors import UsageError
from ....models.identity import BackboneInfo
from ....stages.attention import tokens
from ....stages.specs import MapSpec
from ...experiment.schema import Experiment
from ...experiment.sections import HeadSection, MaskingSection, PatchesSection
from ...planning.plan import make_plan
from ...planning.rows import PlanRow
from ...session import Session
from ...shards.bad_images import BadImage, refuse_bad_images

Features = NDArray[np.float32]

POINTS = 7
"""A curve has so many steps unless the experiment says how long one is: 28 of 196 patches each."""


@dataclass(frozen=True, eq=False)
class Passes:
    """Passes are the embeddings of one model, of whole images and of masked ones.

    model: its name. info: what is known of it. whole: a session that has the embeddings of full
    images. masked: one that has those of masked test images. collection: the samples whose images
    are good. bad: images that could not be used.
    """

    model: str
    info: BackboneInfo
    whole: Session
    masked: Session
    collection: Collection
    bad: tuple[BadImage, ...]

    @property
    def scores(self) -> list[MapSpec]:
        """Return the maps that rank patches, each once."""
        return list(dict.fromkeys(row.map for row in self.masked.plan.rows if row.map))

    def embed(self, pool: str, images: list[str]) -> Features:
        """Return the embeddings of full images by their digests: float32 (n, d)."""
        (row,) = self.whole.plan.rows
        return _features(self.whole, row, pool, images)

    def embed_masked(
        self, pool: str, images: list[str], score: MapSpec | None, order: str, count: int, fill: str
    ) -> Features:
        """Return the embeddings of test images with `count` patches masked: float32 (n, d)."""
        if not count:
            return self.embed(pool, images)
        experiment = self.masked.experiment
        side, section = experiment.image.size, experiment.masking
        text = _text(self.info, side, section.seed, order, count, fill)
        found = [row for row in self.masked.plan.rows if row.baseline == text]
        row = next(row for row in found if row.map in (None, score))
        return _features(self.masked, row, pool, images)


def compute_passes(session: Session, model: str) -> Passes:
    """Compute every pass of a model that the experiment's masking section asks for and lacks.

    Raises:
        BadImagesError: some images are bad and `run.skip_bad_images` is off.
    """
    experiment, info = session.experiment, session.plan.backbones[model]
    test = session.collection.take(probed_samples(session.collection))
    # With the full images among them, so that one pass gives their scores and their embeddings.
    texts = ["full", *_texts(info, experiment.image.size, experiment.masking)]
    masked = _derived(session, test, model, texts, ranked=True)
    # A head of the model's own needs no training images.
    fitted = set(experiment.masking.head) != {"own"}
    whole = _derived(session, session.collection if fitted else test, model, ["full"])
    bad = tuple(dict.fromkeys([*_computed(masked), *_computed(whole)]))
    refuse_bad_images(list(bad), experiment.run.skip_bad_images)
    return Passes(model, info, whole, masked, whole.usable(list(bad)), bad)


def masked_counts(info: BackboneInfo, side: int, section: MaskingSection) -> list[int]:
    """Return how many patches are masked at the points of a curve, from none to all.

    info: of the model. side: of its input in pixels.
    """
    patches = info.patches(side)
    step = section.step or max(1, round(patches / POINTS))
    return [*range(0, patches, step), patches]


def check_passes(session: Session, model: str) -> None:
    """Raise UsageError, before anything is computed, for masks that cannot be made."""
    side, info = session.experiment.image.size, session.plan.backbones[model]
    tokens(info, side)
    step, patches = session.experiment.masking.step or 1, info.patches(side)
    if step > patches:
        raise UsageError(
            f"The step of {step} patches is longer than the {patches} that {model} has at {side} "
            "px: choose a shorter masking.step."
        )


def probed_samples(collection: Collection) -> NDArray[np.int64]:
    """Return the positions of the labelled test samples; of all where there are no splits.

    Raises UsageError if there is none.
    """
    split = (collection.splits == "test") | ~(collection.splits != "").any()
    readable = np.array([bool(digest) for digest in collection.digests], np.bool_)
    found = np.flatnonzero(split & readable & (collection.labels >= 0))
    if not len(found):
        raise UsageError(
            f"Dataset {collection.name} has no labelled test image, of which a class could be told."
        )
    return found


def _texts(info: BackboneInfo, side: int, section: MaskingSection) -> list[str]:
    """Return the masked boxes of all orders and fills, as an experiment names them."""
    return list(
        dict.fromkeys(
            _text(info, side, section.seed, order, count, fill)
            for fill in section.fill
            for order in section.order
            for count in masked_counts(info, side, section)[1:]
        )
    )


def _text(info: BackboneInfo, side: int, seed: int, order: str, count: int, fill: str) -> str:
    """Return a masked box as an experiment names it."""
    # "zero" is a colour, so that the address says what is shown and not what a model makes of it.
    colour = ",".join(map(repr, info.mean)) if fill == "zero" else fill
    grid = side // info.patch
    if count == grid**2:
        return f"masked-random:{count}:{grid}:0:{colour}"
    if order == "random":
        return f"masked-random:{count}:{grid}:{seed}:{colour}"
    return f"masked:{order}:{count}:{colour}"


def _computed(session: Session) -> list[BadImage]:
    """Compute what a session lacks, keep it from `gc`, and return the images that were bad."""
    # Kept before a row is there, lest `gc` frees it in the meantime.
    session.keep(through="embeddings", purpose="masking")
    session.compute("embeddings")
    return session.bad_images("embeddings")


def _derived(
    session: Session,
    collection: Collection,
    model: str,
    baselines: Sequence[str],
    ranked: bool = False,
) -> Session:
    """Return a session for baselines of one model alone, on a collection.

    ranked: whether maps of the model rank patches for them.
    """
    experiment = _experiment(session.experiment, model, baselines, ranked)
    plan = make_plan(experiment, collection, session.plan.backbones)
    rows = tuple(row for row in plan.rows if row.baseline)
    read = {row.map.attention for row in rows if row.map}
    plan = replace(
        plan,
        rows=rows,
        attention=tuple(spec for spec in plan.attention if spec in read),
        patches=tuple(spec for spec in plan.patches if spec in read),
    )
    return replace(session, plan=plan)


def _experiment(
    asked: Experiment, model: str, baselines: Sequence[str], ranked: bool
) -> Experiment:
    """Return an experiment with these baselines, whose models see the canvas in its own size."""
    attention = {"models": (model,) if ranked else (), "source": asked.masking.score}
    embedding = {"models": (model,), "baselines": tuple(baselines), "pool": pools_of(asked)}
    own_size = {"input_size": None}
    # Crops are none of the baselines; the smallest size fits every canvas.
    crops = {"sizes": ((1,),), "smooth": (1,), "source": "resized"}
    return asked.model_copy(
        update={
            "attention": asked.attention.model_copy(update={**attention, **own_size}),
            "embedding": asked.embedding.model_copy(update={**embedding, **own_size}),
            "crops": asked.crops.model_copy(update=crops),
            "patches": PatchesSection(),
            "combine": (),
            "head": (HeadSection(),),
        }
    )


def pools_of(experiment: Experiment) -> tuple[str, ...]:
    """Return the pools of the embeddings that the heads read: those that are asked for, and the
    model's native one for its own head."""
    fitted = experiment.embedding.pool if set(experiment.masking.head) != {"own"} else ()
    own = ("native",) if "own" in experiment.masking.head else ()
    return tuple(dict.fromkeys((*fitted, *own)))


def _features(session: Session, row: PlanRow, pool: str, images: list[str]) -> Features:
    plan = session.plan
    column = next(each for each in plan.embedded if "+".join(each.pools) == pool)
    parts = [session.read_features(spec, images) for spec in plan.features(row, column.name)]
    return np.concatenate(parts, axis=1)
