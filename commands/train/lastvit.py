"""`train` is the group of the commands that train a network, and `train lastvit` is in it."""

from pathlib import Path
from typing import Any

import click

from ..flags import DATASET, NAME, TRAINING, flags
from ..options import FOLDER, HeadedCommand, experiment_options, path_option, session_options
from ..output import emit_all

_RUN = flags("image.size", "image.geometry", "run.device", "run.precision", "run.workers")
_OWN = {flag.key: flag.name.replace("training-", "") for flag in TRAINING}
"""It gives short names of the flags that the command is about."""


@click.group()
def train() -> None:
    """Train a network on a dataset."""


@train.command("lastvit", cls=HeadedCommand)
@experiment_options(NAME, DATASET, _RUN, TRAINING, short=_OWN)
@path_option("--out", "DIR", "Folder of the results.  [results/NAME/training]", type=FOLDER)
@session_options
def train_lastvit(out: Path | None, quiet: bool, as_json: bool, **options: Any) -> None:
    """Train ViTs whose head reads CLS, mean or selected patches.

    Every combination of the listed pools, patches, windows and seeds is a network of its own. Each
    is trained from scratch, is measured along the way, and goes on from its last checkpoint if it
    was stopped.
    """
    from ...pipeline.experiment.load import load_experiment
    from ...pipeline.shards.progress import make_progress
    from ...training.run import train_lastvit as train_all

    experiment = load_experiment(options["source"], options["overrides"])
    found = train_all(experiment, options["cache_root"], out, make_progress(quiet))
    content = {"folder": str(found.folder), "runs": found.rows, "remarks": list(found.remarks)}
    # The accuracies of masked images would make the table wider than a terminal; files have them.
    shown = [
        {name: _cell(value) for name, value in row.items() if not name.startswith("accuracy_")}
        for row in found.rows
    ]
    emit_all(content, shown, [f"results: {found.folder}", *found.remarks], as_json)


def _cell(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
