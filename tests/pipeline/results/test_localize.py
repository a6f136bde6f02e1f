"""Localisation of maps and crops: right numbers, shared records, and what a matrix shows."""

import numpy as np
import pytest

from a2pipe.cache.records import read_record
from a2pipe.errors import A2pipeError
from a2pipe.metrics.mean_intervals import mean_intervals
from a2pipe.pipeline.results import localize
from a2pipe.pipeline.results.localize import localizations
from a2pipe.pipeline.results.matrix import build_matrix
from a2pipe.pipeline.results.study import make_study
from a2pipe.pipeline.session import open_session
from a2pipe.stages.attention import grid_map
from a2pipe.stages.maps import upsample

from ..conftest import tiny_experiment
from .conftest import Said, study_of, with_boxes_of

RANDOM, SMALL, MIDDLE = "demo_localizer_s_random", "demo_localizer_s", "demo_localizer_m"
TEST_IMAGES = 30


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


def test_how_images_are_dealt_out_changes_nothing(experiment, cache, tmp_path, monkeypatch):
    expected, _ = study_of(experiment(), cache)
    monkeypatch.setattr(localize, "READ_AT_ONCE", 7)
    monkeypatch.setattr(localize, "MAPS_A_JOB", 3)
    found, _ = study_of(experiment(), tmp_path / "other")
    assert found.lines == expected.lines


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


@pytest.mark.parametrize(("size", "evaluation"), [(0.1, "pixels"), (1, "patch-centre")])
def test_a_matrix_is_made_without_boxes_that_could_be_compared(tmp_path, cache, size, evaluation):
    progress = Said()
    folder = with_boxes_of(tmp_path / "thin", size)
    tree = tiny_experiment(folder, localize={"evaluation": evaluation})
    matrix = build_matrix(open_session(tree, cache, progress)).matrix
    assert len(matrix.cells) == 1
    assert matrix.localization == ()
    assert len([said for said in progress.lines if "centre" in said]) == 1


def test_a_matrix_is_on_pixels_where_they_are_named(experiment, cache):
    session = open_session(experiment(localize={"evaluation": ["patch-centre", "pixels"]}), cache)
    study = make_study(session)
    (place,) = localizations(session, session.collection)
    assert place.records[0] == study.lines[1].record


def test_a_file_in_place_of_a_folder_of_the_cache_is_one_sentence(experiment, cache):
    cache.mkdir()
    (cache / "localization").write_text("")
    with pytest.raises(A2pipeError, match="a file is in the way"):
        study_of(experiment(), cache)


def test_crops_as_large_as_the_image_always_hit(experiment, cache):
    study, _ = study_of(experiment(crops={"sizes": [48]}), cache)
    assert study.lines[0].measure("crop_hit").mean == 1.0
