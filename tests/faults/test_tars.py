"""Tars that are cut short or changed after they were indexed; what the next run makes of them."""

import io
import os
import tarfile

import numpy as np
import pytest
from PIL import Image

from a2pipe.cache.catalog import Cache
from a2pipe.errors import A2pipeError, UsageError
from a2pipe.pipeline.session import open_session

from .conftest import MODEL, assert_sound

IMAGES, SHARD = 12, 4


def picture(number):
    """An uncompressed image, so that all have the same size."""
    pixels = np.random.default_rng(number).integers(0, 256, (12, 16, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "BMP")
    return out.getvalue()


def write_tar(path, numbers):
    with tarfile.open(path, "w") as tar:
        for place, number in enumerate(numbers):
            kind, label = ("test" if place % 4 == 3 else "train"), str(place % 2).encode()
            for suffix, content in (("bmp", picture(number)), ("cls", label)):
                member = tarfile.TarInfo(f"{kind}/{place:02d}.{suffix}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))


@pytest.fixture
def tar(tmp_path):
    path = tmp_path / "train.tar"
    write_tar(path, range(IMAGES))
    return path


@pytest.fixture
def session(tar, tmp_path):
    """A function that opens the experiment, which indexes the tar."""
    source = {
        "name": "tars",
        "dataset": {"name": str(tar)},
        "image": {"size": 48},
        "attention": {"models": [MODEL]},
        "crops": {"sizes": [16]},
        "embedding": {"models": [MODEL], "input_size": 24},
        "run": {"shard_size": SHARD, "batch_size": 2, "workers": 1},
    }
    return lambda: open_session(source, tmp_path / "cache")


def rows(session):
    return {
        spec: session.read(spec, list(session.collection.images)) for spec in session.plan.specs()
    }


def of_image(session, values):
    return dict(zip(session.collection.images, values, strict=True))


def test_a_tar_that_shrinks_before_it_is_decoded(session, tar, tmp_path):
    opened, whole = session(), tar.read_bytes()
    tar.write_bytes(whole[: len(whole) // 3])
    with pytest.raises(A2pipeError, match=r"train\.tar.*(indexed|end)"):
        opened.compute()
    assert_sound(tmp_path / "cache")
    with pytest.raises(UsageError, match="is cut short"):
        session()
    tar.write_bytes(whole)
    mended = session()
    mended.compute()
    assert_sound(tmp_path / "cache")
    assert all(artifact.complete for artifact in Cache(tmp_path / "cache").artifacts())


def test_an_image_that_changes_in_place_is_computed_anew_and_no_other(session, tar):
    """The same names, sizes and offsets, and one image with other bytes."""
    first = session()
    first.compute()
    before, passes = rows(first), sum(first.stats.forward_passes.values())
    write_tar(tar, [0, 1, 2, 3, 99, *range(5, IMAGES)])
    os.utime(tar, ns=(1, 1))
    second = session()
    second.compute()
    same = [image for image in second.collection.images if image in first.collection.images]
    assert len(same) == IMAGES - 1
    assert sum(second.stats.forward_passes.values()) == passes // IMAGES
    for spec, values in rows(second).items():
        new = of_image(second, values)
        old = of_image(first, before[spec])
        for image in same:
            np.testing.assert_array_equal(new[image], old[image])


def test_an_image_that_changes_after_indexing_stops_the_run_before_it(session, tar, tmp_path):
    opened = session()
    content = tar.read_bytes()
    last = opened.collection.images.index(opened.collection.digests[IMAGES - 1])
    tar.write_bytes(content.replace(picture(IMAGES - 1), picture(99)))
    with pytest.raises(A2pipeError, match="has changed since it was indexed: run again"):
        opened.compute()
    assert_sound(tmp_path / "cache")
    for artifact in Cache(tmp_path / "cache").artifacts():
        assert last // SHARD in artifact.missing()
