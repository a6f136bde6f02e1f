"""These commands are about experiment files: `experiment new` and `experiment show`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from .flags import EVERY
from .options import PATH, HeadedCommand, experiment_options, json_option


@click.group()
def experiment() -> None:
    """Write a new experiment file, or show one."""


@experiment.command("new")
@click.argument("path", type=PATH)
@click.option("--dataset", default="images", help="Name or path of the dataset.")
def experiment_new(path: Path, dataset: str) -> None:
    """Write a commented experiment file to start from."""
    from ..pipeline.experiment.demo import new_experiment

    new_experiment(path, dataset)
    click.echo(f"wrote {path}")


@experiment.command("show", cls=HeadedCommand)
@experiment_options(*EVERY)
@json_option
def experiment_show(source: Path | None, overrides: Mapping[str, Any], as_json: bool) -> None:
    """Print an experiment with every default, and with the flags applied."""
    from ..pipeline.experiment.load import load_experiment
    from ..pipeline.experiment.toml import to_toml

    loaded = load_experiment(source, overrides)
    click.echo(loaded.model_dump_json(indent=2) if as_json else to_toml(loaded), nl=as_json)
