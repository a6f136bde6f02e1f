"""These commands are about backbones: `models list`, `models show` and `models fetch`."""

from typing import Any

import click

from .options import json_option
from .output import emit


@click.group(invoke_without_command=True)
@click.pass_context
def models(ctx: click.Context) -> None:
    """List the backbones, show one, or fetch weights ahead."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(models_list)


@models.command("list")
@json_option
def models_list(as_json: bool = False) -> None:
    """List the names that --model takes; any timm model works too.

    The columns are size in parameters, patch in pixels, grid of patches at 224 px, prefix (CLS and
    register tokens), norm (which normalisation) and weights (whether they are on this machine).
    """
    from ..models.listing import columns, summary
    from ..models.zoo.names import entries

    summaries = [summary(entry) for entry in entries()]
    emit(summaries if as_json else columns(summaries), as_json)


@models.command("show")
@click.argument("name")
@json_option
def models_show(name: str, as_json: bool) -> None:
    """Show everything that is known of one backbone, by any of its names."""
    from ..models.listing import details
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
@click.option("--text", is_flag=True, help="Fetch the text towers of OpenCLIP models too.")
def models_fetch(names: tuple[str, ...], text: bool) -> None:
    """Fetch weights now, for machines without a network later."""
    from ..models.fetching import fetch_all

    for name, done in fetch_all(names, text):
        click.echo(f"{name}: {done}")
