"""These commands list the paper's tables as presets, and run, compare and draw them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .flags import FEATURES, HEADS, NAME, RUN, flags, pairs
from .options import (
    PATH,
    HeadedCommand,
    HeadedOption,
    experiment_options,
    json_option,
    key_flags,
    out_option,
    path_option,
    session_options,
)
from .output import emit, emit_all
from .session import open_experiment

if TYPE_CHECKING:
    from ..paper.compare import Comparison
    from ..paper.results import PaperResult
    from ..paper.settings import Settings

_SAMPLES = flags("dataset.rehash", "dataset.split_val", "dataset.split_seed", "run.limit")
_INPUTS = flags("attention.input_size", "embedding.input_size")
RESULTS = click.argument("results", nargs=-1, required=True, type=PATH)
REPLACE = click.option(
    "--replace",
    "replacements",
    multiple=True,
    metavar="[ROLE:]PAPER_MODEL=MODEL",
    help="Let MODEL stand in for a model of the paper; ROLE is attention or embedding. Repeatable.",
)
ROOTS = click.option(
    "--dataset-root",
    "roots",
    multiple=True,
    metavar="NAME=DIR",
    help="Where a dataset lies. May be repeated.",
)
ONLY = click.option(
    "--only", multiple=True, metavar="DATASET", help="Take this dataset only. May be repeated."
)


@click.group()
def paper() -> None:
    """Run the tables of the A² paper and compare the numbers."""


@paper.command("list")
@json_option
def paper_list(as_json: bool) -> None:
    """List the paper's tables as presets.

    Of each it says what it is about and how many of its numbers this version can make, and why not
    the others. Numbers are no runs: many are cells that several tables share, which the cache
    computes once. Below stand the tables of LaSt-ViT, which are no presets, each with the command
    that measures the like.
    """
    from ..paper.last_vit import overview as last_vit
    from ..paper.presets import overview
    from ..reports.listing import plain_table

    lines = overview()
    shown = ("id", "what", "datasets", "cells", "numbers", "can_run")
    rows = [{**line, "datasets": _short(line["datasets"])} for line in lines]
    why: dict[str, list[str]] = {}
    for line in lines:
        for reason, count in line["cannot"].items():
            why.setdefault(reason, []).append(f"{line['id'].removeprefix('table-')} ({count})")
    reasons = [f"  {reason}: {', '.join(tables)}" for reason, tables in why.items()]
    others = [{**line, "datasets": _short(line["datasets"])} for line in last_vit()]
    below = ["\nCannot run, by table:", *reasons]
    below += ["\nLaSt-ViT (arXiv 2602.22394), no presets:", plain_table(others)]
    emit_all(
        [*lines, *last_vit()], [{key: row[key] for key in shown} for row in rows], below, as_json
    )


@paper.command("show")
@click.argument("id")
@ONLY
@REPLACE
@json_option
def paper_show(
    id: str, only: tuple[str, ...], replacements: tuple[str, ...], as_json: bool
) -> None:
    """Print a preset as experiment files, and say what it cannot do.

    What is left out of a file has its default, as in the paper; `a2pipe experiment show` prints all
    of it.
    """
    from ..paper.presets import preset, reasons
    from ..paper.settings import check_names, experiments, targets_of
    from ..pipeline.experiment.toml import to_toml

    chosen, settings = preset(id), _settings((), only, replacements, (), {})
    check_names(chosen, only)
    found = [
        experiment
        for name in chosen.datasets
        if not only or name in only
        for _, experiment in experiments(chosen, name, settings)
    ]
    lacking = reasons(targets_of(chosen, settings))
    if as_json:
        shown = [experiment.model_dump(mode="json", exclude_unset=True) for experiment in found]
        click.echo(json.dumps({"id": id, "experiments": shown, "cannot": lacking}))
        return
    click.echo(f"# {chosen.id}: {chosen.title}")
    click.echo(f"# metrics: {', '.join(chosen.metrics)}")
    for reason, count in lacking.items():
        click.echo(f"# cannot run {count} of {len(chosen.numbers)} numbers: {reason}")
    for experiment in found:
        click.echo(f"\n{to_toml(experiment, with_defaults=False).rstrip()}")


@paper.command("run", cls=HeadedCommand)
@click.argument("id")
@ROOTS
@ONLY
@REPLACE
@click.option(
    "--dataset-option",
    "options",
    cls=HeadedOption,
    heading="Dataset",
    multiple=True,
    metavar="[DATASET:]KEY=VALUE",
    callback=pairs,
    help="Set an option of every dataset, or of one alone; VALUE may be JSON. May be repeated.",
)
@key_flags(_SAMPLES, _INPUTS, RUN)
@out_option
@session_options
def paper_run(
    id: str,
    roots: tuple[str, ...],
    only: tuple[str, ...],
    replacements: tuple[str, ...],
    options: Mapping[str, Any],
    overrides: Mapping[str, Any],
    cache_root: Path | None,
    out: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Run a preset on the datasets whose folders are given, and compare.

    This writes into OUT/DATASET the usual report, the table as the paper has it, and paper.json,
    which `a2pipe paper compare` and `a2pipe paper plot` read.
    """
    from ..paper.compare import compare
    from ..paper.presets import preset
    from ..paper.run import publish_paper, run_preset
    from ..pipeline.shards.progress import make_progress

    chosen = preset(id)
    settings = _settings(roots, only, replacements, options, overrides)
    folder = (out or Path("results") / chosen.id).resolve()
    results: list[PaperResult] = []
    files: dict[str, Path] = {}
    for finished in run_preset(chosen, settings, cache_root, make_progress(quiet)):
        results.append(finished.result)
        place = folder / finished.result.dataset
        files |= {f"{place.name}/{n}": p for n, p in publish_paper(finished, place).items()}
    comparison = compare(results)
    if as_json:
        _echo_json(comparison, {name: str(path) for name, path in files.items()})
        return
    _echo(comparison)
    for name in (name for name in files if "/table-" in name or name.endswith("paper.json")):
        click.echo(f"wrote {files[name]}")


