"""These commands end in a matrix: `demo`, `fit-heads`, `build-matrix` and `report`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .executors import executor_options
from .flags import ADDRESS, CACHE_PIXELS, MATRIX, RUN, SKIP_BAD_IMAGES, WORKERS
from .options import HeadedCommand, experiment_options, out_option, session_options
from .session import open_experiment

if TYPE_CHECKING:
    from ..pipeline.session import Session


# No pixel is read, but what the experiment uses is noted, as `cache gc` frees the rest.
_FROM_CACHE = (ADDRESS, WORKERS, CACHE_PIXELS, SKIP_BAD_IMAGES)


@click.command()
@click.option("--digits", type=click.Choice(["01", "38"]), default="01", help="Which two digits.")
@click.option("--balanced", is_flag=True, help="Train without the spurious correlation.")
@click.option("--seed", default=0, help="Seed of the composition of the images.")
@click.option("--limit", type=int, metavar="N", help="Take N of the 2,100 images only.")
@click.option(
    "--backend", type=click.Choice(["zarr", "hdf5"]), default="zarr", help="How arrays are stored."
)
@out_option
@session_options
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

    This needs no network and no data, as images and backbones are part of the package.
    """
    from ..pipeline.experiment.demo import demo_experiment

    run = {"backend": backend, **({} if limit is None else {"limit": limit})}
    experiment = demo_experiment(digits, balanced=balanced, seed=seed, run=run)
    session = open_experiment(experiment, {}, cache_root, quiet)
    _matrix(session, out, as_json)


@click.command("fit-heads", cls=HeadedCommand)
@experiment_options(*MATRIX, *_FROM_CACHE)
@out_option
@session_options
def fit_heads(out: Path | None, as_json: bool, **options: Any) -> None:
    """Fit heads on features that are in the cache.

    This computes no feature; the exit code is 4 if one is missing.
    """
    _matrix(open_experiment(**options), out, as_json, compute=False)


@click.command("build-matrix", cls=HeadedCommand)
@experiment_options(*MATRIX, RUN)
@executor_options
@out_option
@session_options
def build_matrix(out: Path | None, as_json: bool, **options: Any) -> None:
    """Compute what is missing, fit heads and write the report."""
    _matrix(open_experiment(**options), out, as_json)


@click.command(cls=HeadedCommand)
@experiment_options(*MATRIX, *_FROM_CACHE)
@out_option
@session_options
def report(out: Path | None, as_json: bool, **options: Any) -> None:
    """Write the report again from what the cache has.

    This computes no feature; the exit code is 4 if one is missing.
    """
    _matrix(open_experiment(**options), out, as_json, compute=False)


def _matrix(session: Session, out: Path | None, as_json: bool, compute: bool = True) -> None:
    from ..pipeline.results.report import publish
    from ..reports.terminal import render_terminal

    matrix, files = publish(session, out, compute)
    if as_json:
        click.echo(json.dumps({**matrix.to_json(), "files": {k: str(v) for k, v in files.items()}}))
        return
    click.echo(render_terminal(matrix))
    passes, decoded = matrix.run["forward_passes_total"], matrix.run["images_decoded"]
    click.echo(f"computed: {passes:,} forward passes, {decoded:,} images decoded")
    for name, path in files.items():
        click.echo(f"{name}: {path}")
