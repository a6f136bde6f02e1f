"""What `localize` and `plot` print, and where plots go."""

from pathlib import Path

from a2pipe.commands.localize import _beside, _lines
from a2pipe.reports.localization.write import Written


def test_plots_of_one_folder_lie_beside_their_study(tmp_path):
    assert _beside((tmp_path / "a" / "localization.json",)) == tmp_path / "a"


def test_plots_of_several_folders_lie_in_one_named_for_all(tmp_path):
    studies = tuple(tmp_path / name / "localization.json" for name in ("birds", "dogs"))
    assert _beside(studies) == Path("results") / "birds+dogs"


def test_files_come_first_then_what_was_left_out_then_remarks(tmp_path):
    written = Written({"a.png": tmp_path / "a.png"}, {"b.png": "it has no box"}, ("look twice",))
    assert _lines(written) == [
        f"a.png: {tmp_path / 'a.png'}",
        "b.png: left out, as it has no box",
        "look twice",
    ]
