"""The command line: parses, calls the pipeline, prints."""

from __future__ import annotations

import errno
import json
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from . import __version__
from .cli_options import (
    cache_option,
    experiment_options,
    json_option,
    out_option,
    quiet_option,
)
from .errors import A2pipeError

if TYPE_CHECKING:
    from .cache.catalog import Cache
    from .pipeline.session import Session

EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


class Sections(click.Group):
    """Commands in the order they were written, which is the order of the work."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(self.commands)


@click.group(cls=Sections, context_settings={"help_option_names": ["-h", "--help"]})
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
    """Compute a whole matrix from images and backbones that ship with the package."""
    from .pipeline.demo import demo_experiment

    run = {"backend": backend, **({"limit": limit} if limit else {})}
    experiment = demo_experiment(digits, balanced=balanced, seed=seed, run=run)
    session = _session(experiment, None, cache_root, quiet)
    _matrix(session, out, as_json)


# --- stages, in the order of the work -----------------------------------------------------------


@cli.command("extract-attn")
@experiment_options("attention")
def extract_attn(**options: Any) -> None:
    """Store the CLS attention of every image, per head, prefix tokens included."""
    _compute("attention", **options)


@cli.command("select-crops")
@experiment_options("boxes")
def select_crops(**options: Any) -> None:
    """Place crop boxes greedily on the attention maps (computed if missing)."""
    _compute("boxes", **options)


@cli.command("embed-crops")
@experiment_options("embeddings")
def embed_crops(**options: Any) -> None:
    """Embed every crop and baseline with every embedding model (boxes computed if missing)."""
    _compute("embeddings", **options)


@cli.command("fit-heads")
@out_option
@experiment_options("heads")
def fit_heads(out: Path | None, as_json: bool, **options: Any) -> None:
    """Fit heads on features that are in the cache; computes no feature."""
    _matrix(_session_of(**options), out, as_json, compute=False)


@cli.command("build-matrix")
@out_option
@experiment_options("heads")
def build_matrix(out: Path | None, as_json: bool, **options: Any) -> None:
    """Compute what is missing, fit the missing heads, write matrix and report."""
    _matrix(_session_of(**options), out, as_json)


@cli.command()
@click.option("--rank", default=0, show_default=True, help="Which share of the shards.")
@click.option("--world-size", default=1, show_default=True, help="Into how many shares.")
@experiment_options("embeddings")
def run(rank: int, world_size: int, **options: Any) -> None:
    """Compute missing shards and fit nothing; several ranks may share one cache."""
    if not 0 <= rank < world_size:
        raise click.UsageError(f"--rank must be at least 0 and below --world-size ({world_size}).")
    _compute("embeddings", rank=rank, world_size=world_size, **options)


@cli.command()
@experiment_options("boxes")
def localize(as_json: bool, **options: Any) -> None:
    """Mass in box, hit rate and crop hit rate of every attention model, where boxes are known."""
    from .pipeline.stage_run import localize_table

    table = localize_table(_session_of(**options))
    _emit(table, as_json)


# --- looking ------------------------------------------------------------------------------------


@cli.command()
@experiment_options("embeddings")
def plan(as_json: bool, **options: Any) -> None:
    """Show what an experiment needs and what of it is missing; computes nothing."""
    from .pipeline.estimate import needs

    session = _session_of(**options)
    _emit([need.to_json() for need in needs(session.plan, session.cache)], as_json)


@cli.command()
@experiment_options("embeddings")
def status(as_json: bool, **options: Any) -> None:
    """Per stage: shards done and missing, rows missing, bad images."""
    from .pipeline.inventory import status_table

    _emit(status_table(_session_of(**options)), as_json)


@cli.command()
@out_option
@experiment_options("heads")
def report(out: Path | None, as_json: bool, **options: Any) -> None:
    """Write the report again from what the cache has; computes no feature."""
    _matrix(_session_of(**options), out, as_json, compute=False)


# --- experiment files ---------------------------------------------------------------------------


@cli.group()
def experiment() -> None:
    """Experiment files."""


@experiment.command("new")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--dataset", default="images", show_default=True, help="Name or path.")
def experiment_new(path: Path, dataset: str) -> None:
    """Write a commented experiment file to start from."""
    from .pipeline.demo import new_experiment

    new_experiment(path, dataset)
    click.echo(f"wrote {path}")


@experiment.command("show")
@experiment_options("heads")
def experiment_show(
    source: Path | None, overrides: Mapping[str, Any], as_json: bool, **_: Any
) -> None:
    """Print an experiment with every default."""
    from .pipeline.experiment import load_experiment, to_toml

    loaded = load_experiment(source, overrides)
    click.echo(loaded.model_dump_json(indent=2) if as_json else to_toml(loaded), nl=as_json)


# --- cache --------------------------------------------------------------------------------------


@cli.group()
def cache() -> None:
    """What is stored: list, show, verify, clean, export."""


@cache.command("ls")
@cache_option
@json_option
def cache_ls(cache_root: Path | None, as_json: bool) -> None:
    """List artifacts: stage, fingerprint, model, rows, shards, bytes."""
    from .pipeline.inventory import inventory

    _emit(inventory(_cache(cache_root)), as_json)


@cache.command("show")
@click.argument("fingerprint")
@cache_option
def cache_show(fingerprint: str, cache_root: Path | None) -> None:
    """Print the spec of an artifact, given the beginning of its fingerprint."""
    from .pipeline.inventory import find_artifact

    artifact = find_artifact(_cache(cache_root), fingerprint)
    click.echo(json.dumps({"folder": str(artifact.folder), **artifact.spec}, indent=2))


@cache.command("verify")
@click.option("--deep", is_flag=True, help="Read every byte and compare checksums.")
@click.option("--repair", is_flag=True, help="Drop the markers of damaged shards.")
@cache_option
@json_option
def cache_verify(deep: bool, repair: bool, cache_root: Path | None, as_json: bool) -> None:
    """Check markers and file sizes, with --deep every checksum."""
    from .cache.verify import verify

    problems = verify(_cache(cache_root), deep=deep, repair=repair)
    rows = [{"folder": str(p.folder), "shard": p.shard, "problem": p.what} for p in problems]
    _emit(rows, as_json, empty="no damage found")
    if problems and not repair:
        raise A2pipeError(
            f"{len(problems)} problem{'s' if len(problems) > 1 else ''} found; "
            "--repair drops the damaged shards, the next run computes them again."
        )


@cache.command("gc")
@click.option("--apply", is_flag=True, help="Delete; without it, only show.")
@cache_option
@json_option
def cache_gc(apply: bool, cache_root: Path | None, as_json: bool) -> None:
    """Show, or delete, what no named experiment refers to."""
    from .cache.gc import gc

    freed = gc(_cache(cache_root), apply=apply)
    rows = [{"path": str(c.path), "bytes": c.bytes, "why": c.why} for c in freed]
    _emit(rows, as_json, empty="nothing to free")
    if rows and not as_json:
        total = sum(c.bytes for c in freed)
        verb = "freed" if apply else "to be freed; delete with --apply"
        click.echo(f"{total:,} bytes {verb}")


@cache.command("export")
@click.argument("fingerprint")
@click.argument("target", type=click.Path(path_type=Path))
@cache_option
def cache_export(fingerprint: str, target: Path, cache_root: Path | None) -> None:
    """Write an artifact as .npy, .parquet, .zarr or .h5, by the suffix of TARGET."""
    from .cache.export import export
    from .pipeline.inventory import find_artifact

    for path in export(find_artifact(_cache(cache_root), fingerprint), target):
        click.echo(str(path))


# --- models and datasets ------------------------------------------------------------------------


@cli.group(invoke_without_command=True)
@click.pass_context
def models(ctx: click.Context) -> None:
    """Backbones: list them, show one, fetch weights ahead."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(models_list)


