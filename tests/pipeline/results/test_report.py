"""The gallery of a report: which test images are shown, and what is read for them."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from a2pipe.pipeline.results.report import attention_maps, gallery
from a2pipe.pipeline.session import open_session

from ..conftest import tiny_experiment, tiny_images

SECTIONS = {
    "attention": {"models": ["demo_localizer_s"]},
    "crops": {"sizes": [12, 8]},
    "embedding": {"models": ["demo_localizer_s_random"], "baselines": ["full"]},
    "run": {"batch_size": 16, "shard_size": 8, "device": "cpu"},
}


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """Eighty images in ten shards, whose boxes are placed; 30 of them are test images."""
    images = tiny_images(tmp_path_factory.mktemp("images"))
    opened = open_session(tiny_experiment(images, **SECTIONS), tmp_path_factory.mktemp("cache"))
    opened.compute("boxes")
    return opened


def row_of(session, kind):
    (row,) = (row for row in session.plan.rows if row.kind == kind)
    return row


def cell(session, kind, accuracy, wrong=()):
    """A cell that is right but for the test samples at these positions."""
    test = np.flatnonzero(session.collection.splits == "test")
    predictions = session.collection.labels[test].copy()
    predictions[list(wrong)] = 1 - predictions[list(wrong)]
    return SimpleNamespace(
        row=row_of(session, kind),
        arrays={"test_index": test, "test_predictions": predictions},
        scores=SimpleNamespace(worst_group=SimpleNamespace(accuracy=accuracy)),
    )


def run_of(session, *cells):
    return SimpleNamespace(cells=cells, collection=session.collection)


def test_each_shard_is_read_once_a_spec_however_many_images_are_shown(session, shard_reads):
    """Thirty images in ten shards, of which attention and two boxes are read."""
    items = gallery(session, run_of(session, cell(session, "attention", 0.5)), each=30)
    assert (len(items), {item.boxes.shape for item in items}) == (30, {(2, 4)})
    assert len(shard_reads) == 3 * 10
    assert set(shard_reads.values()) == {1}


def test_the_cell_is_the_attention_cell_of_highest_worst_group_accuracy(session):
    cells = (
        cell(session, "attention", 0.2, wrong=(0, 1)),
        cell(session, "attention", 0.5, wrong=(3,)),
        cell(session, "baseline", 0.9),
    )
    items = gallery(session, run_of(session, *cells), each=30)
    assert sum(not item.right for item in items) == 1


def test_so_many_right_and_wrong_images_of_each_group_are_shown(session):
    """Three groups have ten test images each; every other test image is predicted wrong."""
    wrong = range(0, 30, 2)
    items = gallery(session, run_of(session, cell(session, "attention", 0.5, wrong)), each=2)
    groups = ("0 on light", "1 on dark", "1 on light")
    shown = Counter((item.group, item.right) for item in items)
    assert shown == {(group, right): 2 for group in groups for right in (True, False)}


def test_without_attention_there_is_no_gallery(session):
    assert gallery(session, run_of(session, cell(session, "baseline", 0.9))) == []


def test_maps_come_one_an_image_over_the_canvas_and_sum_to_one(session):
    images = list(session.collection.images[:3])
    maps = list(attention_maps(session, row_of(session, "attention"), images))
    assert [each.shape for each in maps] == [(48, 48)] * 3
    np.testing.assert_allclose([each.sum() for each in maps], 1)


def test_a_row_without_attention_has_no_map(session):
    with pytest.raises(ValueError, match="has no attention map"):
        next(attention_maps(session, row_of(session, "baseline"), ["ab"]))
