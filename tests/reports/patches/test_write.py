"""The files of a study of patches."""

from __future__ import annotations

from pathlib import Path

from a2pipe.reports.patches.votes import VoteSheet
from a2pipe.reports.patches.write import write_patches

from .studies import line, study
from .test_votes import item


def test_there_are_tables_plots_and_a_sheet_for_each_model(tmp_path: Path) -> None:
    sheets = [
        VoteSheet("timm/vit small", "votes", "votes:1", (item("a"),)),
        VoteSheet("demo", "votes, form paper", "votes:1:paper", (item("a"),)),
    ]
    files = write_patches(study(line(), line("patch-score:cls")), sheets, tmp_path)
    assert list(files) == [
        *("patches.json", "patches.csv", "patch-norms.png", "patch-scores.png"),
        *("votes-timm-vit-small.png", "votes-paper-demo.png"),
    ]
    assert all(path.stat().st_size for path in files.values())
