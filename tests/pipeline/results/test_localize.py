"""The localisation study from images to files: right numbers, and nothing computed twice."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest

from a2pipe.cache.records import Records, read_record
from a2pipe.cache.references import Reference, uses_of
from a2pipe.errors import A2pipeError, UsageError
from a2pipe.metrics.mean_intervals import mean_intervals
from a2pipe.pipeline.results import localize
from a2pipe.pipeline.results.localize import localizations
from a2pipe.pipeline.results.matrix import build_matrix
from a2pipe.pipeline.results.study import make_study
from a2pipe.pipeline.session import open_session
from a2pipe.pipeline.shards.progress import SilentProgress
from a2pipe.reports.localization.study import read_study
from a2pipe.stages.attention import grid_map
from a2pipe.stages.maps import upsample

from ..conftest import tiny_experiment, write_images, write_manifest

RANDOM, SMALL, MIDDLE = "demo_localizer_s_random", "demo_localizer_s", "demo_localizer_m"
TEST_IMAGES = 30


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kind of every record that is written from here on."""
    kinds: list[str] = []
    write = Records.write

    def noted(self, spec, content, arrays):
        kinds.append(type(spec).__name__)
        return write(self, spec, content, arrays)

    monkeypatch.setattr(Records, "write", noted)
    return kinds


def study_of(experiment, cache: Path):
    """The study, and the forward passes it took."""
    session = open_session(experiment, cache)
    return make_study(session), session.stats.forward_passes


def without_boxes(folder: Path, count: int = 24) -> Path:
    """Images whose manifest has no boxes."""
    rows = [{k: row[k] for k in ("path", "label", "split")} for row in write_images(folder, count)]
    write_manifest(folder, rows)
    return folder


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


def test_numbers_are_those_of_a_plain_loop(experiment, cache):
    session = open_session(experiment(attention={"models": [SMALL]}), cache)
    (line,) = make_study(session).lines
    collection = session.collection
    (row,) = session.plan.rows
    masses, hits, entropies = [], [], []
    for index in np.flatnonzero(collection.splits == "test"):
        rows = session.read(row.map.attention, [collection.digests[index]])
        (pixels,) = upsample(grid_map(row.map, rows, 1), 48)
        x0, y0, x1, y1 = collection.boxes[index][0] * np.array([48 / 40, 48 / 30] * 2)
        centres = np.arange(48) + 0.5
        inside = np.outer((y0 <= centres) & (centres < y1), (x0 <= centres) & (centres < x1))
        masses.append(pixels[inside].sum())
        hits.append(float(inside.ravel()[pixels.argmax()]))
        entropies.append(-(pixels * np.log(pixels)).sum() / np.log(48 * 48))
    for name, values in (("mass", masses), ("hit", hits), ("entropy", entropies)):
        measure = line.measure(name)
        assert measure.mean == pytest.approx(np.mean(values))
        assert measure.std == pytest.approx(np.std(values, ddof=1))
        assert [measure.low, measure.high] == pytest.approx(mean_intervals([np.array(values)])[0])


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


def test_how_images_are_dealt_out_changes_nothing(experiment, cache, tmp_path, monkeypatch):
    expected, _ = study_of(experiment(), cache)
    monkeypatch.setattr(localize, "READ_AT_ONCE", 7)
    monkeypatch.setattr(localize, "MAPS_A_JOB", 3)
    found, _ = study_of(experiment(), tmp_path / "other")
    assert found.lines == expected.lines


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


def test_values_per_image_are_kept(experiment, cache):
    session = open_session(experiment(), cache)
    (line,) = make_study(session).lines
    content, arrays = read_record(cache / "localization" / f"{line.record}.json")
    assert arrays["mass"].mean() == pytest.approx(content["mass"])
    assert (session.collection.splits[arrays["index"]] == "test").all()


def test_the_matrix_shares_the_records(experiment, cache, written):
    tree = experiment(crops={"sizes": [[16], [16, 8]]})
    study, _ = study_of(tree, cache)
    written.clear()
    session = open_session(tree, cache)
    matrix = build_matrix(session).matrix
    assert "LocalizeSpec" not in written
    assert "CoverageSpec" not in written
    (line,) = study.lines
    crop_hits = [each.mean for each in line.measures if each.name == "crop_hit"]
    assert [place.mass for place in matrix.localization] == [line.measure("mass").mean] * 2
    assert [place.crop_hit for place in matrix.localization] == crop_hits
    records = [found.records for found in localizations(session, session.collection)]
    assert [of_map for of_map, _ in records] == [line.record] * 2
    assert len({of_crops for _, of_crops in records}) == 2


class Said(SilentProgress):
    """Progress that keeps its lines."""

    def __init__(self):
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def with_boxes_of(folder: Path, size: float) -> Path:
    """Images whose boxes are squares of that side, between pixel centres and patch centres."""
    rows = write_images(folder, 80)
    for row in rows:
        row.update(x0=1, y0=1, x1=1 + size, y1=1 + size)
    write_manifest(folder, rows)
    return folder


def test_boxes_of_no_pixel_leave_the_rest(tmp_path, cache):
    progress = Said()
    tree = tiny_experiment(with_boxes_of(tmp_path / "thin", 0.1))
    (line,) = make_study(open_session(tree, cache, progress)).lines
    assert (line.n, line.n_left_out) == (TEST_IMAGES, 0)
    assert line.measure("mass") is None
    assert line.measure("entropy") is not None
    assert not (cache / "boxes").exists()
    assert [said for said in progress.lines if "covers the centre of a pixel" in said]


@pytest.mark.parametrize(("size", "evaluation"), [(0.1, "pixels"), (1, "patch-centre")])
def test_a_matrix_is_made_without_boxes_that_could_be_compared(tmp_path, cache, size, evaluation):
    progress = Said()
    folder = with_boxes_of(tmp_path / "thin", size)
    tree = tiny_experiment(folder, localize={"evaluation": evaluation})
    matrix = build_matrix(open_session(tree, cache, progress)).matrix
    assert len(matrix.cells) == 1
    assert matrix.localization == ()
    assert len([said for said in progress.lines if "centre" in said]) == 1


def test_boxes_of_no_patch_are_refused_before_anything_is_computed(tmp_path, cache):
    tree = tiny_experiment(
        with_boxes_of(tmp_path / "small", 1), localize={"evaluation": "patch-centre"}
    )
    with pytest.raises(
        A2pipeError, match="No box covers the centre of one of the 6 x 6 patches of"
    ):
        study_of(tree, cache)
    assert not (cache / "attention").exists()


def test_a_matrix_is_on_pixels_where_they_are_named(experiment, cache):
    session = open_session(experiment(localize={"evaluation": ["patch-centre", "pixels"]}), cache)
    study = make_study(session)
    (place,) = localizations(session, session.collection)
    assert place.records[0] == study.lines[1].record


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


def test_a_file_in_place_of_a_folder_of_the_cache_is_one_sentence(experiment, cache):
    cache.mkdir()
    (cache / "localization").write_text("")
    with pytest.raises(A2pipeError, match="a file is in the way"):
        study_of(experiment(), cache)


def test_crops_as_large_as_the_image_always_hit(experiment, cache):
    study, _ = study_of(experiment(crops={"sizes": [48]}), cache)
    assert study.lines[0].measure("crop_hit").mean == 1.0


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
        (("--evaluation", "boxes"), "'pixels', 'patch-centre' or 'patch-overlap', not 'boxes'"),
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
