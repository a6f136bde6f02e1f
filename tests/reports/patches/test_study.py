"""A study of patches as JSON, CSV and table."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest

from a2pipe.errors import A2pipeError
from a2pipe.reports.patches.study import (
    PATCHES_FILE,
    foreground_words,
    patches_csv,
    patches_table,
    read_patches,
)

from .studies import line, study


def test_the_file_holds_the_whole_study(tmp_path: Path) -> None:
    made = study(line(), line("patch-score:cls", sides=False))
    path = tmp_path / "patches.json"
    path.write_text(PATCHES_FILE.text(made))
    assert read_patches(path) == made


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "localization.json"
    path.write_text('{"format": 1, "kind": "localization"}')
    with pytest.raises(A2pipeError, match="is no study of patches"):
        read_patches(path)


def test_the_csv_has_a_line_for_each_distribution() -> None:
    made = study(line(), line("patch-score:cls"))
    lines = list(csv.DictReader(io.StringIO(patches_csv(made))))
    found = made.lines[0].distributions[1]
    assert len(lines) == 6
    assert lines[1]["patches"] == "foreground"
    assert float(lines[1]["q999"]) == found.q999
    assert (lines[1]["cut"], float(lines[1]["above"])) == ("40.0", found.above)
    assert (lines[4]["statistic"], lines[4]["cut"], lines[4]["above"]) == (
        *("patch-score:cls", "", ""),
    )


def test_the_table_has_the_share_above_the_cut_of_norms() -> None:
    shown = patches_table(study(line(sides=False), line("patch-score:cls", sides=False)))
    above = shown[0]["above 40"]
    assert above == f"{study(line()).lines[0].distributions[0].above:.2%}"
    assert shown[1]["above 40"] == "-"
    assert "above 40" not in patches_table(study(line(), cut=None))[0]


def test_it_is_said_whether_boxes_stand_in_for_masks() -> None:
    made = study(line())
    assert "boxes stand in for masks" in foreground_words(made)
    assert "in the mask of the image" in foreground_words(replace(made, masks="c0ffee"))
    assert foreground_words(study(line(sides=False))) == ""
