"""Pictures of predictions: which are written, and what is read for them."""

import numpy as np
import pytest
from PIL import Image

from a2pipe.pipeline.predict.overlays import save_overlays
from a2pipe.pipeline.predict.predict import Prediction, PredictionRun
from a2pipe.pipeline.session import open_session

from ..conftest import tiny_experiment, tiny_images

SECTIONS = {
    "crops": {"sizes": [12, 8]},
    "embedding": {"models": ["demo_localizer_s_random"], "baselines": ["full"]},
    "run": {"batch_size": 16, "shard_size": 8, "device": "cpu"},
}


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """Eighty images in ten shards, whose boxes are placed."""
    images = tiny_images(tmp_path_factory.mktemp("images"))
    opened = open_session(tiny_experiment(images, **SECTIONS), tmp_path_factory.mktemp("cache"))
    opened.compute("boxes")
    return opened


def predicted(session, kind, samples):
    """A run that says the name of the class of these samples."""
    (row,) = (row for row in session.plan.rows if row.kind == kind)
    collection = session.collection.take(np.array(samples, np.int64))
    found = [Prediction(path, "a bird", {}, ()) for path in collection.paths]
    return PredictionRun(tuple(found), (), session, row, collection)


@pytest.mark.parametrize(("kind", "specs"), [("control", 3), ("baseline", 1)])
def test_each_shard_is_read_once_a_spec_however_many_images_it_holds(
    session, shard_reads, tmp_path, kind, specs
):
    """In an order that comes back to a shard, and with an image that stands there twice."""
    samples = [0, 8, 1, 9, 0, 2, 10, 3]
    save_overlays(predicted(session, kind, samples), tmp_path)
    assert len(shard_reads) == 2 * specs
    assert set(shard_reads.values()) == {1}


def test_paths_are_returned_in_the_order_of_the_predictions(session, tmp_path):
    paths = save_overlays(predicted(session, "control", [8, 0]), tmp_path)
    assert [path.name for path in paths] == ["00000-00008-a_bird.png", "00001-00000-a_bird.png"]
    assert all(path.is_file() for path in paths)


def test_an_image_has_the_same_picture_whatever_is_drawn_beside_it(session, tmp_path):
    (alone,) = save_overlays(predicted(session, "control", [9]), tmp_path / "alone")
    *_, beside = save_overlays(predicted(session, "control", [0, 8, 9]), tmp_path / "beside")
    np.testing.assert_array_equal(np.asarray(Image.open(alone)), np.asarray(Image.open(beside)))


def test_where_all_images_are_bad_nothing_is_written(session, tmp_path):
    assert save_overlays(predicted(session, "control", []), tmp_path) == []
