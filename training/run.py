"""Train every arm of an experiment, one after the other, and sum them up in a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..datasets.collection import Collection
from ..errors import UsageError
from ..machine import cores
from ..models.classifiers.design import check_design
from ..models.classifiers.network import build_classifier, settle
from ..models.device import choose_device
from ..pipeline.experiment.schema import Experiment
from ..pipeline.planning.collection import load_collection
from ..pipeline.shards.progress import Progress
from .arms import Arm, arms_of
from .batches import Images
from .curves import PLOT, Row, csv_bytes, plot_bytes
from .data import measured_images, training_images
from .events import require_tensorboard
from .lastvit import LastViT
from .loop import Plan, train
from .measuring import Shown, show
from .optimisation import Recipe, default_rate
from .writing import write_file

TABLE = "runs.csv"
MEASUREMENTS = 20


@dataclass(frozen=True)
class Trained:
    """A Trained has the results of all arms.

    folder: in which each arm has a folder. rows: an arm each, with its traits and its last
    measurement. remarks: sentences on what is missing.
    """

    folder: Path
    rows: list[dict[str, Any]]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class _Work:
    """A _Work has what all arms share."""

    experiment: Experiment
    collection: Collection
    images: Images
    shown: Shown
    device: torch.device
    folder: Path


def train_lastvit(
    experiment: Experiment, cache: Path | None, out: Path | None, progress: Progress
) -> Trained:
    """Train the arms that an experiment lists and write their table and curves.

    What is wrong with the request is told before anything is computed. Arms that are trained to the
    end are not trained again, and one that was stopped goes on from its checkpoint.

    cache: folder of the cache, which remembers digests of files. out: folder of the results;
    results/NAME/training if None.

    Raises UsageError for what cannot be trained; A2pipeError as `loop.train`.
    """
    _require_possible(experiment)
    device = choose_device(experiment.run.device)
    collection = load_collection(experiment, cache=cache)
    arms = list(arms_of(experiment, len(collection.class_names)))
    for arm in arms:
        check_design(arm.design)
    section, canvas = experiment.training, experiment.image.canvas
    images = training_images(collection)
    measured = measured_images(collection, section.split, section.images, canvas, section.rule)
    shown = show(measured, canvas, section.rule, section.masked, experiment.run.workers or cores())
    folder = (out or Path("results") / experiment.name / "training").resolve()
    work = _Work(experiment, collection, images, shown, device, folder)
    found = {arm: _train_arm(work, arm, progress) for arm in arms}
    why = measured.boxed.why_none
    remarks = (f"Point-in-Box is left out. {why}",) if why else ()
    return _summed_up(folder, found, remarks)


def _require_possible(experiment: Experiment) -> None:
    if experiment.run.precision == "fp16":
        raise UsageError("Training in fp16 would overflow: set run.precision to bf16 or fp32.")
    if experiment.image.decode != "pillow":
        raise UsageError("Training decodes with Pillow: leave image.decode out.")
    if experiment.training.tensorboard:
        require_tensorboard()


def _train_arm(work: _Work, arm: Arm, progress: Progress) -> list[Row]:
    section, run = work.experiment.training, work.experiment.run
    classifier = settle(build_classifier(arm.design, arm.seed), work.device, run.precision)
    # One core is left to the training itself; of two or one it takes all.
    workers = max(0, min(run.workers or cores() - 1, cores() - 1)) if cores() > 2 else 0
    training = LastViT(
        classifier,
        work.images,
        work.shown,
        work.collection.class_names,
        section.batch,
        section.area,
        arm.seed,
        workers,
    )
    recipe = recipe_of(work.experiment, len(work.images))
    plan = Plan(
        folder=work.folder / arm.name,
        recipe=recipe,
        seed=arm.seed,
        every=section.every or max(1, recipe.steps // MEASUREMENTS),
        device=work.device,
        settings=settings_of(work.experiment, work.collection, arm),
        events=section.tensorboard,
    )
    progress.say(f"training {arm.name}, {recipe.steps:,} steps")
    with progress.bar("steps", recipe.steps) as advance:
        return train(training, plan, advance)


def recipe_of(experiment: Experiment, images: int) -> Recipe:
    """Return the recipe of an experiment with so many training images."""
    section = experiment.training
    steps = max(1, round(section.epochs * images / section.batch))
    rate = section.rate or default_rate(section.batch)
    return Recipe(steps, round(section.warmup * steps), rate, section.decay)


def settings_of(experiment: Experiment, collection: Collection, arm: Arm) -> dict[str, Any]:
    """Return all that decides the bits of an arm but device, threads and versions, as JSON."""
    section = experiment.training
    shared = section.model_dump(mode="json", exclude={*arm.settings(), "tensorboard"})
    return {
        **arm.settings(),
        **shared,
        "precision": experiment.run.precision,
        "geometry": experiment.image.geometry,
        "draft": experiment.image.draft,
        "dataset": collection.digest,
    }


def _summed_up(folder: Path, found: dict[Arm, list[Row]], remarks: tuple[str, ...]) -> Trained:
    rows = [{**arm.traits, **measured[-1]} for arm, measured in found.items()]
    write_file(folder / TABLE, csv_bytes(rows))
    write_file(folder / PLOT, plot_bytes({arm.name: rows for arm, rows in found.items()}))
    return Trained(folder, rows, remarks)
