"""What a shard still needs, as its parts are filled."""

import numpy as np

from a2pipe.cache.artifact import OK, PENDING, UNREADABLE
from a2pipe.pipeline.shards.shard import Shard, ShardArray
from a2pipe.stages.geometry import Canvas
from a2pipe.stages.specs import AttentionSpec, EmbeddingSpec, FullBox, ModelSpec

MODEL = ModelSpec("{}", "0", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
ATTENTION, FULL = AttentionSpec(MODEL, 518, 1), FullBox(96)
EMBEDDING = EmbeddingSpec(FULL, MODEL, 48)
ROWS = np.arange(2)


def part(spec, *status):
    """A part of rows in these states."""
    return ShardArray(spec, np.zeros((len(status), 1), np.float32), np.array(status, np.uint8))


def shard(*parts):
    return Shard(0, ("a", "b"), {each.spec: each for each in parts})


def test_only_rows_to_compute_decide_what_is_decoded():
    half = shard(part(ATTENTION, OK, OK), part(FULL, OK, OK), part(EMBEDDING, OK, PENDING))
    assert half.rows_to_compute().tolist() == [1]
    assert list(half.to_decode(ROWS)) == [(), (Canvas(96),)]


def test_boxes_alone_need_no_pixels():
    boxes = shard(part(ATTENTION, OK, OK), part(FULL, PENDING, PENDING))
    assert boxes.rows_to_compute().tolist() == [0, 1]
    assert list(boxes.to_decode(ROWS)) == [(), ()]


def test_a_whole_shard_needs_nothing():
    whole = shard(part(ATTENTION, OK, OK))
    assert whole.rows_to_compute().size == 0
    assert list(whole.to_decode(ROWS)) == [(), ()]


def test_pixels_that_are_stored_are_not_decoded_and_bad_images_are_known():
    pixels = part(Canvas(518), OK, UNREADABLE)
    pixels.stored, pixels.reasons = True, {1: "file is empty"}
    half = shard(pixels, part(ATTENTION, PENDING, PENDING), part(FULL, OK, OK))
    assert list(half.to_decode(ROWS)) == [(), "file is empty"]


def test_each_row_is_decoded_for_what_it_lacks_alone():
    both = shard(
        part(ATTENTION, OK, PENDING), part(FULL, OK, OK), part(EMBEDDING, PENDING, PENDING)
    )
    assert list(both.to_decode(ROWS)) == [(Canvas(96),), (Canvas(96), Canvas(518))]
