"""Reports are written whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from a2pipe.errors import A2pipeError
from a2pipe.reports import write
from a2pipe.reports.matrix import GalleryItem, Matrix, read_matrix

NAMES = ["matrix.csv", "matrix.json", "matrix.md", "matrix.png", "report.html"]


def test_all_files_are_written_and_nothing_else(
    matrix: Matrix, gallery: list[GalleryItem], tmp_path: Path
) -> None:
    folder = tmp_path / "new" / "report"
    paths = write.write_report(matrix, gallery, folder)
    assert sorted(paths) == NAMES
    assert sorted(path.name for path in folder.iterdir()) == NAMES
    assert read_matrix(paths["matrix.json"]).cells == matrix.cells


def test_files_are_readable_by_others(matrix: Matrix, tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    paths = write.write_report(matrix, [], tmp_path)
    usual = (tmp_path / "usual").stat().st_mode
    assert {path.stat().st_mode for path in paths.values()} == {usual}


def test_an_interrupted_write_leaves_the_old_file(
    matrix: Matrix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "matrix.json").write_text("old")

    def full_disk(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(A2pipeError, match="No space left on device"):
        write.write_report(matrix, [], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["matrix.json"]
    assert (tmp_path / "matrix.json").read_text() == "old"


def test_a_folder_that_is_a_file_is_one_sentence(matrix: Matrix, tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(A2pipeError, match="Cannot write the report to"):
        write.write_report(matrix, [], tmp_path / "taken")


def test_a_report_without_news_needs_no_matplotlib(matrix: Matrix, tmp_path: Path) -> None:
    first = write.write_report(matrix, [], tmp_path)["matrix.png"].read_bytes()
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from a2pipe.reports.matrix import read_matrix\n"
        "from a2pipe.reports.write import write_report\n"
        "folder = Path(sys.argv[1])\n"
        "write_report(read_matrix(folder / 'matrix.json'), [], folder)\n"
        "sys.exit('matplotlib' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    assert (tmp_path / "matrix.png").read_bytes() == first
