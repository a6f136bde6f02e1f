"""Point-in-Box on a dataset: which images count, right numbers, and lines of their own."""

from types import SimpleNamespace

import numpy as np
import pytest

from a2pipe.errors import A2pipeError, UsageError
from a2pipe.metrics.point_in_box import touched_patches
from a2pipe.pipeline.results.matrix import build_matrix
from a2pipe.pipeline.results.point_in_box import point_subjects, sizes_digest
from a2pipe.pipeline.results.study import make_study
from a2pipe.pipeline.session import open_session
from a2pipe.reports.localization.study import study_table
from a2pipe.stages.attention import grid_map
from a2pipe.stages.geometry import Canvas

from ..conftest import tiny_experiment, write_images, write_manifest

IMAGE = {"size": 48, "geometry": "short-256"}
RULES = ["point-in-box", "centre"]


class Samples(SimpleNamespace):
    """What is read of a collection."""

    def __len__(self):
        return len(self.splits)


def samples(boxes, digests=None, annotated=None):
    count = len(boxes)
    return Samples(
        name="birds",
        splits=np.full(count, "test"),
        boxes=tuple(np.array(each, float).reshape(-1, 4) for each in boxes),
        digests=tuple(digests or map(str, range(count))),
        sizes=np.tile([300, 200], (count, 1)),
        annotated=annotated,
    )


CANVAS = Canvas(224, "short-256")
SMALL, QUARTER, LEFT, RIGHT = (
    *([0, 0, 100, 100], [0, 0, 150, 100]),
    *([0, 50, 8, 60], [292, 50, 300, 60]),
)


def test_the_released_rule_takes_one_small_box_alone():
    found = point_subjects(
        samples([[SMALL], [SMALL, LEFT], [QUARTER], [], [LEFT], [RIGHT]]),
        *("test", CANVAS, "point-in-box"),
    )
    assert found.images == ("0", "4", "5")
    assert (found.index.tolist(), found.without_boxes) == ([0, 4, 5], 3)
    f, left, top = 256 / 200, (384 - 224) // 2, 16
    assert found.boxes[0].tolist() == [[0, 0, 100 * f - left, 100 * f - top]]
    assert found.boxes[1].tolist() == [[0, 50 * f - top, 0, 60 * f - top]]
    assert found.boxes[2].tolist() == [[224, 50 * f - top, 224, 60 * f - top]]


def test_centre_takes_every_image_with_boxes_and_unites_those_of_its_samples():
    found = point_subjects(
        samples([[SMALL], [QUARTER, LEFT], [], [RIGHT]], ["a", "b", "c", "a"]),
        *("test", CANVAS, "centre"),
    )
    assert found.images == ("a", "b")
    assert [len(boxes) for boxes in found.boxes] == [2, 2]


def test_of_samples_that_share_an_image_the_first_decides():
    shared = samples([[SMALL], [SMALL, LEFT]], ["a", "a"])
    assert point_subjects(shared, "test", CANVAS, "point-in-box").images == ("a",)
    assert len(point_subjects(shared, "test", CANVAS, "point-in-box").boxes[0]) == 1


def test_the_size_in_the_annotation_decides_and_is_in_the_address():
    boxes = [[SMALL], [QUARTER]]
    annotated = np.array([[200, 200], [0, 0]])  # of which SMALL is a quarter
    with pytest.raises(UsageError, match=r"None of the 2 images .* one box alone that covers"):
        point_subjects(samples(boxes, annotated=annotated), "test", CANVAS, "point-in-box")
    other = sizes_digest(samples(boxes, annotated=annotated), "point-in-box")
    assert len(other) == 32
    assert sizes_digest(samples(boxes, annotated=annotated), "centre") == ""
    same = np.array([[300, 200], [0, 0]])
    assert sizes_digest(samples(boxes, annotated=same), "point-in-box") == ""


def test_a_dataset_without_boxes_is_refused():
    with pytest.raises(UsageError, match="birds has no boxes, which the evaluation centre needs"):
        point_subjects(samples([[], []]), "test", CANVAS, "centre")


# --- from the command's experiment to its numbers ------------------------------------------------


def study_of(experiment, cache, evaluation, **sections):
    tree = experiment(image=IMAGE, localize={"evaluation": evaluation}, **sections)
    return make_study(open_session(tree, cache))


