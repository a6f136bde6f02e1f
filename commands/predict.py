"""These commands take a head out of a matrix and apply it to new images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .flags import FEATURES, HEADS, NAME, RUN, gpus, weights_files
from .options import PATH, HeadedCommand, experiment_options, path_option, session_options
from .output import emit
from .session import open_experiment

if TYPE_CHECKING:
    from ..pipeline.predict.predict import Prediction


@click.command("save-head", cls=HeadedCommand)
@experiment_options(NAME, *FEATURES, HEADS, RUN)
@click.option(
    "--row", metavar="ROW", help="Row by its label or key, or by its attention model or baseline."
)
@click.option("--column", metavar="MODEL", help="Embedding model of the cell.")
@click.option("--head-name", metavar="NAME", help="Name of the head, if there are several.")
@path_option("--out", "FILE", "The file to write, e.g. birds.head.", required=True)
@session_options
def save_head(
    row: str | None,
    column: str | None,
    head_name: str | None,
    out: Path,
    as_json: bool,
    **options: Any,
) -> None:
    """Write the head of one cell to a file, for `predict`.

    The head is fitted on the cached features; what is missing of these is computed first. ROW,
    MODEL and NAME may be left out if the experiment has only one.
    """
    from ..pipeline.predict.saved_heads import find_cell, save_cell

    session = open_experiment(**options)
    cell = find_cell(session.plan, row, column, head_name)
    save_cell(session, cell, out)
    line = {"row": cell.row.label, "column": cell.column, "head": cell.head.label}
    emit([{**line, "file": str(out)}], as_json)


@click.command()
@click.argument("images", nargs=-1, required=True, type=PATH)
@click.option(
    "--head", "head_file", type=PATH, metavar="FILE", required=True, help="What `save-head` wrote."
)
@path_option("--out", "FILE", "Write all to this .csv or .json file instead of printing it.")
@path_option("--save-overlays", "DIR", "Draw each image with its attention and crops in DIR.")
@click.option("--device", metavar="NAME", help="Device: auto, cpu, cuda, cuda:1 or mps.  [auto]")
@click.option(
    "--gpus",
    metavar="all|N|N,N",
    callback=gpus,
    help="Compute in a process a GPU: all, the first N, or those of these numbers.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    metavar="N",
    help="Images in a forward pass.  [as of the head]",
)
@click.option(
    "--weights",
    multiple=True,
    metavar="MODEL=FILE",
    callback=weights_files,
    help="A local file with the weights of MODEL. May be repeated.",
)
@click.option("--offline", is_flag=True, default=None, help="Never touch the network.")
@click.option(
    "--skip-bad-images", is_flag=True, help="Exit with code 0 even if some images are bad."
)
@session_options
def predict(
    images: tuple[Path, ...],
    head_file: Path,
    out: Path | None,
    save_overlays: Path | None,
    skip_bad_images: bool,
    cache_root: Path | None,
    quiet: bool,
    as_json: bool,
    **run: Any,
) -> None:
    """Classify new images with a saved head.

    IMAGES are files and folders. Attention, boxes and embeddings are computed as for the images the
    head was fitted on, and kept in the cache. This prints class, probability and crops (x0, y0, x1,
    y1 in pixels of the image).
    """
    from ..pipeline.predict.overlays import save_overlays as draw
    from ..pipeline.predict.predict import check_file, to_json, write_predictions
    from ..pipeline.predict.predict import predict as apply_head
    from ..pipeline.shards.bad_images import refuse_bad_images
    from ..pipeline.shards.progress import make_progress

    if out is not None:
        check_file(out)
    given = {key: value for key, value in run.items() if value not in (None, {})}
    found = apply_head(head_file, images, given, cache_root, make_progress(quiet))
    if out is not None:
        write_predictions(found, out)
    elif as_json:
        click.echo(json.dumps(to_json(found)))
    else:
        emit([_line(prediction) for prediction in found.predictions], as_json)
    if save_overlays is not None:
        draw(found, save_overlays)
    refuse_bad_images(list(found.bad), skip_bad_images)


def _line(prediction: Prediction) -> dict[str, Any]:
    """Return one row of the table."""
    share = prediction.probabilities.get(prediction.class_name)
    return {
        "image": prediction.path,
        "class": prediction.class_name,
        "probability": "" if share is None else f"{share:.4f}",
        "crops": "  ".join(",".join(f"{edge:.0f}" for edge in box) for box in prediction.boxes),
    }
