"""What `localize` and `plot` print, and where plots go."""

import json
from pathlib import Path

from a2pipe.commands.localize import _beside, _lines, _read_off
from a2pipe.paper.last_vit import published_of
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


def test_patches_measures_what_it_is_about_or_what_a_flag_names(run):
    asked = ("--model", "demo_localizer_s_random", "--device", "cpu")
    made = run("patches", *asked, "--cut", "9", "--images", "0", "-q", "--json")
    assert made.exit_code == 0, made.output
    study = json.loads(made.stdout)
    assert [line["statistic"] for line in study["lines"]] == [
        *("norm:before", "norm", "patch-score:cls")
    ]
    assert study["lines"][1]["distributions"][0]["above"] is not None
    assert set(study["files"]) == {
        *("patches.json", "patches.csv", "patch-norms.png", "patch-scores.png")
    }
    assert Path(study["files"]["patches.csv"]).is_file()
    named = run("patches", *asked, "--statistic", "norm", "-q", "--json")
    assert [line["statistic"] for line in json.loads(named.stdout)["lines"]] == ["norm"]


def test_published_norms_are_called_what_they_are():
    numbers = published_of("imagenet-val", ("norm_mean", "norm_median", "norm_tail"))
    assert list(_read_off(numbers)) == [
        "published, read off a figure: plain, supervised ViT: norm after the final norm: mean "
        "about 78, median about 77, tail to about 260",
        "published, read off a figure: LaSt-ViT, supervised ViT: norm after the final norm: mean "
        "about 45, median about 39, tail to about 175",
    ]
    assert list(_read_off(())) == []