@paper.command("compare")
@RESULTS
@click.option(
    "--tolerance",
    default=1.0,
    type=click.FloatRange(min=0),
    metavar="POINTS",
    help="How far, in points of a hundred, a number may differ and count as within.",
)
@json_option
def paper_compare(results: tuple[Path, ...], tolerance: float, as_json: bool) -> None:
    """Compare your numbers with the paper's, one by one.

    RESULTS are folders or paper.json files of `a2pipe paper run`.
    """
    from ..paper.compare import compare
    from ..paper.results import read_results

    comparison = compare(read_results(results), tolerance)
    if as_json:
        _echo_json(comparison, {})
    else:
        _echo(comparison)


@paper.command("plot")
@click.argument("results", nargs=-1, type=PATH)
@click.option("--published", is_flag=True, help="Draw the paper's own numbers the same way.")
@path_option("--out", "DIR", "Folder of the figures.  [results/figures]")
def paper_plot(results: tuple[Path, ...], published: bool, out: Path | None) -> None:
    """Draw figures 6, 7, 16 and 20 to 22 in the paper's form.

    RESULTS are folders or paper.json files of `a2pipe paper run`. A figure for which they have too
    few numbers is left out, and the reason is printed.
    """
    from ..paper.figures import published_figures, write_figures

    if bool(results) == published:
        raise click.UsageError("Give results, or --published without any.")
    folder = (out or Path("results") / "figures").resolve()
    written = published_figures(folder) if published else write_figures(results, folder)
    for path in written.files.values():
        click.echo(f"wrote {path}")
    for name, reason in written.left_out.items():
        click.echo(f"{name}: left out, as {reason}")


@paper.command("choose-crops", cls=HeadedCommand)
@experiment_options(NAME, *FEATURES, HEADS, RUN)
@click.option(
    "--choose-by",
    "metric",
    default="accuracy",
    metavar="NAME",
    help="Metric on the validation split: accuracy, wga or worst_class.",
)
@session_options
def paper_choose_crops(
    metric: str,
    source: Path | None,
    overrides: Mapping[str, Any],
    cache_root: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Choose among several crop lists on validation images.

    Heads are fitted on the training split, as `build-matrix` fits them. Of crop lists that score
    equally the one with fewest crops is chosen. If there is no validation split, --split-val makes
    one.
    """
    from ..paper.crop_choice import choose_crops, require_unseen_validation
    from ..pipeline.experiment.load import load_experiment
    from ..pipeline.results.matrix import build_matrix

    experiment = load_experiment(source, overrides)
    require_unseen_validation(experiment)
    session = open_experiment(experiment, {}, cache_root, quiet)
    found = choose_crops(build_matrix(session), metric)
    emit([row for choice in found for row in choice.rows()], as_json)


def _short(datasets: list[str]) -> str:
    """Return the first dataset and how many more there are, for a column of a table."""
    more = f" and {len(datasets) - 1} more" if len(datasets) > 1 else ""
    return f"{datasets[0]}{more}" if datasets else "-"


def _settings(
    roots: tuple[str, ...],
    only: tuple[str, ...],
    replacements: tuple[str, ...],
    options: Any,
    overrides: Mapping[str, Any],
) -> Settings:
    from ..paper.settings import Settings, parse_replacements

    places: dict[str, Path] = {}
    for text in roots:
        name, equals, folder = text.partition("=")
        if not (name and equals and folder):
            raise click.UsageError(f"--dataset-root is NAME=DIR, not {text!r}.")
        places[name] = Path(folder).expanduser()
    return Settings(places, only, parse_replacements(replacements), dict(options), dict(overrides))


def _echo(comparison: Comparison) -> None:
    from ..paper.compare import comparison_rows, heading, summary

    for warning in comparison.warnings:
        click.echo(warning)
    for table in dict.fromkeys(line.number.table for line in comparison.lines):
        rows = comparison_rows(comparison, table)
        if rows:
            title, shorter = heading(rows, table)
            click.echo(f"\n{title}")
            emit(shorter, False)
    click.echo()
    for line in summary(comparison):
        click.echo(line)


def _echo_json(comparison: Comparison, files: Mapping[str, str]) -> None:
    from ..paper.compare import comparison_json

    click.echo(json.dumps({**comparison_json(comparison), **({"files": files} if files else {})}))
