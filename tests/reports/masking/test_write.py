"""The files of a masking probe."""

from pathlib import Path

import pytest

from a2pipe.errors import A2pipeError
from a2pipe.reports.masking.probe import read_probe
from a2pipe.reports.masking.write import write_probe

from .probes import curve, probe


def test_numbers_and_plot_are_written(tmp_path: Path) -> None:
    files = write_probe(probe(curve()), tmp_path / "new")
    assert [*files] == ["masking.json", "masking.csv", "masking.png"]
    assert all(path.is_file() for path in files.values())
    assert read_probe(files["masking.json"]).name == "birds"


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "masking.csv").mkdir()
    with pytest.raises(A2pipeError, match="Cannot write the report to"):
        write_probe(probe(curve()), tmp_path)
