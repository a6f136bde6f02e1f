"""Commands that look after things: experiment files, the cache, models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import A2pipeError, UsageError
from .options import cache_option, experiment_options, json_option, quiet_option
from .output import emit

if TYPE_CHECKING:
    from ..cache.catalog import Cache
    from ..cache.verify import Problem


def open_cache(root: Path | None) -> Cache:
    """The cache at `root`, or the default one."""
    from ..cache.catalog import Cache

    return Cache(root)


# --- experiment files ---------------------------------------------------------------------------


@click.group()
def experiment() -> None:
    """Experiment files."""


@experiment.command("new")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--dataset", default="images", show_default=True, help="Name or path.")
def experiment_new(path: Path, dataset: str) -> None:
    """Write a commented experiment file to start from."""
    from ..pipeline.experiment.demo import new_experiment

    new_experiment(path, dataset)
    click.echo(f"wrote {path}")


@experiment.command("show")
@experiment_options("heads")
def experiment_show(
    source: Path | None, overrides: Mapping[str, Any], as_json: bool, **_: Any
) -> None:
    """Print an experiment with every default."""
    from ..pipeline.experiment.toml import load_experiment, to_toml

    loaded = load_experiment(source, overrides)
    click.echo(loaded.model_dump_json(indent=2) if as_json else to_toml(loaded), nl=as_json)


# --- cache --------------------------------------------------------------------------------------


@click.group()
def cache() -> None:
    """What is stored: list, show, verify, clean, export."""


@cache.command("ls")
@cache_option
@json_option
def cache_ls(cache_root: Path | None, as_json: bool) -> None:
    """List artifacts: stage, fingerprint, model, rows, shards, bytes."""
    from ..pipeline.inspect.inventory import inventory

    emit(inventory(open_cache(cache_root)), as_json)


@cache.command("show")
@click.argument("fingerprint")
@cache_option
def cache_show(fingerprint: str, cache_root: Path | None) -> None:
    """Print the spec of an artifact, given the beginning of its fingerprint."""
    from ..pipeline.inspect.inventory import find_artifact

    artifact = find_artifact(open_cache(cache_root), fingerprint)
    click.echo(json.dumps({"folder": str(artifact.folder), **artifact.spec}, indent=2))


@cache.command("verify")
@click.option("--deep", is_flag=True, help="Read every byte and compare checksums.")
@click.option("--repair", is_flag=True, help="Drop damaged shards and records.")
@click.option(
    "--experiment",
    "experiments",
    type=click.Path(path_type=Path),
    metavar="FILE",
    multiple=True,
    help="With --repair: compute the dropped shards of this experiment again; may be repeated.",
)
@cache_option
@quiet_option
@json_option
def cache_verify(
    deep: bool,
    repair: bool,
    experiments: tuple[Path, ...],
    cache_root: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Check markers and file sizes, with --deep every checksum.

    With --repair, what is damaged is dropped, and the next run computes it again; with --experiment
    it is computed now, and nothing else.
    """
    if experiments and not repair:
        raise UsageError("--experiment says what to compute again: give --repair with it.")
    if repair:
        _repair(open_cache(cache_root), experiments, deep, quiet, as_json)
        return
    from ..cache.verify import verify

    problems = verify(open_cache(cache_root), deep=deep)
    emit([_problem(each) for each in problems], as_json, empty="no damage found")
    if problems:
        raise A2pipeError(
            f"{len(problems)} problem{'s' if len(problems) > 1 else ''} found; "
            "--repair drops the damaged shards, the next run computes them again."
        )


def _problem(problem: Problem) -> dict[str, Any]:
    return {"folder": str(problem.folder), "shard": problem.shard, "problem": problem.what}


def _repair(
    cache: Cache, experiments: tuple[Path, ...], deep: bool, quiet: bool, as_json: bool
) -> None:
    from ..pipeline.inspect.repair import repair
    from ..pipeline.shards.progress import make_progress

    done = repair(cache, experiments, deep, make_progress(quiet))
    rows = [{**_problem(each.problem), "computed": each.computed} for each in done.mended]
    emit(rows, as_json, empty="no damage found")
    if rows and not as_json:
        again = sum(each.computed for each in done.mended)
        click.echo(
            f"computed again: {again} of {len(rows)}, with {done.forward_passes:,} forward passes"
        )


@cache.command("gc")
@click.option("--apply", is_flag=True, help="Delete; without it, only show.")
@cache_option
@json_option
def cache_gc(apply: bool, cache_root: Path | None, as_json: bool) -> None:
    """Show, or delete, what no named experiment refers to."""
    from ..cache.gc import gc

    freed = gc(open_cache(cache_root), apply=apply)
    rows = [{"path": str(c.path), "bytes": c.bytes, "why": c.why} for c in freed]
    emit(rows, as_json, empty="nothing to free")
    if rows and not as_json:
        total = sum(c.bytes for c in freed)
        verb = "freed" if apply else "to be freed; delete with --apply"
        click.echo(f"{total:,} bytes {verb}")


@cache.command("forget")
@click.argument("name")
@cache_option
def cache_forget(name: str, cache_root: Path | None) -> None:
    """Let gc free what the experiment NAME alone refers to."""
    from ..cache.references import experiments, forget

    root = open_cache(cache_root).root
    if not forget(root, name):
        known = ", ".join(map(repr, sorted(experiments(root)))) or "none"
        raise UsageError(f"No experiment {name!r} is noted in {root}; noted there: {known}.")
    click.echo(f"forgot {name}; `a2pipe cache gc` shows what that leaves to be freed")


@cache.command("export")
@click.argument("fingerprint")
@click.argument("target", type=click.Path(path_type=Path))
@cache_option
def cache_export(fingerprint: str, target: Path, cache_root: Path | None) -> None:
    """Write an artifact as .npy, .parquet, .zarr or .h5, by the suffix of TARGET."""
    from ..cache.export import export
    from ..pipeline.inspect.inventory import find_artifact

    for path in export(find_artifact(open_cache(cache_root), fingerprint), target):
        click.echo(str(path))


# --- models -------------------------------------------------------------------------------------


@click.group(invoke_without_command=True)
@click.pass_context
def models(ctx: click.Context) -> None:
    """Backbones: list them, show one, fetch weights ahead."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(models_list)


@models.command("list")
@json_option
def models_list(as_json: bool = False) -> None:
    """Names that can be given to --model; any timm ViT with a CLS token works too.

    size in parameters; patch in pixels; grid of patches at 224 px; prefix: CLS and register tokens;
    norm: which normalisation; weights: whether they are on this machine.
    """
    from ..models.zoo.listing import columns, summary
    from ..models.zoo.names import entries

    summaries = [summary(entry) for entry in entries()]
    emit(summaries if as_json else columns(summaries), as_json)


@models.command("show")
@click.argument("name")
@json_option
def models_show(name: str, as_json: bool) -> None:
    """Everything known of one backbone, by any of its names."""
    from ..models.zoo.listing import details
    from ..models.zoo.names import resolve

    known = details(resolve(name))
    rows = [{"key": key.replace("_", " "), "value": _shown(known[key])} for key in known]
    emit(known if as_json else rows, as_json)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


@models.command("fetch")
@click.argument("names", nargs=-1, required=True)
@click.option("--text", is_flag=True, help="The text towers of OpenCLIP models, too.")
def models_fetch(names: tuple[str, ...], text: bool) -> None:
    """Fetch weights now, for machines without a network later."""
    from ..models.weights.fetching import fetch_all

    for name, done in fetch_all(names, text):
        click.echo(f"{name}: {done}")