def by_hand(session, rule):
    """Hits and shares of patches inside, image by image."""
    collection, (row,) = session.collection, session.plan.rows
    hits, shares = [], []
    for index in np.flatnonzero(collection.splits == "test"):
        rows = session.read(row.map.attention, [collection.digests[index]])
        (patches,) = grid_map(row.map, rows, 1)
        f = 55 / 30
        left, top = (int(40 * f) - 48) // 2, (int(30 * f) - 48) // 2
        x0, y0, x1, y1 = np.clip(
            collection.boxes[index][0] * f - np.array([left, top, left, top]), 0, 48
        )
        cells = np.arange(6)
        if rule == "centre":
            columns = (x0 <= 8 * cells + 4) & (8 * cells + 4 < x1)
            lines = (y0 <= 8 * cells + 4) & (8 * cells + 4 < y1)
        else:
            columns = (x0 // 8 <= cells) & (cells <= x1 // 8)
            lines = (y0 // 8 <= cells) & (cells <= y1 // 8)
        inside = np.outer(lines, columns)
        hits.append(float(inside.ravel()[patches.argmax()]))
        shares.append(inside.mean())
    return hits, shares


@pytest.mark.parametrize("rule", RULES)
def test_numbers_are_those_of_a_plain_loop(experiment, cache, rule):
    (line,) = study_of(experiment, cache, rule).lines
    session = open_session(experiment(image=IMAGE), cache)
    hits, shares = by_hand(session, rule)
    assert [measure.name for measure in line.measures] == ["point_in_box", "inside"]
    assert (line.evaluation, line.n, line.n_left_out) == (rule, len(hits), 0)
    assert line.measure("point_in_box").mean == pytest.approx(np.mean(hits))
    assert line.measure("inside").mean == pytest.approx(np.mean(shares))
    assert line.measure("point_in_box").low <= np.mean(hits) <= line.measure("point_in_box").high


@pytest.mark.parametrize("source", ["patch-score", "votes:4", "pooled-score:N/4"])
def test_the_highest_patch_of_any_source_is_that_of_the_stored_numbers(experiment, cache, source):
    attention = {"models": ["demo_localizer_s"], "source": [source, "attention"]}
    tree = experiment(image=IMAGE, attention=attention, localize={"evaluation": "point-in-box"})
    session = open_session(tree, cache)
    line, of_attention = make_study(session).lines
    subjects = point_subjects(session.collection, "test", Canvas(48, "short-256"), "point-in-box")
    (spec,) = session.plan.patches
    rows = session.read(spec, list(subjects.images))
    inside = touched_patches(np.concatenate(subjects.boxes), 48, 6).reshape(len(rows), -1)
    hits = inside[np.arange(len(rows)), rows.argmax(axis=1)]
    assert line.measure("point_in_box").mean == pytest.approx(hits.mean())
    assert line.measure("inside").mean == of_attention.measure("inside").mean
    assert line.source == spec.statistic


def test_its_lines_show_its_measures_alone_and_those_of_others_stay(experiment, cache):
    alone = study_of(experiment, cache, "pixels")
    both = study_of(experiment, cache, ["pixels", "point-in-box"])
    pixels, points = both.lines
    assert (pixels,) == alone.lines
    assert {measure.name for measure in points.measures} == {"point_in_box", "inside"}
    table = study_table(both)
    assert table[0]["point_in_box"] == table[1]["mass"] == "-"
    point = points.measure("point_in_box")
    assert table[1]["point_in_box"] == f"{point.mean:.4f} [{point.low:.4f}, {point.high:.4f}]"


def test_alone_it_places_no_crop_and_a_second_study_reads_its_record(experiment, cache):
    first = study_of(experiment, cache, RULES)
    assert not (cache / "boxes").exists()
    records = {line.record: (cache / f"localization/{line.record}.json") for line in first.lines}
    times = [path.stat().st_mtime_ns for path in records.values()]
    again = study_of(experiment, cache, RULES)
    assert again.lines == first.lines
    assert [path.stat().st_mtime_ns for path in records.values()] == times


def test_where_no_image_counts_nothing_is_computed(tmp_path, cache):
    rows = write_images(tmp_path / "large", 24)
    for row in rows:
        row |= {"x0": 0, "y0": 0, "x1": 40, "y1": 30}
    write_manifest(tmp_path / "large", rows)
    tree = tiny_experiment(tmp_path / "large", localize={"evaluation": "point-in-box"})
    with pytest.raises(A2pipeError, match=r"None of the \d+ images to localise on has one box"):
        make_study(open_session(tree, cache))
    assert not (cache / "attention").exists()


def test_a_matrix_keeps_to_pixels(experiment, cache):
    tree = experiment(localize={"evaluation": RULES})
    plain = build_matrix(open_session(experiment(), cache)).matrix
    assert build_matrix(open_session(tree, cache)).matrix.localization == plain.localization


def test_another_name_is_refused_with_those_there_are(experiment, cache):
    with pytest.raises(UsageError, match="'point-in-box' or 'centre', not 'pointing'"):
        study_of(experiment, cache, "pointing")
