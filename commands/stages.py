"""These commands plan and compute stages: `plan`, `run`, `extract-attn` and what follows it."""

from collections.abc import Mapping
from typing import Any

import click

from .executors import executor_options
from .flags import (
    ADDRESS,
    ATTENTION,
    CACHE_PIXELS,
    CROPS,
    DATASET,
    EMBEDDING,
    FEATURES,
    IMAGE,
    MODEL_THAT_ATTENDS,
    MODEL_THAT_EMBEDS,
    NAME,
    RUN,
    TIMING,
)
from .options import HeadedCommand, experiment_options, session_options
from .output import emit, emit_all
from .session import open_experiment

_TO_BOXES = (NAME, DATASET, IMAGE, ATTENTION, CROPS)


@click.command("extract-attn", cls=HeadedCommand)
@experiment_options(NAME, DATASET, IMAGE, ATTENTION, RUN, short=MODEL_THAT_ATTENDS)
@executor_options
@session_options
def extract_attn(**options: Any) -> None:
    """Store the CLS attention of every image.

    What is stored is the CLS row of the softmax for each head, prefix tokens included.
    """
    _compute("attention", **options)


@click.command("select-crops", cls=HeadedCommand)
@experiment_options(*_TO_BOXES, RUN, short=MODEL_THAT_ATTENDS)
@executor_options
@session_options
def select_crops(**options: Any) -> None:
    """Place crop boxes greedily on the attention maps.

    Attention that is missing is computed first.
    """
    _compute("boxes", **options)


@click.command("embed-crops", cls=HeadedCommand)
@experiment_options(*_TO_BOXES, EMBEDDING, RUN, short=MODEL_THAT_EMBEDS)
@executor_options
@session_options
def embed_crops(**options: Any) -> None:
    """Embed every crop and baseline with every embedding model.

    Boxes and attention that are missing are computed first.
    """
    _compute("embeddings", **options)


@click.command(cls=HeadedCommand)
@experiment_options(*_TO_BOXES, EMBEDDING, RUN, short=MODEL_THAT_EMBEDS)
@executor_options
@session_options
@click.option("--rank", default=0, help="Which share of the shards to compute.")
@click.option("--world-size", default=1, help="How many shares the shards are dealt into.")
def run(rank: int, world_size: int, **options: Any) -> None:
    """Compute missing shards and fit nothing.

    Several ranks may share one cache, on one machine or on many.
    """
    if not 0 <= rank < world_size:
        raise click.UsageError(f"--rank must be at least 0 and below --world-size ({world_size}).")
    _compute("embeddings", rank=rank, world_size=world_size, **options)


@click.command(cls=HeadedCommand)
@experiment_options(*FEATURES, ADDRESS, TIMING, CACHE_PIXELS, short=MODEL_THAT_EMBEDS)
@session_options
@click.option(
    "--probe", "is_probed", is_flag=True, help="Time a batch of each model for an estimate."
)
def plan(overrides: Mapping[str, Any], as_json: bool, is_probed: bool, **options: Any) -> None:
    """Show what an experiment needs and lacks.

    This says what is missing and what it takes to compute it. It computes and writes nothing.
    """
    # Without the probe they would be ignored, and a flag that is ignored is refused.
    if not is_probed and overrides.keys() & {flag.key for flag in TIMING}:
        raise click.UsageError(
            "--device, --batch-size and --workers say how --probe times models: give it with them."
        )
    from ..pipeline.inspect.estimate import estimate
    from ..pipeline.inspect.probe import probe

    session = open_experiment(overrides=overrides, looking=not is_probed, **options)
    found = estimate(session.plan, session.cache)
    timed = probe(session, found) if is_probed else None
    lines = [need.to_json() for need in found.needs]
    timing = {"probe": timed.to_json()} if timed else {}
    content = {"needs": lines, "total": found.totals(), **timing}
    emit_all(content, lines, (*found.words(), *(timed.words() if timed else ())), as_json)


def _compute(
    through: str, as_json: bool, rank: int = 0, world_size: int = 1, **options: Any
) -> None:
    from ..pipeline.results.stage_run import compute_stage
    from ..pipeline.shards.bad_images import refuse_bad_images

    session = open_experiment(**options)
    run = compute_stage(session, through, rank, world_size)
    emit(run.lines, as_json)
    refuse_bad_images(run.bad, session.experiment.run.skip_bad_images)
