"""Canvases that are stored once spare later passes the decoding, and change no bit."""

import json

import numpy as np
import pytest
from PIL import Image

from a2pipe.cache.catalog import Cache
from a2pipe.cache.gc import gc
from a2pipe.cache.verify import verify
from a2pipe.pipeline.session import open_session
from a2pipe.stages.geometry import Canvas
from a2pipe.stages.pixels import load_canvas

RUN = {"batch_size": 16, "shard_size": 32, "device": "cpu"}
STORING = {**RUN, "cache_pixels": True}
RANDOM, TRAINED = "demo_localizer_s_random", "demo_localizer_s"


def computed(experiment, cache, **sections):
    """A session whose features are all there."""
    session = open_session(experiment(**sections), cache)
    session.compute()
    return session


def rows(session):
    """Everything that is stored of the plan, by spec."""
    images = list(session.collection.images)
    return {spec: session.read(spec, images) for spec in session.plan.specs()}


def test_stored_canvases_are_what_decoding_gives(experiment, tmp_path):
    session = computed(experiment, tmp_path / "cache", run=STORING)
    (spec,) = session.plan.pixels(session.plan.specs())
    stored = session.cache.find(spec, session.collection.images, 32)
    assert spec == Canvas(48)
    expected = [load_canvas(path, Canvas(48)) for path in session.collection.path_of.values()]
    np.testing.assert_array_equal(stored.read("pixels"), np.stack(expected))


def test_a_model_that_comes_later_decodes_nothing_and_gives_the_same_bits(experiment, tmp_path):
    more = {"attention": {"models": [RANDOM, TRAINED]}}
    computed(experiment, tmp_path / "stored", run=STORING)
    later = computed(experiment, tmp_path / "stored", run=STORING, **more)
    plain = computed(experiment, tmp_path / "plain", run=RUN, **more)
    assert later.stats.decoded == 0
    assert plain.stats.decoded == 80
    for spec, expected in rows(plain).items():
        np.testing.assert_array_equal(rows(later)[spec], expected)


def test_pixels_alone_are_no_reason_to_compute(experiment, tmp_path):
    computed(experiment, tmp_path / "cache", run=RUN)
    again = computed(experiment, tmp_path / "cache", run=STORING)
    assert again.stats.decoded == 0
    assert again.is_complete()


def test_each_canvas_is_stored_and_a_second_one_alone_is_decoded(experiment, tmp_path):
    computed(experiment, tmp_path / "cache", run=STORING)
    larger = {"models": [TRAINED], "input_size": 64}
    session = computed(experiment, tmp_path / "cache", run=STORING, attention=larger)
    sides = {canvas.side for canvas in session.plan.pixels(session.plan.specs())}
    assert sides == {48, 64}
    assert session.stats.decoded == 80


def test_a_bad_image_stays_bad_without_a_second_look(experiment, images, tmp_path):
    (images / "00003.png").write_bytes(b"no image")
    computed(experiment, tmp_path / "cache", run=STORING)
    more = {"attention": {"models": [TRAINED]}}
    later = computed(experiment, tmp_path / "cache", run=STORING, **more)
    (bad,) = later.bad_images()
    assert bad.path.endswith("00003.png")
    assert "not an image" in bad.reason


def test_a_damaged_shard_of_pixels_is_found_and_decoded_again(experiment, tmp_path):
    computed(experiment, tmp_path / "cache", run=STORING)
    (chunk,) = (tmp_path / "cache" / "pixels").glob("*/*/data.zarr/pixels/c.1.0.0.0")
    chunk.write_bytes(bytes(255 - value for value in chunk.read_bytes()))
    assert [problem.shard for problem in verify(Cache(tmp_path / "cache"), deep=True)] == [1]
    more = {"attention": {"models": [RANDOM, TRAINED]}}
    later = computed(experiment, tmp_path / "cache", run=STORING, **more)
    assert later.stats.decoded == 32
    assert verify(Cache(tmp_path / "cache"), deep=True) == []


@pytest.mark.parametrize(("run", "kept"), [(STORING, True), (RUN, False)])
def test_gc_keeps_pixels_while_the_experiment_asks_for_them(experiment, tmp_path, run, kept):
    session = computed(experiment, tmp_path / "cache", run=STORING)
    session.keep()
    open_session(experiment(run=run), tmp_path / "cache").keep(replace=True)
    gc(Cache(tmp_path / "cache"), apply=True)
    assert bool(list((tmp_path / "cache").glob("pixels/*/*/spec.json"))) is kept


def test_a_grown_dataset_takes_stored_pixels_over(experiment, tmp_path):
    part = {**STORING, "limit": 40}
    computed(experiment, tmp_path / "cache", run=part)
    whole = computed(experiment, tmp_path / "cache", run=STORING)
    assert whole.stats.decoded == 40


# --- drafts -------------------------------------------------------------------------------------


def photo(path, width, height, **options):
    """A smooth JPEG of many pixels."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    pixels = np.stack([x, y, 255 - x], axis=-1).astype(np.uint8)
    Image.fromarray(pixels).save(path, quality=95, **options)


@pytest.fixture
def photos(tmp_path):
    """Twelve photographs of two classes, in class folders."""
    for number in range(12):
        folder = tmp_path / "photos" / ("train", "test")[number % 3 == 0] / str(number % 2)
        folder.mkdir(parents=True, exist_ok=True)
        photo(folder / f"{number}.jpg", 640 + number, 480)
    return {"name": str(tmp_path / "photos")}


def test_a_draft_is_stored_beside_the_whole_under_another_address(experiment, photos, tmp_path):
    whole = computed(experiment, tmp_path / "cache", dataset=photos)
    draft = computed(
        experiment, tmp_path / "cache", dataset=photos, image={"size": 48, "draft": True}
    )
    assert not set(whole.plan.specs()) & set(draft.plan.specs())
    assert draft.stats.decoded == 12
    near, far = (
        session.read(session.plan.attention[0], list(session.collection.images))
        for session in (whole, draft)
    )
    assert (near != far).any()
    np.testing.assert_allclose(near, far, atol=0.02)


def test_without_a_draft_addresses_are_what_they_were(experiment, tmp_path):
    plain = open_session(experiment(), tmp_path / "cache").plan
    spelled = open_session(experiment(image={"size": 48, "draft": False}), tmp_path / "cache").plan
    assert plain.specs() == spelled.specs()
    assert "draft" not in json.dumps([row.key for row in plain.rows])
