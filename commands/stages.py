"""Commands that plan and compute stages: `plan`, `run`, `extract-attn` and those that follow it."""

from __future__ import annotations

import json
from typing import Any

import click

from .executors import executor_options
from .options import experiment_options
from .output import emit
from .session import open_experiment


@click.command("extract-attn")
@executor_options
@experiment_options("attention")
def extract_attn(**options: Any) -> None:
    """Store the CLS attention of every image.

    Rows of the full softmax, per head, prefix tokens included.
    """
    _compute("attention", **options)


@click.command("select-crops")
@executor_options
@experiment_options("boxes")
def select_crops(**options: Any) -> None:
    """Place crop boxes greedily on the attention maps.

    Attention that is missing is computed first.
    """
    _compute("boxes", **options)


@click.command("embed-crops")
@executor_options
@experiment_options("embeddings")
def embed_crops(**options: Any) -> None:
    """Embed every crop and baseline with every embedding model.

    Boxes and attention that are missing are computed first.
    """
    _compute("embeddings", **options)


@click.command()
@click.option("--rank", default=0, show_default=True, help="Which share of the shards.")
@click.option("--world-size", default=1, show_default=True, help="Into how many shares.")
@executor_options
@experiment_options("embeddings")
def run(rank: int, world_size: int, **options: Any) -> None:
    """Compute missing shards and fit nothing.

    Several ranks may share one cache, on one machine or many.
    """
    if not 0 <= rank < world_size:
        raise click.UsageError(f"--rank must be at least 0 and below --world-size ({world_size}).")
    _compute("embeddings", rank=rank, world_size=world_size, **options)


@click.command()
@click.option(
    "--probe", "is_probed", is_flag=True, help="Time a batch of each model for an estimate."
)
@experiment_options("embeddings")
def plan(as_json: bool, is_probed: bool, **options: Any) -> None:
    """Show what is needed, what of it is missing, and what it takes.

    Computes nothing and writes nothing.
    """
    from ..pipeline.inspect.estimate import estimate
    from ..pipeline.inspect.probe import probe

    session = open_experiment(looking=not is_probed, **options)
    found = estimate(session.plan, session.cache)
    timed = probe(session, found) if is_probed else None
    lines = [need.to_json() for need in found.needs]
    if as_json:
        timing = {"probe": timed.to_json()} if timed else {}
        click.echo(json.dumps({"needs": lines, "total": found.totals(), **timing}))
        return
    emit(lines, as_json)
    for line in (*found.words(), *(timed.words() if timed else ())):
        click.echo(line)


def _compute(
    through: str, as_json: bool, rank: int = 0, world_size: int = 1, **options: Any
) -> None:
    from ..pipeline.results.stage_run import compute_stage
    from ..pipeline.shards.bad_images import refuse_bad_images

    session = open_experiment(**options)
    run = compute_stage(session, through, rank, world_size)
    emit(run.lines, as_json)
    refuse_bad_images(run.bad, session.experiment.run.skip_bad_images)
