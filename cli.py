"""The command line: parses, calls the pipeline, prints."""

from __future__ import annotations

import atexit
import errno
import gc
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from .commands.cluster import finish, logs, status, submit
from .commands.compare import compare
from .commands.datasets import datasets
from .commands.executors import executor_options
from .commands.manage import cache, experiment, models
from .commands.options import (
    cache_option,
    experiment_options,
    json_option,
    out_option,
    quiet_option,
)
from .commands.output import emit
from .commands.paper import paper
from .commands.predict import predict, save_head
from .errors import A2pipeError
from .version import __version__

if TYPE_CHECKING:
    from .pipeline.session import Session
    from .pipeline.shards.executor import Executor
    from .reports.study_write import Written

EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


class Sections(click.Group):
    """Commands in the order they were written, which is the order of the work."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(self.commands)


@click.group(
    cls=Sections, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="a2pipe")
def cli() -> None:
    """Attention maps -> crop boxes -> crop embeddings -> heads, each computed once.

    \b
    A first look (no network, no data needed):
      a2pipe demo
    \b
    Your own images, step by step; each step reuses what the cache has:
      a2pipe extract-attn --model dinov2_vits14_reg --dataset DIR
      a2pipe select-crops --model dinov2_vits14_reg --dataset DIR --crop-sizes 64,32
      a2pipe embed-crops  --attention-model dinov2_vits14_reg --model dinov2_vitb14_reg ...
    \b
    Or a whole grid from one file:
      a2pipe experiment new experiment.toml
      a2pipe plan experiment.toml             what would be computed
      a2pipe build-matrix experiment.toml     compute it, fit heads, write the report
    \b
    Exit codes: 0 done, 1 failed, 2 usage, 3 done but some images are bad,
    4 not in the cache, 130 interrupted, 143 terminated.
    """


# --- the demo -----------------------------------------------------------------------------------


@cli.command()
@click.option("--digits", type=click.Choice(["01", "38"]), default="01", show_default=True)
@click.option(
    "--balanced", is_flag=True, help="Train without the spurious correlation: the control."
)
@click.option("--seed", default=0, show_default=True, help="Of the composition of the images.")
@click.option("--limit", type=int, metavar="N", help="Only N of the 2,100 images.")
@click.option("--backend", type=click.Choice(["zarr", "hdf5"]), default="zarr", show_default=True)
@cache_option
@out_option
@quiet_option
@json_option
def demo(
    digits: str,
    balanced: bool,
    seed: int,
    limit: int | None,
    backend: str,
    cache_root: Path | None,
    out: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Compute a whole matrix from what ships with the package.

    Needs no network and no data: images and backbones are part of the package.
    """
    from .pipeline.experiment.demo import demo_experiment

    run = {"backend": backend, **({} if limit is None else {"limit": limit})}
    experiment = demo_experiment(digits, balanced=balanced, seed=seed, run=run)
    session = _session(experiment, None, cache_root, quiet)
    _matrix(session, out, as_json)


# --- stages, in the order of the work -----------------------------------------------------------


@cli.command("extract-attn")
@executor_options
@experiment_options("attention")
def extract_attn(**options: Any) -> None:
    """Store the CLS attention of every image.

    Rows of the full softmax, per head, prefix tokens included.
    """
    _compute("attention", **options)


@cli.command("select-crops")
@executor_options
@experiment_options("boxes")
def select_crops(**options: Any) -> None:
    """Place crop boxes greedily on the attention maps.

    Attention that is missing is computed first.
    """
    _compute("boxes", **options)


@cli.command("embed-crops")
@executor_options
@experiment_options("embeddings")
def embed_crops(**options: Any) -> None:
    """Embed every crop and baseline with every embedding model.

    Boxes and attention that are missing are computed first.
    """
    _compute("embeddings", **options)


@cli.command("fit-heads")
@out_option
@experiment_options("heads")
def fit_heads(out: Path | None, as_json: bool, **options: Any) -> None:
    """Fit heads on features that are in the cache.

    Computes no feature; exit code 4 if one is missing.
    """
    _matrix(_session_of(**options), out, as_json, compute=False)


@cli.command("build-matrix")
@out_option
@executor_options
@experiment_options("heads")
def build_matrix(out: Path | None, as_json: bool, **options: Any) -> None:
    """Compute what is missing, fit heads, write the report."""
    _matrix(_session_of(**options), out, as_json)


@cli.command()
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


@cli.command()
@out_option
@experiment_options("boxes", localize=True)
def localize(out: Path | None, as_json: bool, **options: Any) -> None:
    """Compare attention maps and crops with ground-truth boxes.

    Mass in box, hit rate, crop hit rate, shares of the token groups and concentration of every
    attention map, with intervals, as tables and plots. Without boxes, what needs none of them.
    """
    from .pipeline.results.study import publish_study
    from .reports.study import left_out_words, study_table

    study, written = publish_study(_session_of(**options), out)
    if as_json:
        files = {name: str(path) for name, path in written.files.items()}
        click.echo(json.dumps({**study.to_json(), "files": files}))
        return
    emit(study_table(study), as_json)
    _tell(written)
    if left_out := left_out_words(study):
        click.echo(left_out)


