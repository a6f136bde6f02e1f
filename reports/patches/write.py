"""Write a study of patches to a folder: JSON, CSV, plots and sheets of votes."""

import re
from collections.abc import Sequence
from pathlib import Path

from ..drawing import png
from ..write import write_files
from .plots import norms, scores
from .study import PATCHES_FILE, PatchStudy, patches_csv
from .votes import VoteSheet, vote_sheet


def write_patches(study: PatchStudy, sheets: Sequence[VoteSheet], folder: Path) -> dict[str, Path]:
    """Write patches.json, patches.csv, the plots, and a PNG for each sheet; return their paths.

    Raises A2pipeError when the folder cannot be written.
    """
    plots = {"patch-norms.png": norms(study), "patch-scores.png": scores(study)}
    contents = {
        "patches.json": PATCHES_FILE.text(study).encode(),
        "patches.csv": patches_csv(study).encode(),
        **{name: png(figure, cropped=False) for name, figure in plots.items() if figure},
        **{_name(sheet): png(vote_sheet(sheet), cropped=False) for sheet in sheets},
    }
    return write_files(contents, folder)


def _name(sheet: VoteSheet) -> str:
    """Return the name of a sheet's file, in which the signs of a model's name are plain."""
    words = f"{sheet.statistic.replace('votes:1', 'votes')}-{sheet.model}"
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '-', words)}.png"
