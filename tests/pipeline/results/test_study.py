"""The localisation study from images to files: its lines, and nothing computed twice."""

import csv
import json
import math
from pathlib import Path

import pytest

from a2pipe.cache.references import Reference, uses_of
from a2pipe.errors import A2pipeError, UsageError
from a2pipe.pipeline.results.matrix import build_matrix
from a2pipe.pipeline.results.study import make_study
from a2pipe.pipeline.session import open_session
from a2pipe.reports.localization.study import read_study

from ..conftest import tiny_experiment, write_images, write_manifest
from .conftest import Said, study_of, with_boxes_of, without_boxes

RANDOM, SMALL, MIDDLE = "demo_localizer_s_random", "demo_localizer_s", "demo_localizer_m"
TEST_IMAGES = 30


def test_every_block_of_two_models_is_measured(experiment, cache):
    study, passes = study_of(
        experiment(attention={"models": [RANDOM, MIDDLE], "layers": "all"}), cache
    )
    assert [(line.model, line.block, line.blocks) for line in study.lines] == [
        *((RANDOM, block, 4) for block in range(1, 5)),
        *((MIDDLE, block, 6) for block in range(1, 7)),
    ]
    assert passes == {RANDOM: 80, MIDDLE: 80}
    for line in study.lines:
        found = {measure.label: measure for measure in line.measures}
        assert sum(found[name].mean for name in ("cls", "registers", "patches")) == pytest.approx(1)
        assert {measure.n for measure in found.values()} == {line.n} == {TEST_IMAGES}
        assert all(each.low <= each.mean <= each.high for each in found.values())
        assert "crop_hit 16" in found
    assert [line.kind for line in study.lines] == ["control"] * 4 + ["attention"] * 6
    assert {line.parameters > 0 for line in study.lines if line.model == MIDDLE} == {True}


def test_a_second_run_computes_nothing_and_says_the_same(experiment, cache, written):
    tree = experiment(attention={"models": [RANDOM], "layers": "all"}, crops={"sizes": [[16], [8]]})
    first, _ = study_of(tree, cache)
    assert sorted(written) == ["CoverageSpec"] * 8 + ["LocalizeSpec"] * 4
    written.clear()
    second, passes = study_of(tree, cache)
    assert (passes, written) == ({}, [])
    assert second.lines == first.lines


def test_another_way_of_reading_sends_nothing_through_a_model(experiment, cache, written):
    study_of(experiment(), cache)
    written.clear()
    more = experiment(
        attention={"models": [RANDOM], "heads": ["mean", "max"]}, crops={"sizes": [16]}
    )
    study, passes = study_of(more, cache)
    assert (passes, sorted(written)) == ({}, ["CoverageSpec", "LocalizeSpec"])
    assert [line.heads for line in study.lines] == ["mean", "max"]


def test_other_resamples_measure_nothing(experiment, cache, written):
    first, _ = study_of(experiment(), cache)
    written.clear()
    other, _ = study_of(experiment(localize={"resamples": 50, "level": 0.5}), cache)
    assert written == []
    mass, narrow = (study.lines[0].measure("mass") for study in (first, other))
    assert narrow.mean == mass.mean
    assert narrow.high - narrow.low < mass.high - mass.low


def test_each_evaluation_is_a_line(experiment, cache):
    kinds = ["pixels", "patch-centre", "patch-overlap"]
    study, _ = study_of(experiment(localize={"evaluation": kinds}), cache)
    assert [line.evaluation for line in study.lines] == kinds
    masses = [line.measure("mass").mean for line in study.lines]
    assert len(set(masses)) == 3
    assert masses == pytest.approx([masses[0]] * 3, abs=0.03)


def test_the_split_decides_which_images_count(experiment, cache):
    for split, n in (("train", 50), ("all", 80)):
        study, _ = study_of(experiment(localize={"split": split}), cache)
        assert (study.split, study.lines[0].n) == (split, n)
    with pytest.raises(UsageError, match="no val images"):
        study_of(experiment(localize={"split": "val"}), cache)


def test_without_boxes_the_rest_is_measured_and_no_box_placed(tmp_path, cache, written):
    study, _ = study_of(tiny_experiment(without_boxes(tmp_path / "plain")), cache)
    (line,) = study.lines
    names = ["cls", "registers", "patches", "entropy", "top10", "top25"]
    assert [measure.name for measure in line.measures] == names
    assert written == ["LocalizeSpec"]
    assert not (cache / "boxes").exists()


def test_boxes_of_no_pixel_leave_the_rest(tmp_path, cache):
    progress = Said()
    tree = tiny_experiment(with_boxes_of(tmp_path / "thin", 0.1))
    (line,) = make_study(open_session(tree, cache, progress)).lines
    assert (line.n, line.n_left_out) == (TEST_IMAGES, 0)
    assert line.measure("mass") is None
    assert line.measure("entropy") is not None
    assert not (cache / "boxes").exists()
    assert [said for said in progress.lines if "covers the centre of a pixel" in said]


def test_boxes_of_no_patch_are_refused_before_anything_is_computed(tmp_path, cache):
    tree = tiny_experiment(
        with_boxes_of(tmp_path / "small", 1), localize={"evaluation": "patch-centre"}
    )
    with pytest.raises(
        A2pipeError, match="No box covers the centre of one of the 6 x 6 patches of"
    ):
        study_of(tree, cache)
    assert not (cache / "attention").exists()


