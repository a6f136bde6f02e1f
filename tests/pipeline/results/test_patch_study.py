"""Studies of patches: which images and patches count, and that stored rows are read."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from a2pipe.errors import UsageError
from a2pipe.metrics.localization import foreground_masks
from a2pipe.pipeline.results import patch_study
from a2pipe.pipeline.results.patch_study import make_patch_study, publish_patches, vote_sheets
from a2pipe.pipeline.session import open_session
from a2pipe.stages.geometry import Canvas
from a2pipe.stages.localization import boxes_on_canvas

from ..conftest import tiny_experiment, write_images, write_manifest

MODEL = "demo_localizer_s_random"
STATISTICS = ["norm:before", "norm", "patch-score", "votes:1"]


@pytest.fixture
def asked(experiment):
    return experiment(patches={"statistics": STATISTICS})


def by_hand(session, statistic):
    """The statistic of the test images, (n, N), and which of their patches are foreground."""
    collection = session.collection
    test = np.flatnonzero(collection.splits == "test").tolist()
    spec = next(each for each in session.plan.patches if each.source == statistic)
    rows = session.read(spec, [collection.digests[sample] for sample in test])
    boxes = [boxes_on_canvas(collection, sample, Canvas(48)) for sample in test]
    cells = foreground_masks(boxes, 48).reshape(len(test), 6, 8, 6, 8).mean(axis=(2, 4))
    return rows, (cells > 0.5).reshape(len(test), 36)


def test_norms_are_those_of_every_patch_of_the_split(asked, tmp_path, monkeypatch):
    monkeypatch.setattr(patch_study, "READ_AT_ONCE", 7)
    monkeypatch.setattr(patch_study, "MASKS_AT_ONCE", 5)
    session = open_session(asked, tmp_path / "cache")
    study, _ = make_patch_study(session, cut=9.0)
    rows, inside = by_hand(session, "norm")
    line = next(each for each in study.lines if each.statistic == "norm")
    everything = line.distributions[0]
    assert (study.split, line.images, everything.n) == ("test", len(rows), rows.size)
    assert everything.median == pytest.approx(np.median(rows.astype(float)), rel=1e-12)
    assert everything.q99 == pytest.approx(np.quantile(rows.astype(float), 0.99), rel=1e-12)
    assert everything.above == (rows > 9.0).mean()
    both = inside.any(axis=1) & ~inside.all(axis=1)
    assert line.images_with_sides == both.sum()
    sides = {each.name: each for each in line.distributions[1:]}
    assert sides["foreground"].n == inside[both].sum()
    assert sides["background"].mean == pytest.approx(rows[both][~inside[both]].mean(dtype=float))


def test_scores_are_brought_to_the_ends_of_their_image(asked, tmp_path):
    session = open_session(asked, tmp_path / "cache")
    study, _ = make_patch_study(session, cut=9.0)
    rows, inside = by_hand(session, "patch-score:cls")
    low, high = rows.min(axis=1, keepdims=True), rows.max(axis=1, keepdims=True)
    scaled = (rows - low) / (high - low)
    line = study.lines[-1]
    found = {each.name: each for each in line.distributions}
    assert (line.statistic, found["all"].low, found["all"].high) == ("patch-score:cls", 0, 1)
    assert found["all"].above is None
    assert found["foreground"].median == pytest.approx(np.median(scaled[inside]), rel=1e-6)
    counts = np.histogram(scaled.astype(float), 120, (0, 1))[0]
    assert list(found["all"].counts) == counts.tolist()


def test_the_norms_of_a_model_come_first(experiment, tmp_path):
    statistics = ["patch-score", "norm"]
    asked = experiment(
        patches={"statistics": statistics}, attention={"models": [MODEL, "demo_localizer_s"]}
    )
    study, _ = make_patch_study(open_session(asked, tmp_path / "cache"), None)
    assert [(line.model, line.statistic, line.kind) for line in study.lines] == [
        (MODEL, "norm", "control"),
        (MODEL, "patch-score:cls", "control"),
        ("demo_localizer_s", "norm", "attention"),
        ("demo_localizer_s", "patch-score:cls", "attention"),
    ]


def test_a_second_study_runs_no_model_and_writes_every_file(asked, tmp_path):
    publish_patches(open_session(asked, tmp_path / "cache"), None, 2, tmp_path / "out")
    again = open_session(asked, tmp_path / "cache")
    study, files = publish_patches(again, None, 2, tmp_path / "out")
    assert study.run["forward_passes_total"] == 0
    assert set(files) == {
        *("patches.json", "patches.csv", "patch-norms.png", "patch-scores.png"),
        f"votes-{MODEL}.png",
    }


def test_a_sheet_has_images_spread_over_the_split_with_what_is_stored_of_them(asked, tmp_path):
    session = open_session(asked, tmp_path / "cache")
    session.compute("maps")
    (sheet,) = vote_sheets(session, session.collection, 3)
    test = np.flatnonzero(session.collection.splits == "test")
    names = [f"{number:05d}.png" for number in (test[0], test[len(test) // 2 - 1], test[-1])]
    assert [item.name for item in sheet.items][::2] == names[::2]
    votes, _ = by_hand(session, "votes:1")
    assert sheet.items[-1].votes.ravel().tolist() == votes[-1].tolist()
    assert list(sheet.items[0].before) == ["CLS attention", "score to CLS"]
    assert sheet.items[0].truth.shape == (1, 4)
    assert vote_sheets(session, session.collection, 0) == []


def test_without_a_model_it_is_refused(experiment, tmp_path):
    session = open_session(experiment(attention={}), tmp_path / "cache")
    with pytest.raises(UsageError, match="at least one model"):
        make_patch_study(session, None)


def test_masks_say_what_is_foreground_where_an_image_has_one(images, tmp_path):
    rng = np.random.default_rng(0)
    rows = write_images(images, 8)
    masks = rng.choice([0, 7, 255], (8, 30, 40), p=[0.3, 0.5, 0.2]).astype(np.uint8)
    for number, mask in enumerate(masks):
        Image.fromarray(mask).save(images / f"mask{number}.png")
    write_manifest(images, [{**row, "split": "test"} for row in rows])
    session = open_session(
        tiny_experiment(images, patches={"statistics": ["norm"]}), tmp_path / "cache"
    )
    # The last image has no mask, and so no sides, though it has a box.
    paths = (*(str(images / f"mask{number}.png") for number in range(7)), "")
    session.plan = replace(session.plan, collection=replace(session.collection, masks=paths))
    study, _ = make_patch_study(session, None)
    (line,) = study.lines
    expected = 0
    for mask in masks[:7]:
        shown = np.asarray(Image.fromarray(mask).resize((48, 48), Image.Resampling.NEAREST))
        cells = (shown == 7).reshape(6, 8, 6, 8).mean(axis=(1, 3))
        expected += int((cells > 0.5).sum())
    assert study.masks
    assert (line.images, line.images_with_sides) == (8, 7)
    assert {each.name: each.n for each in line.distributions} == {
        "all": 8 * 36,
        "foreground": expected,
        "background": 7 * 36 - expected,
    }
