"""These commands are about what the cache stores: `cache ls`, `verify`, `gc` and others."""

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
    """Return the cache in the folder `root`, or the default one if None."""
    from ..cache.catalog import Cache

    return Cache(root)


@click.group()
def cache() -> None:
    """List, show, verify, clean and export what the cache stores."""


@cache.command("ls")
@cache_option
@json_option
def cache_ls(cache_root: Path | None, as_json: bool) -> None:
    """List what is stored: stage, fingerprint, model, rows, shards and bytes of each artifact."""
    from ..pipeline.inspect.inventory import inventory

    emit(inventory(open_cache(cache_root)), as_json)


@cache.command("show")
@click.argument("fingerprint")
@cache_option
def cache_show(fingerprint: str, cache_root: Path | None) -> None:
    """Print the spec of the artifact whose fingerprint begins with FINGERPRINT."""
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
    """Check that what is stored is whole.

    This compares markers and sizes of files, and with --deep every checksum. With --repair, what is
    damaged is dropped, and the next run computes it again; with --experiment it is computed now,
    and nothing else is. The exit code is 1 if there is damage that was not dropped.
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
@click.option("--apply", is_flag=True, help="Delete it instead of showing it.")
@cache_option
@json_option
def cache_gc(apply: bool, cache_root: Path | None, as_json: bool) -> None:
    """Show what no experiment refers to, or delete it with --apply."""
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
    """Forget an experiment, so that gc frees what it alone refers to.

    It is named by NAME, or by the path of its FILE if several have the name.
    """
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
    """Write an artifact to TARGET, whose suffix says how: .npy, .parquet, .zarr or .h5."""
    from ..cache.export import export
    from ..pipeline.inspect.inventory import find_artifact

    for path in export(find_artifact(open_cache(cache_root), fingerprint), target):
        click.echo(str(path))