def test_a_dataset_without_splits_is_measured_whole(tmp_path, cache):
    rows = write_images(tmp_path / "plain", 24)
    for row in rows:
        del row["split"]
    write_manifest(tmp_path / "plain", rows)
    study, _ = study_of(tiny_experiment(tmp_path / "plain"), cache)
    assert (study.split, study.lines[0].n) == ("all", 24)


def test_one_image_has_no_interval(tmp_path, cache):
    rows = write_images(tmp_path / "one", 6)
    write_manifest(tmp_path / "one", rows)
    study, _ = study_of(tiny_experiment(tmp_path / "one"), cache)
    mass = study.lines[0].measure("mass")
    assert mass.n == 1
    assert [math.isnan(each) for each in (mass.mean, mass.std, mass.low, mass.high)] == [
        *(False, True, True, True)
    ]
    assert study.to_json()["lines"][0]["measures"][0]["low"] is None


def test_what_a_study_uses_outlives_a_matrix_of_the_same_name(experiment, cache):
    more = experiment(attention={"models": [RANDOM], "layers": "all"})
    study, _ = study_of(more, cache)
    session = open_session(experiment(), cache)
    build_matrix(session)
    uses = uses_of(cache, Reference("tiny", session.experiment.origin, "localize"))
    assert {line.record for line in study.lines} <= uses


# --- the commands -------------------------------------------------------------------------------


@pytest.fixture
def base(images: Path, cache: Path) -> tuple[str, ...]:
    """Flags of the tiny dataset."""
    return (
        *("--dataset", str(images / "manifest.csv"), "--image-size", "48", "--cache", str(cache)),
        *("--model", RANDOM, "--crop-sizes", "16", "--quiet"),
    )


def test_the_command_writes_tables_and_plots(command, base, tmp_path):
    out = tmp_path / "out"
    outcome = command("localize", *base, "--layers", "all", "--out", out)
    assert (outcome.code, outcome.err) == (0, "")
    assert {path.name for path in out.iterdir()} == {
        *("localization.json", "localization.csv", "localization-by-block.png"),
        *("concentration-by-block.png", "token-shares.png"),
    }
    assert "localization-by-size.png: left out, as " in outcome.out
    header, _, *rows = outcome.out.splitlines()
    assert header.split()[:5] == ["model", "block", "n", "mass", "hit"]
    assert rows[0].split()[:3] == [RANDOM, "1/4", str(TEST_IMAGES)]
    study = read_study(out / "localization.json")
    table = list(csv.DictReader((out / "localization.csv").open(encoding="utf-8")))
    assert len(table) == sum(len(line.measures) for line in study.lines)


HEADS = ("--attention-heads", "mean", "--attention-heads", "max")


def test_the_command_says_what_was_left_out_and_which_way_is_shown(command, base, images, tmp_path):
    rows = list(csv.DictReader((images / "manifest.csv").open(encoding="utf-8")))
    for row in [row for row in rows if row["split"] == "test"][:2]:
        row.update(x0="1", y0="1", x1="1.1", y1="1.1")
    write_manifest(images, rows)
    outcome = command("localize", *base, *HEADS, "--out", tmp_path / "out")
    assert outcome.code == 0
    way, left_out = outcome.out.splitlines()[-2:]
    assert way.endswith(": plots show the first of 2 ways (heads: mean, slice, pixels)")
    assert left_out == "images left out: 2 without an answer to every measure"
    again = command("plot", tmp_path / "out" / "localization.json")
    assert again.out.splitlines()[-1] == way


def test_json_is_the_study(command, base, tmp_path):
    outcome = command("localize", *base, "--json", "--split", "all", "--out", tmp_path / "out")
    said = json.loads(outcome.out)
    assert said["lines"][0]["n"] == 80
    saved = json.loads(Path(said.pop("files")["localization.json"]).read_text())
    assert said == saved


def test_plots_are_drawn_again_from_json_alone(command, base, tmp_path):
    out = tmp_path / "out"
    assert command("localize", *base, "--layers", "all", "--out", out).code == 0
    pictures = {path.name: path.read_bytes() for path in out.glob("*.png")}
    for picture in out.glob("*.png"):
        picture.unlink()
    assert command("plot", out / "localization.json").code == 0
    assert {path.name: path.read_bytes() for path in out.glob("*.png")} == pictures
    both = command("plot", *[out / "localization.json"] * 2, "--out", tmp_path / "both")
    assert both.code == 0
    assert len(list((tmp_path / "both").iterdir())) == len(pictures)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--evaluation", "boxes"), "'patch-overlap', 'point-in-box' or 'centre', not 'boxes'"),
        (("--split", "tset"), "'train', 'val', 'test' or 'all', not 'tset'"),
        (("--split", "val"), "no val images to localise on"),
        (("--level", "95"), "'localize.level' should be less than 1, not 95.0"),
        (("--resamples", "0"), "'localize.resamples' should be greater than 0, not 0"),
    ],
)
def test_wrong_flags_are_refused_in_a_sentence(command, base, cache, flags, said):
    outcome = command("localize", *base, *flags)
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (2, "", 1)
    assert said in outcome.err
    assert not cache.joinpath("attention").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "Cannot read"),
        ("{", "is not JSON"),
        ('{"format": 1, "rows": []}', "is no localisation study"),
        ('{"format": 99, "kind": "localization"}', "newer version of a2pipe"),
    ],
)
def test_what_cannot_be_plotted_is_refused_in_a_sentence(command, tmp_path, content, said):
    path = tmp_path / "study.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    outcome = command("plot", path)
    assert (outcome.code, outcome.out, outcome.err.count("\n")) == (1, "", 1)
    assert said in outcome.err
    assert str(path) in outcome.err
