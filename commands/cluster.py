"""`submit`, `finish` and `logs` are for batch systems; `status` tells what became of jobs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import NotCachedError, UsageError
from .flags import ADDRESS, FEATURES, MATRIX, MODEL_THAT_EMBEDS, NAME, RUN, flags
from .options import (
    HeadedCommand,
    cache_option,
    experiment_options,
    out_option,
    path_option,
    session_options,
)
from .output import emit
from .session import open_experiment

if TYPE_CHECKING:
    from ..pipeline.cluster.batch.jobs import Submission
    from ..pipeline.cluster.batch.submit import Prepared

resubmit_option = click.option(
    "--resubmit",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Submit what is missing at the end again, at most N times.",
)


_ABOUT_CLUSTER = "--cluster", "FILE", "TOML file of what a job may use and what it needs."


@click.command(cls=HeadedCommand)
@experiment_options(*MATRIX, RUN)
@path_option(*_ABOUT_CLUSTER, required=True)
@click.option("--dry-run", is_flag=True, help="Print the scripts; write and submit nothing.")
@click.option("--wait", is_flag=True, help="Wait for the matrix; for SLURM alone.")
@resubmit_option
@out_option
@session_options
def submit(
    cluster: Path,
    dry_run: bool,
    wait: bool,
    resubmit: int,
    out: Path | None,
    cache_root: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Submit jobs to a batch system.

    An array of jobs computes what is missing, and a job behind it makes the matrix. This works with
    SLURM, PBS and LSF. What flags say is kept in a copy of the experiment beside the scripts.
    """
    from ..pipeline.cluster.batch.submit import prepare_submission
    from ..pipeline.cluster.batch.submit import submit as hand_over
    from ..pipeline.cluster.batch.systems import batch_system
    from ..pipeline.cluster.description import load_cluster

    described = load_cluster(cluster)
    if wait and not batch_system(described.system).tells_states:
        raise UsageError(f"--wait is for SLURM alone; leave it out for {described.system}.")
    # Jobs compute, not this process: on a login node it need not import PyTorch.
    session = open_experiment(looking=True, cache_root=cache_root, **options)
    prepared = prepare_submission(session, described, out, resubmit)
    if dry_run:
        _show(prepared)
        return
    submission = hand_over(prepared, session.cache.root)
    _tell(submission, as_json)
    if wait:
        _await(submission, session.cache.root)


@click.command(cls=HeadedCommand)
@experiment_options(*MATRIX, RUN)
@path_option(*_ABOUT_CLUSTER)
@resubmit_option
@out_option
@session_options
def finish(
    cluster: Path | None, resubmit: int, out: Path | None, as_json: bool, **options: Any
) -> None:
    """Fit heads and write the report after `submit`.

    The last job of a submission runs this. If shards are missing, the exit code is 4, unless
    --resubmit allows another submission of what is missing.
    """
    from ..pipeline.cluster.batch.finish import finish as conclude
    from ..pipeline.cluster.batch.jobs import Submission
    from ..reports.terminal import render_terminal

    done = conclude(open_experiment(looking=True, **options), cluster, out, resubmit)
    if isinstance(done, Submission):
        _tell(done, as_json)
    else:
        click.echo(json.dumps(done.to_json()) if as_json else render_terminal(done))


@click.command(cls=HeadedCommand)
@experiment_options(NAME, *FEATURES, ADDRESS, short=MODEL_THAT_EMBEDS)
@session_options
def status(
    as_json: bool, source: Path | None, overrides: Mapping[str, Any], **options: Any
) -> None:
    """Show how far an experiment is, and its jobs.

    For each stage these are the shards that are done and missing, bad images and pace. Without an
    experiment, every submission that the cache knows of is listed.
    """
    from ..cache.catalog import Cache
    from ..pipeline.cluster.batch.jobs import submissions
    from ..pipeline.cluster.batch.states import failures, summary, task_states

    stages: list[dict[str, Any]] = []
    if source is None and not overrides:
        found = submissions(Cache(options["cache_root"]).root)
    else:
        from ..pipeline.inspect.inventory import status_table

        session = open_experiment(source, overrides, looking=True, **options)
        stages = status_table(session)
        found = submissions(session.cache.root, session.experiment.name)[-1:]
    states = [task_states(submission) for submission in found]
    lines = [summary(*each) for each in zip(found, states, strict=True)]
    failed = failures(states[-1]) if stages and states else []
    if as_json:
        click.echo(json.dumps({"stages": stages, "submissions": lines, "failed": failed}))
        return
    for rows in filter(None, (stages, lines, failed)):
        emit(rows, as_json)
    if not stages and not lines:
        click.echo("nothing was submitted; name an experiment to see its stages")


@click.command(cls=HeadedCommand)
@experiment_options(NAME, flags("dataset.name"))
@cache_option
@click.option(
    "--task", type=int, metavar="N", help="Print the log of this task alone, by its rank."
)
def logs(
    task: int | None, cache_root: Path | None, source: Path | None, overrides: Mapping[str, Any]
) -> None:
    """Print the logs of the last submission of an experiment."""
    from ..cache.catalog import Cache
    from ..pipeline.cluster.batch.jobs import submissions
    from ..pipeline.experiment.load import load_experiment

    name = load_experiment(source, overrides).name
    root = Cache(cache_root).root
    found = submissions(root, name)
    if not found:
        raise NotCachedError(f"No submission of {name} is noted in {root}.")
    latest = found[-1]
    ranks = latest.ranks if task is None else [task]
    paths = [latest.log(rank) for rank in ranks] + ([latest.finish_log] if task is None else [])
    for path in paths:
        click.echo(f"==> {path}")
        click.echo(path.read_text(errors="replace") if path.exists() else "not written yet\n")


def _show(prepared: Prepared) -> None:
    """Print the scripts, each under its path and the command that would hand it over."""
    from ..pipeline.cluster.batch.submit import shown_commands

    for name, command in shown_commands(prepared).items():
        click.echo(f"==> {prepared.path(name)}\n==> {command}\n{prepared.files[name]}")


def _tell(submission: Submission, as_json: bool) -> None:
    """Print what was handed over to the batch system."""
    if as_json:
        jobs = {"jobs": submission.jobs, "shards": submission.shards}
        click.echo(
            json.dumps({"submission": submission.id, **jobs, "folder": str(submission.folder)})
        )
        return
    tasks = len(submission.ranks)
    arrays = " ".join(submission.jobs[:-1])
    if tasks:
        shards = f"{submission.shards:,} missing shard{'s' * (submission.shards > 1)}"
        click.echo(f"submitted: {shards} to {tasks:,} task{'s' * (tasks > 1)}, job {arrays}")
    else:
        click.echo("nothing is missing: only heads and matrix are submitted")
    click.echo(f"then heads and matrix: job {submission.finish_job}")
    click.echo(f"scripts and logs: {submission.folder}")


def _await(submission: Submission, cache_root: Path) -> None:
    from ..pipeline.cluster.batch.finish import await_end

    last = await_end(submission, cache_root)
    click.echo(last.finish_log.read_text(errors="replace"))
