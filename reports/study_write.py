"""Localisation studies as files in a folder: JSON, CSV and plots, each complete or absent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .study import Study, study_csv, study_json
from .study_plots import PLOTS, study_plots
from .write import write_files


@dataclass(frozen=True)
class Written:
    """Path of each file by name, and why each plot that is not among them was left out."""

    files: dict[str, Path]
    left_out: dict[str, str]


def write_study(study: Study, folder: Path) -> Written:
    """Writes localization.json, localization.csv and the plots that the study has enough data for.

    Raises A2pipeError when the folder cannot be written.
    """
    tables = {
        "localization.json": study_json(study).encode(),
        "localization.csv": study_csv(study).encode(),
    }
    files = write_files(tables, folder)
    plots = write_plots([study], folder)
    return Written({**files, **plots.files}, plots.left_out)


def write_plots(studies: Sequence[Study], folder: Path) -> Written:
    """Writes the plots of one or several studies; one that is left out is not kept from before.

    Raises A2pipeError when the folder cannot be written.
    """
    drawn, left_out = study_plots(studies)
    files = write_files(drawn, folder)
    for name in PLOTS.keys() - drawn.keys():
        (folder / name).unlink(missing_ok=True)
    return Written(files, left_out)
