"""However the work is cut, every stored bit is the same: batches, shards, ranks, rows that lack."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from a2pipe.cache.catalog import Cache
from a2pipe.pipeline.session import open_session

from .conftest import tiny_experiment, tiny_images

SECTIONS = {
    "attention": {"models": ["demo_localizer_s_random", "demo_localizer_s"], "layers": [2, 4]},
    "crops": {"sizes": [16, 8]},
    "embedding": {"models": ["demo_localizer_s"], "baselines": ["full", "center:16"]},
}


def rows(session):
    """Every row that the plan asks for, in the collection's order, as bytes."""
    images = list(session.collection.images)
    return {spec: session.read(spec, images).tobytes() for spec in session.plan.specs()}


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    """A folder with 80 images and their manifest."""
    return tiny_images(tmp_path_factory.mktemp("same") / "images")


def opened(images, cache, source="resized", **run):
    crops = {**SECTIONS["crops"], "source": source}
    sections = {**SECTIONS, "crops": crops, "run": {"device": "cpu", **run}}
    return open_session(tiny_experiment(images, **sections), cache)


@pytest.fixture(scope="module", params=["resized", "original"])
def undisturbed(request, images, tmp_path_factory):
    """The source of crops, and all rows of a run in one shard and one batch."""
    session = opened(images, tmp_path_factory.mktemp("once"), request.param, batch_size=128)
    session.compute()
    return request.param, rows(session)


@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    batch_size=st.integers(1, 100),
    shard_size=st.integers(5, 100),
    workers=st.integers(1, 3),
    world_size=st.integers(1, 3),
    limit=st.sampled_from([None, 13, 50]),
    dropped=st.sets(st.integers(0, 15), max_size=3),
)
def test_no_cut_of_the_work_changes_a_bit(
    images,
    undisturbed,
    tmp_path_factory,
    batch_size,
    shard_size,
    workers,
    world_size,
    limit,
    dropped,
):
    """A part of the images comes first, then all, by several ranks; then some shards are lost."""
    source, expected = undisturbed
    cache = tmp_path_factory.mktemp("cut")
    run = {"batch_size": batch_size, "shard_size": shard_size, "workers": workers}
    if limit:
        opened(images, cache, source, **run, limit=limit).compute()
    for rank in range(world_size):
        opened(images, cache, source, **run).compute(rank=rank, world_size=world_size)
    for number, artifact in enumerate(Cache(cache).artifacts()):
        if number in dropped:
            artifact.discard(number % artifact.cut.shards)
    session = opened(images, cache, source, **run)
    session.compute()
    assert rows(session) == expected
    shutil.rmtree(cache)


def test_bits_of_these_models_do_depend_on_the_number_of_images_in_a_pass():
    """Otherwise the tests above would show nothing: other shapes do round differently."""
    from a2pipe.models import backbone as module
    from a2pipe.models.preprocessing import to_unit

    model = module.load_backbone("demo_localizer_s_random", device="cpu")
    pixels = to_unit(np.random.default_rng(0).integers(0, 256, (96, 48, 48, 3), np.uint8))

    def embedded(images_a_pass):
        model.images_a_pass = lambda _: images_a_pass
        return model.embed(pixels).tobytes()

    assert len({embedded(count) for count in (1, 2, 3, 5, 7, 16, 96)}) > 1
