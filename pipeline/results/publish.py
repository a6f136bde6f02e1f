"""A matrix and its report, from an opened experiment."""

from __future__ import annotations

from pathlib import Path

from ...reports.results import Matrix
from ...reports.write import write_report
from ..session import Session
from .matrix import build_matrix
from .report import gallery

ABOUT_GALLERY = (
    "Test images under the attention row and embedding model of highest worst-group accuracy, "
    "spread evenly over each group."
)


def publish(
    session: Session, folder: Path | None = None, compute: bool = True
) -> tuple[Matrix, dict[str, Path]]:
    """Build the matrix and write its report; returns it with the path of each file by name.

    folder: results/<name of the experiment> unless given. Raises as `build_matrix` does.
    """
    run = build_matrix(session, compute)
    folder = folder or Path("results") / session.experiment.name
    files = write_report(run.matrix, gallery(session, run), folder.resolve(), ABOUT_GALLERY)
    return run.matrix, files
