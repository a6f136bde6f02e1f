"""Measures of maps of known shape, and which images they are taken on."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from a2pipe.errors import A2pipeError, UsageError
from a2pipe.stages import localization
from a2pipe.stages.geometry import Canvas
from a2pipe.stages.localization import (
    MEASURES,
    NoAnswerError,
    Subjects,
    check_centres,
    effective_split,
    find_subjects,
    lost_boxes,
    measure_crops,
    measure_maps,
    summarize,
    why_no_boxes,
)
from a2pipe.stages.specs import AttentionSpec, LocalizeSpec, MapSpec, ModelSpec

MODEL = ModelSpec("{}", "0", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
PIXELS = LocalizeSpec(MapSpec(AttentionSpec(MODEL, 32, 1)), 32, "ab" * 16)
CENTRE = replace(PIXELS, evaluation="patch-centre")
OVERLAP = replace(PIXELS, evaluation="patch-overlap")
NO_BOX = np.zeros((0, 4))


def rows(patches, prefix=1):
    """CLS rows of two heads over a 4 x 4 grid; the prefix tokens take half of it."""
    patches = np.asarray(patches, np.float32).reshape(len(patches), 16)
    patches = patches / (2 * patches.sum(1, keepdims=True))
    before = np.full((len(patches), prefix), 0.5 / prefix, np.float32)
    row = np.concatenate([before, patches], axis=1)
    return np.stack([row, row], axis=1)


def one_hot(patch):
    peak = np.zeros((1, 16))
    peak[0, patch] = 1
    return peak


def box(*corners):
    return np.array([corners], float)


@pytest.mark.parametrize("spec", [PIXELS, CENTRE, OVERLAP], ids=lambda spec: spec.evaluation)
def test_uniform_attention_is_known_in_every_measure(spec):
    values = measure_maps(spec, rows(np.ones((1, 16))), 1, [box(0, 0, 16, 8)])
    assert list(values) == list(MEASURES)
    cells = 1024 if spec.evaluation == "pixels" else 16
    found = {name: float(value[0]) for name, value in values.items()}
    assert found == pytest.approx(
        {
            "mass": 16 * 8 / 32**2,
            "hit": 1.0,
            "cls": 0.5,
            "registers": 0.0,
            "patches": 0.5,
            "entropy": 1.0,
            "top10": round(cells * 0.10) / cells,
            "top25": round(cells * 0.25) / cells,
        }
    )


def test_a_single_patch_becomes_a_tent_two_patches_wide():
    around, half = box(4, 4, 20, 20), box(4, 4, 12, 20)
    values = measure_maps(PIXELS, np.repeat(rows(one_hot(5)), 2, axis=0), 1, [around, half])
    assert values["mass"] == pytest.approx([1.0, 0.5])
    assert values["top25"] == pytest.approx([1.0, 1.0])


def test_patches_are_decided_by_centre_or_by_area():
    part = [box(8, 8, 13, 16)]
    assert measure_maps(CENTRE, rows(one_hot(5)), 1, part)["mass"] == 1
    overlap = measure_maps(OVERLAP, rows(one_hot(5)), 1, part)
    assert overlap["mass"] == overlap["hit"] == pytest.approx(5 / 8)


def test_token_groups_share_the_whole_softmax():
    values = measure_maps(PIXELS, rows(np.ones((1, 16)), prefix=5), 5, [box(0, 0, 9, 9)])
    shares = [float(values[name][0]) for name in ("cls", "registers", "patches")]
    assert shares == pytest.approx([0.1, 0.4, 0.5])


def test_without_boxes_there_is_no_mass_and_no_hit():
    assert list(measure_maps(PIXELS, rows(np.ones((2, 16))), 1)) == list(MEASURES[2:])


@pytest.mark.parametrize("at_once", [1, 3, 100])
def test_how_many_maps_are_worked_on_at_once_changes_nothing(monkeypatch, at_once):
    patches = rows(np.random.default_rng(0).random((7, 16)))
    boxes = [box(i, 2, i + 9, 20) for i in range(7)]
    expected = measure_maps(PIXELS, patches, 1, boxes)
    monkeypatch.setattr(localization, "MAPS_AT_ONCE", at_once)
    found = measure_maps(PIXELS, patches, 1, boxes)
    assert all((found[name] == expected[name]).all() for name in MEASURES)


SUBJECTS = Subjects(np.array([4, 6, 9]), ("a", "b", "c"), (box(0, 0, 8, 8),) * 3, 2)


def test_crops_cover_the_boxes():
    crops = np.array([[[0, 0, 8, 8], [0, 0, 4, 8], [20, 20, 28, 28]]], np.int32)
    values = measure_crops(crops, SUBJECTS, 32)
    assert values["crop_coverage"].tolist() == [1, 0.5, 0]
    assert values["crop_hit"].tolist() == [1, 1, 0]


def test_an_image_without_an_answer_is_left_out_of_all_measures_and_counted():
    values = {"mass": np.array([0.2, np.nan, 0.4]), "cls": np.array([0.1, 0.9, 0.3])}
    content, arrays = summarize(values, SUBJECTS)
    assert content == pytest.approx({"n": 2, "n_left_out": 3, "mass": 0.3, "cls": 0.2})
    assert arrays["index"].tolist() == [4, 9]
    assert arrays["cls"].tolist() == [0.1, 0.3]


def test_no_answer_at_all_is_an_error():
    with pytest.raises(A2pipeError, match="None of the 3 images"):
        summarize({"mass": np.full(3, np.nan)}, SUBJECTS)


def test_attention_that_is_undefined_is_not_laid_at_the_door_of_the_boxes():
    without_boxes = {"cls": np.full(3, np.nan), "entropy": np.full(3, np.nan)}
    for values in (without_boxes, {"mass": np.full(3, np.nan), **without_boxes}):
        with pytest.raises(NoAnswerError, match=r"attention of all 3 images .* undefined"):
            summarize(values, SUBJECTS)


def test_boxes_that_miss_every_patch_centre_are_told_from_others():
    between = replace(SUBJECTS, boxes=(box(5, 5, 7, 7),) * 3)
    with pytest.raises(NoAnswerError, match="centre of one of the 4 x 4 patches of vit"):
        check_centres(between, 32, 4, "vit")
    check_centres(replace(SUBJECTS, boxes=(box(5, 5, 7, 7), box(3, 3, 5, 5))), 32, 4, "vit")
    check_centres(replace(SUBJECTS, boxes=()), 32, 4, "vit")
    check_centres(between, 32, 8, "vit")  # patches of 4 px have a centre at 6, 6


THIN, SQUARE = box(1.1, 0, 1.2, 32), box(0, 0, 9, 9)


class Samples(SimpleNamespace):
    """What `find_subjects` reads of a collection."""

    def __len__(self):
        return len(self.splits)


def subjects(split, splits, boxes, digests=None, geometry="squash"):
    """The subjects among images of 64 x 32 px, on a canvas of 32 px."""
    return find_subjects(collection(splits, boxes, digests), split, Canvas(32, geometry))


def collection(splits, boxes, digests=None):
    return Samples(
        name="birds",
        splits=np.array(splits),
        boxes=tuple(boxes),
        digests=tuple(digests or map(str, range(len(splits)))),
        sizes=np.tile([64, 32], (len(splits), 1)),
    )


def test_images_of_the_split_that_have_boxes_are_measured():
    splits, boxes = ["test", "val", "test", "test"], [box(0, 0, 64, 32)] * 3 + [NO_BOX]
    found = subjects("test", splits, boxes)
    assert found.images == ("0", "2")
    assert found.index.tolist() == [0, 2]
    assert found.without_boxes == 1
    assert found.boxes[0].tolist() == [[0, 0, 32, 32]]
    assert subjects("val", splits, boxes).images == ("1",)
    assert subjects("all", splits, boxes).images == ("0", "1", "2")


def test_without_any_box_all_images_are_measured():
    found = subjects("test", ["test", "train", "test"], [NO_BOX] * 3)
    assert (found.images, found.boxes, found.without_boxes) == (("0", "2"), (), 0)


def test_without_splits_all_images_are_measured():
    assert subjects("val", ["", ""], [NO_BOX] * 2).images == ("0", "1")


def test_an_image_of_several_samples_counts_once_with_all_their_boxes():
    boxes = [box(0, 0, 2, 2), box(4, 4, 6, 6), NO_BOX]
    found = subjects("test", ["test"] * 3, boxes, ["x", "x", ""])
    assert found.images == ("x",)
    assert found.boxes[0].tolist() == [[0, 0, 1, 2], [2, 4, 3, 6]]


def test_a_box_that_covers_no_pixel_centre_is_none():
    found = subjects("test", ["test"] * 3, [THIN, SQUARE, np.concatenate([THIN] * 2)])
    assert (found.images, found.without_boxes) == (("1",), 2)
    assert subjects("test", ["test"] * 2, [THIN] * 2).boxes == ()


LEFT, ACROSS = box(2, 8, 14, 20), box(2, 8, 20, 20)


def test_boxes_that_a_centre_crop_cuts_away_are_none():
    boxes = [LEFT, ACROSS, np.concatenate([LEFT, ACROSS]), NO_BOX, THIN]
    found = subjects("test", ["test"] * 5, boxes, geometry="center-crop")
    assert found.images == ("1", "2")
    assert [each.tolist() for each in found.boxes] == [[[0, 8, 4, 20]]] * 2
    assert (found.without_boxes, found.lost) == (3, 1)
    assert lost_boxes(found, Canvas(32, "center-crop")).startswith("1 image has boxes, but none")
    squashed = subjects("test", ["test"] * 5, boxes)
    assert (squashed.without_boxes, squashed.lost) == (2, 0)
    assert lost_boxes(squashed, Canvas(32)) == ""


def test_boxes_of_a_letterboxed_image_lie_between_the_bars():
    found = subjects("test", ["test"], [box(0, 0, 64, 32)], geometry="letterbox")
    assert found.boxes[0].tolist() == [[0, 8, 32, 24]]


def test_an_image_of_unknown_size_has_no_box():
    unknown = collection(["test"] * 2, [SQUARE] * 2)
    unknown.sizes[0] = 0
    assert find_subjects(unknown, "test", Canvas(32)).images == ("1",)


@pytest.mark.parametrize(
    ("bad", "train", "test", "said"),
    [
        (NO_BOX, NO_BOX, NO_BOX, ""),
        (NO_BOX, NO_BOX, THIN, "No box of the test images covers the centre of a pixel"),
        (SQUARE, NO_BOX, NO_BOX, "All test images with boxes are bad"),
        (NO_BOX, SQUARE, NO_BOX, "None of the test images has a box, though others of"),
    ],
    ids=["no boxes", "too small", "bad", "another split"],
)
def test_why_there_is_nothing_to_compare_with(bad, train, test, said):
    whole = collection(["test", "train", "test"], [bad, train, test], ["", "1", "2"])
    usable = collection(["train", "test"], [train, test], ["1", "2"])
    found = why_no_boxes(whole, usable, "test", Canvas(32))
    assert found.startswith(said)
    assert bool(found) == bool(said)


def test_the_split_measured_is_all_without_splits():
    assert effective_split(collection(["", ""], [NO_BOX] * 2), "test") == "all"
    assert effective_split(collection(["test", ""], [NO_BOX] * 2), "test") == "test"


def test_a_split_without_images_is_refused():
    with pytest.raises(UsageError, match=r"birds has no val images .* among test, train, all"):
        subjects("val", ["test", "train"], [NO_BOX] * 2)


def test_a_split_of_unreadable_images_is_refused():
    with pytest.raises(UsageError, match=r"No image of dataset birds .* can be read"):
        subjects("test", ["test"], [NO_BOX], [""])
