"""Write localisation studies to a folder: JSON, CSV and plots, each complete or absent."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import A2pipeError
from ..write import write_files
from .plots import study_plots
from .study import STUDY_FILE, Study, study_csv


@dataclass(frozen=True)
class Written:
    """Written says what was written of one or several studies.

    files: the path of each file by name.
    left_out: why each plot that was not written was left out, by name.
    remarks: what else is to be said of the plots.
    """

    files: dict[str, Path]
    left_out: dict[str, str]
    remarks: tuple[str, ...] = ()


def write_study(study: Study, folder: Path) -> Written:
    """Write localization.json, localization.csv and every plot for which there is enough data.

    Raises A2pipeError when the folder cannot be written.
    """
    tables = {
        "localization.json": STUDY_FILE.text(study).encode(),
        "localization.csv": study_csv(study).encode(),
    }
    # Before the plots, so that the numbers are there even if a plot cannot be drawn or written.
    files = write_files(tables, folder)
    plots = write_plots([study], folder)
    return Written({**files, **plots.files}, plots.left_out, plots.remarks)


def write_plots(studies: Sequence[Study], folder: Path) -> Written:
    """Write the plots of one or several studies side by side.

    A plot that is left out is removed from the folder, as it would be of another study. Raises
    A2pipeError when the folder cannot be written.
    """
    plots = study_plots(studies)
    files = write_files(plots.drawn, folder)
    for name in plots.left_out:
        _remove(folder / name)
    return Written(files, plots.left_out, plots.remarks)


def _remove(path: Path) -> None:
    """Remove an outdated plot if it is there."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise A2pipeError(
            f"Cannot remove the outdated plot {path}: {error.strerror}; move it away."
        ) from error
