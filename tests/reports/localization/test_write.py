"""The files of a study."""

from __future__ import annotations

from pathlib import Path

import pytest

from a2pipe.errors import A2pipeError
from a2pipe.reports.localization.plots import PLOTS
from a2pipe.reports.localization.write import write_plots, write_study

from .studies import BLOCKS, SIZES, study


def test_files_are_written_and_an_outdated_plot_is_removed(tmp_path: Path) -> None:
    whole = write_study(study(SIZES + BLOCKS), tmp_path)
    assert set(whole.files) == {*PLOTS, "localization.json", "localization.csv"}
    written = write_plots([study(SIZES)], tmp_path)
    assert "token-shares.png" in written.left_out
    assert not (tmp_path / "token-shares.png").exists()
    assert (tmp_path / "localization.json").exists()


def test_a_folder_in_place_of_a_plot_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "token-shares.png").mkdir()
    with pytest.raises(A2pipeError, match="Cannot remove the outdated plot"):
        write_plots([study(SIZES)], tmp_path)
    with pytest.raises(A2pipeError, match="Cannot write"):
        write_plots([study(BLOCKS)], tmp_path)