@models.command("list")
@json_option
def models_list(as_json: bool = False) -> None:
    """Names that can be given to --model; any timm ViT name works too."""
    from .models.names import entries

    rows = [
        {"name": e.name, "family": e.family, "source": e.source, "licence": e.licence}
        for e in entries()
    ]
    _emit(rows, as_json)


@models.command("show")
@click.argument("name")
@json_option
def models_show(name: str, as_json: bool) -> None:
    """Everything known of one backbone."""
    from .models.names import resolve

    entry = resolve(name)
    rows = [{"key": key, "value": str(value)} for key, value in vars(entry).items()]
    _emit({key: str(value) for key, value in vars(entry).items()} if as_json else rows, as_json)


@models.command("fetch")
@click.argument("names", nargs=-1, required=True)
def models_fetch(names: tuple[str, ...]) -> None:
    """Fetch weights now, for machines without a network later."""
    from .models.identity import locate_weights
    from .models.names import resolve

    for name in names:
        click.echo(f"{name}: {locate_weights(resolve(name), None, offline=False) or 'no file'}")


@cli.group(invoke_without_command=True)
@click.pass_context
def datasets(ctx: click.Context) -> None:
    """Datasets: list the registered ones, look into one."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(datasets_list)


@datasets.command("list")
@json_option
def datasets_list(as_json: bool = False) -> None:
    """Names that can be given to --dataset; a folder or a manifest works too."""
    from .datasets.registry import names

    _emit([{"name": name, "what": what} for name, what in names()], as_json)


@datasets.command("show")
@experiment_options("attention")
def datasets_show(
    source: Path | None,
    overrides: Mapping[str, Any],
    cache_root: Path | None,
    as_json: bool,
    **_: Any,
) -> None:
    """Counts by split and group; EXPERIMENT or --dataset says which."""
    from .pipeline.inventory import dataset_table

    _emit(dataset_table(source, overrides, cache_root), as_json)


# --- shared -------------------------------------------------------------------------------------


def _cache(root: Path | None) -> Cache:
    from .cache.catalog import Cache

    return Cache(root)


def _session(source: Any, overrides: Any, cache_root: Path | None, quiet: bool) -> Session:
    from .pipeline.experiment import Experiment, load_experiment
    from .pipeline.progress import make_progress
    from .pipeline.session import open_session

    loaded = source if isinstance(source, Experiment) else load_experiment(source, overrides)
    return open_session(loaded, cache_root, make_progress(quiet))


def _session_of(
    source: Path | None,
    overrides: Mapping[str, Any],
    cache_root: Path | None,
    quiet: bool,
    **_: Any,
) -> Session:
    return _session(source, overrides, cache_root, quiet)


def _compute(
    through: str, as_json: bool, rank: int = 0, world_size: int = 1, **options: Any
) -> None:
    from .pipeline.bad_images import refuse_bad_images
    from .pipeline.stage_run import compute_stage

    session = _session_of(**options)
    run = compute_stage(session, through, rank, world_size)
    _emit(run.lines, as_json)
    refuse_bad_images(run.bad, session.experiment.run.skip_bad_images)


def _matrix(session: Session, out: Path | None, as_json: bool, compute: bool = True) -> None:
    from .pipeline.publish import publish
    from .reports.terminal import render_terminal

    matrix, files = publish(session, out, compute)
    if as_json:
        click.echo(json.dumps({**matrix.to_json(), "files": {k: str(v) for k, v in files.items()}}))
        return
    click.echo(render_terminal(matrix))
    for name, path in files.items():
        click.echo(f"{name}: {path}")


def _emit(rows: Any, as_json: bool, empty: str = "nothing") -> None:
    """Rows of plain values as an aligned table, or as JSON."""
    if as_json:
        click.echo(json.dumps(rows))
        return
    from .reports.listing import plain_table

    click.echo(plain_table(rows) if rows else empty)


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
    raise Terminated(EXIT_TERMINATED)


def main() -> None:
    """Run the command line; every expected failure is one sentence and an exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        cli.main(prog_name="a2pipe", standalone_mode=False)
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
