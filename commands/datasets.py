"""These commands list datasets, look into them, check them and build them."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from .flags import DATASET, IMAGE, WORKERS, flags
from .options import (
    HeadedCommand,
    cache_option,
    decorated,
    experiment_options,
    json_option,
    key_flags,
    path_option,
    session_options,
)
from .output import emit, emit_all


@click.group(invoke_without_command=True)
@click.pass_context
def datasets(ctx: click.Context) -> None:
    """List the registered datasets; look into, check or build one."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(datasets_list)


@datasets.command("list")
@json_option
def datasets_list(as_json: bool = False) -> None:
    """List the names that --dataset takes; folders, manifests and tar shards work too."""
    from ..pipeline.inspect.dataset_summary import known_datasets

    known = known_datasets()
    rows = [{key: line[key] for key in ("name", "what")} for line in known]
    sources = [f"{a['name']}: {a['title']}. {a['paper']}." for a in known if a["paper"]]
    emit_all(known, rows, ["", *sources], as_json)


@datasets.command("show", cls=HeadedCommand)
@experiment_options(DATASET)
@cache_option
@json_option
def datasets_show(
    source: Path | None, overrides: Mapping[str, Any], cache_root: Path | None, as_json: bool
) -> None:
    """Print what a dataset consists of.

    These are counts by split and group, classes, sizes, boxes and duplicates. EXPERIMENT or
    --dataset says which dataset it is. No image is decoded.
    """
    from ..pipeline.inspect.dataset_summary import summarize_dataset

    summary = summarize_dataset(source, overrides, cache_root)
    emit_all(summary.to_json(), summary.groups, ["", *summary.lines()], as_json)


@datasets.command("check", cls=HeadedCommand)
@click.argument("dataset", metavar="NAME")
@key_flags(flags("dataset.root", "dataset.options", "dataset.rehash"), IMAGE, WORKERS)
@session_options
def datasets_check(
    dataset: str, overrides: Mapping[str, Any], cache_root: Path | None, quiet: bool, as_json: bool
) -> None:
    """Compare a dataset on disk with what was published.

    This counts every group, decodes every image and maps every box. Exit codes: 0 if all is as
    published, 1 if something differs, 3 if some images are bad.
    """
    from ..pipeline.inspect.dataset_check import check_dataset
    from ..pipeline.shards.progress import make_progress

    checked = check_dataset(
        {"dataset.name": dataset, **overrides}, cache_root, make_progress(quiet)
    )
    counts, below = checked.count_table(), ["", *checked.lines()]
    emit_all(checked.to_json(), counts, below, as_json, empty="no published counts")
    sys.exit(checked.exit_code)


@datasets.group("build")
def datasets_build() -> None:
    """Build what a benchmark needs and its archive lacks."""


@datasets_build.command("waterbirds-boxes")
@path_option("--root", "DIR", "The Waterbirds archive, with metadata.csv.", required=True)
@path_option("--cub", "DIR", "CUB_200_2011, with bounding_boxes.txt and images.txt.", required=True)
@click.option("--force", is_flag=True, help="Replace files with other content.")
def build_waterbirds_boxes(root: Path, cub: Path, force: bool) -> None:
    """Write the boxes of CUB-200-2011 beside metadata.csv."""
    from ..datasets.benchmarks.waterbirds import build_boxes

    for path in build_boxes(root, cub, force):
        click.echo(str(path))


def _metashift_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add flags for where the published files lie and where the manifest goes."""
    paths = {
        "--subsets": ("FILE", "MetaShift's full-candidate-subsets.pkl."),
        "--images": ("DIR", "Folder of GQA's images, ID.jpg."),
        "--out": ("DIR", "Folder for manifest.parquet."),
    }
    flags = [path_option(name, *words, required=True) for name, words in paths.items()]
    force = click.option("--force", is_flag=True, help="Replace a manifest with other content.")
    return decorated(command, (*flags, force, json_option))


@datasets_build.command("metashift-animals")
@_metashift_options
@click.option("--seed", type=int, default=0, help="Seed that deals the contexts to the splits.")
@click.option(
    "--minimum",
    type=click.IntRange(min=1),
    default=25,
    metavar="N",
    help="How many images a context needs.",
)
def build_metashift_animals(as_json: bool, **given: Any) -> None:
    """Build eight animals whose contexts differ between train and test.

    This prints the counts of this build beside the published ones, whose split is not known.
    """
    from ..datasets.benchmarks.metashift_animals import build_animals, counts

    built = build_animals(**given)
    emit(counts(built.pairs), as_json)
    click.echo(built.report(), err=True)


@datasets_build.command("metashift-cat-dog")
@_metashift_options
@path_option(
    "--contexts",
    "FILE",
    "JSON or TOML with lists named cat indoor, cat outdoor, dog indoor and dog outdoor.",
    required=True,
)
def build_metashift_cat_dog(as_json: bool, **given: Any) -> None:
    """Build cats indoors and dogs outdoors in train, and the other way round in test.

    The contexts of each group stand in MetaShift's script
    subpopulation_shift_cat_dog_indoor_outdoor.py, whose unmixed output this equals.
    """
    from ..datasets.benchmarks.metashift_cat_dog import build_cat_dog, counts

    built = build_cat_dog(**given)
    emit(counts(built.pairs), as_json)
    click.echo(built.report(), err=True)
