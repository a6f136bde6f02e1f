"""These commands plan and compute stages: `plan`, `run`, `extract-attn` and what follows it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    LOOKING,
    MODEL_THAT_ATTENDS,
    MODEL_THAT_EMBEDS,
    NAME,
    PATCHES,
    RUN,
    TIMING,
)
from .options import HeadedCommand, experiment_options, session_options
from .output import emit, emit_all
from .session import open_experiment, without_attention

if TYPE_CHECKING:
    from ..pipeline.shards.executor import Executor

STATISTICS = ("patch-score", "norm", "votes:1", "votes:N/28", "votes:N/4", "votes:N/2")
_TO_BOXES = (NAME, DATASET, IMAGE, ATTENTION, PATCHES, CROPS)


@click.command("extract-attn", cls=HeadedCommand)
@experiment_options(NAME, DATASET, IMAGE, ATTENTION, RUN, short=MODEL_THAT_ATTENDS)
@executor_options
@session_options
def extract_attn(overrides: Mapping[str, Any], **options: Any) -> None:
    """Store the CLS attention of every image.

    What is stored is the CLS row of the softmax for each head, prefix tokens included.
    """
    overrides = {**overrides, "attention.source": "attention"}
    _compute("attention", overrides=overrides, **options)


@click.command("extract-patches", cls=HeadedCommand)
@experiment_options(NAME, DATASET, IMAGE, LOOKING, PATCHES, RUN, short=MODEL_THAT_ATTENDS)
@executor_options
@session_options
def extract_patches(source: Path | None, overrides: Mapping[str, Any], **options: Any) -> None:
    """Store statistics of every patch: scores, norms, votes.

    One pass of an image gives all statistics of a model. Without --statistic, and where the
    experiment names none, these are patch-score, norm, and votes of 1, N/28, N/4 and N/2 of the N
    patches.
    """
    from ..pipeline.experiment.load import load_experiment

    overrides = without_attention(source, overrides)
    if not load_experiment(source, overrides).patches.statistics:
        overrides = {**overrides, "patches.statistics": STATISTICS}
    _compute("patches", source=source, overrides=overrides, **options)


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
@click.option("--rank", type=int, help="Which share of the shards to compute.  [0]")
@click.option("--world-size", type=int, help="How many shares the shards are dealt into.  [1]")
def run(rank: int | None, world_size: int | None, **options: Any) -> None:
    """Compute missing shards and fit nothing.

    Several ranks may share one cache, on one machine or on many. Without --rank and --world-size, a
    process that `srun` or `torchrun` has started among others takes its rank from them.
    """
    from ..pipeline.cluster.ranks import rank_of

    note = ""
    if rank is None and world_size is None and (launched := rank_of(os.environ)):
        rank, world_size, note = launched.number, launched.world_size, launched.words()
        options["overrides"] = _on_own_gpu(launched.local, **options)
    rank, world_size = rank or 0, 1 if world_size is None else world_size
    if not 0 <= rank < world_size:
        raise click.UsageError(f"--rank must be at least 0 and below --world-size ({world_size}).")
    _compute("embeddings", rank=rank, world_size=world_size, note=note, **options)


def _on_own_gpu(
    local: int,
    source: Path | None,
    overrides: Mapping[str, Any],
    executor: Executor | None,
    **_: Any,
) -> Mapping[str, Any]:
    """Return the flags, with a GPU of its own for one of several processes on a machine.

    A launcher may show every process all GPUs of the machine, and all would take the first.
    """
    from ..pipeline.experiment.load import load_experiment
    from ..pipeline.shards.gpus.devices import gpu_of

    run = load_experiment(source, overrides).run
    if executor is not None or run.gpus is not None or run.device not in ("auto", "cuda"):
        return overrides
    gpu = gpu_of(local)
    return overrides if gpu is None else {**overrides, "run.device": f"cuda:{gpu}"}


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
    through: str, as_json: bool, rank: int = 0, world_size: int = 1, note: str = "", **options: Any
) -> None:
    from ..pipeline.results.stage_run import compute_stage
    from ..pipeline.shards.bad_images import refuse_bad_images

    session = open_experiment(**options)
    if note:
        session.progress.say(note)
    run = compute_stage(session, through, rank, world_size)
    emit(run.lines, as_json)
    refuse_bad_images(run.bad, session.experiment.run.skip_bad_images)
