"""Commands about what the cache stores: `cache ls`, `cache verify`, `cache gc` and others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import A2pipeError, UsageError
from .options import PATH, cache_option, json_option, session_options
from .output import emit

if TYPE_CHECKING:
    from ..cache.catalog import Cache
    from ..cache.verify import Problem


def open_cache(root: Path | None) -> Cache:
    """The cache at `root`, or the default one."""
    from ..cache.catalog import Cache

    return Cache(root)


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
    type=PATH,
    metavar="FILE",
    multiple=True,
    help="With --repair, compute the dropped shards of this experiment again. May be repeated.",
)
@session_options
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
@click.argument("name", metavar="NAME|FILE")
@cache_option
def cache_forget(name: str, cache_root: Path | None) -> None:
    """Let gc free what the experiment NAME, or that of the file FILE, alone refers to."""
    from ..cache.references import experiments, forget

    root = open_cache(cache_root).root
    if not (forget(root, name) or forget(root, str(Path(name).resolve()))):
        labels = sorted({reference.label for reference in experiments(root)})
        known = ", ".join(map(repr, labels)) or "none"
        raise UsageError(f"No experiment {name!r} is noted in {root}; noted there: {known}.")
    click.echo(f"forgot {name}; `a2pipe cache gc` shows what that leaves to be freed")


@cache.command("export")
@click.argument("fingerprint")
@click.argument("target", type=PATH)
@cache_option
def cache_export(fingerprint: str, target: Path, cache_root: Path | None) -> None:
    """Write an artifact as .npy, .parquet, .zarr or .h5, by the suffix of TARGET."""
    from ..cache.export import export
    from ..pipeline.inspect.inventory import find_artifact

    for path in export(find_artifact(open_cache(cache_root), fingerprint), target):
        click.echo(str(path))