@cli.command()
@click.argument("studies", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the plots.  [beside the file; of several, results/A+B]",
)
def plot(studies: tuple[Path, ...], out: Path | None) -> None:
    """Draw the plots of `localize` again.

    STUDIES are one or several localization.json, each a column of panels. Computes nothing.
    """
    from .reports.study import read_study
    from .reports.study_write import write_plots

    found = [read_study(path) for path in studies]
    _tell(write_plots(found, (out or _beside(studies)).resolve()))


# --- looking ------------------------------------------------------------------------------------


@cli.command()
@click.option(
    "--probe", "is_probed", is_flag=True, help="Time a batch of each model for an estimate."
)
@experiment_options("embeddings")
def plan(as_json: bool, is_probed: bool, **options: Any) -> None:
    """Show what is needed, what of it is missing, and what it takes.

    Computes nothing and writes nothing.
    """
    from .pipeline.inspect.estimate import estimate
    from .pipeline.inspect.probe import probe

    session = _session_of(looking=not is_probed, **options)
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


cli.add_command(status)


@cli.command()
@out_option
@experiment_options("heads")
def report(out: Path | None, as_json: bool, **options: Any) -> None:
    """Write the report again from what the cache has.

    Computes no feature; exit code 4 if one is missing.
    """
    _matrix(_session_of(**options), out, as_json, compute=False)


for command in (submit, finish, logs, save_head, predict, compare, paper):
    cli.add_command(command)
for command in (experiment, cache, models, datasets):
    cli.add_command(command)


# --- shared -------------------------------------------------------------------------------------


def _session(
    source: Any, overrides: Any, cache_root: Path | None, quiet: bool, looking: bool = False
) -> Session:
    from .pipeline.experiment.schema import Experiment
    from .pipeline.experiment.toml import load_experiment
    from .pipeline.session import open_session
    from .pipeline.shards.progress import make_progress

    loaded = source if isinstance(source, Experiment) else load_experiment(source, overrides)
    return open_session(loaded, cache_root, make_progress(quiet), looking)


def _session_of(
    source: Path | None,
    overrides: Mapping[str, Any],
    cache_root: Path | None,
    quiet: bool,
    executor: Executor | None = None,
    looking: bool = False,
    **_: Any,
) -> Session:
    session = _session(source, overrides, cache_root, quiet, looking)
    session.executor = executor
    return session


def _compute(
    through: str, as_json: bool, rank: int = 0, world_size: int = 1, **options: Any
) -> None:
    from .pipeline.results.stage_run import compute_stage
    from .pipeline.shards.bad_images import refuse_bad_images

    session = _session_of(**options)
    run = compute_stage(session, through, rank, world_size)
    emit(run.lines, as_json)
    refuse_bad_images(run.bad, session.experiment.run.skip_bad_images)


def _matrix(session: Session, out: Path | None, as_json: bool, compute: bool = True) -> None:
    from .pipeline.results.publish import publish
    from .reports.terminal import render_terminal

    matrix, files = publish(session, out, compute)
    if as_json:
        click.echo(json.dumps({**matrix.to_json(), "files": {k: str(v) for k, v in files.items()}}))
        return
    click.echo(render_terminal(matrix))
    passes, decoded = matrix.run["forward_passes_total"], matrix.run["images_decoded"]
    click.echo(f"computed: {passes:,} forward passes, {decoded:,} images decoded")
    for name, path in files.items():
        click.echo(f"{name}: {path}")


def _beside(files: tuple[Path, ...]) -> Path:
    """The folder of a file; for files of several folders, one in results named for all of them."""
    folders = list(dict.fromkeys(file.resolve().parent for file in files))
    return folders[0] if len(folders) == 1 else Path("results") / "+".join(f.name for f in folders)


def _tell(written: Written) -> None:
    """Where each file lies, why a plot was not drawn, and what to know of those that were."""
    for name, path in written.files.items():
        click.echo(f"{name}: {path}")
    for name, reason in written.left_out.items():
        click.echo(f"{name}: left out, as {reason}")
    for remark in written.remarks:
        click.echo(remark)


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"a2pipe: {message}", err=True)
    sys.exit(code)


def _one_sentence(error: click.ClickException) -> str:
    """What click has to say, with the way to the help of the command it is about."""
    message = error.format_message()
    ended = message if message.endswith((".", "?", ")")) else f"{message}."
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{ended} See `{context.command_path} --help`." if context else ended


class Terminated(SystemExit):
    """SIGTERM: unwinds as an interruption does, so that a shard being written is finished."""


def _terminate(*_: object) -> NoReturn:
    """A second one changes nothing: batch systems may send it to a job and to its processes."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated(EXIT_TERMINATED)


def main() -> None:
    """Run the command line; every expected failure is one sentence and an exit code."""
    # Waiting threads of a model leave their core to decoding and to other processes.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # At the end Python would look for cycles in all of PyTorch, for over a second.
    atexit.register(gc.freeze)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        cli.main(prog_name="a2pipe", standalone_mode=False)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # all is done; the exit code is to say so
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.exceptions.NoArgsIsHelpError as asked:
        asked.show()
        sys.exit(asked.exit_code)
    except click.ClickException as error:
        _fail(_one_sentence(error), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        _fail("Interrupted; what was committed is kept.", EXIT_INTERRUPTED)
    except Terminated:
        _fail("Terminated; what was committed is kept.", EXIT_TERMINATED)
    except A2pipeError as error:
        _fail(str(error), error.exit_code)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            _fail("The disk is full; free some space and run the command again.", 1)
        raise
