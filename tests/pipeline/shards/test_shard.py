"""What a shard still needs, as its parts are filled."""

import numpy as np

from a2pipe.cache.artifact import OK, PENDING
from a2pipe.pipeline.shards.shard import Shard, ShardArray
from a2pipe.stages.geometry import Canvas
from a2pipe.stages.specs import AttentionSpec, EmbeddingSpec, FullBox, ModelSpec

MODEL = ModelSpec("{}", "0", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
ATTENTION, FULL = AttentionSpec(MODEL, 518, 1), FullBox(96)
EMBEDDING = EmbeddingSpec(FULL, MODEL, 48)


def part(spec, *status):
    """A part of rows in these states."""
    return ShardArray(spec, np.zeros((len(status), 1), np.float32), np.array(status, np.uint8))


def shard(*parts):
    return Shard(0, ("a", "b"), {each.spec: each for each in parts})


def test_only_rows_to_compute_decide_what_is_decoded():
    half = shard(part(ATTENTION, OK, OK), part(FULL, OK, OK), part(EMBEDDING, OK, PENDING))
    assert half.rows_to_compute().tolist() == [1]
    assert half.rows_to_decode().tolist() == [False, True]
    assert half.canvases() == (Canvas(96),)


def test_boxes_alone_need_no_pixels():
    boxes = shard(part(ATTENTION, OK, OK), part(FULL, PENDING, PENDING))
    assert boxes.rows_to_compute().tolist() == [0, 1]
    assert not boxes.rows_to_decode().any()
    assert boxes.canvases() == ()


def test_a_whole_shard_needs_nothing():
    whole = shard(part(ATTENTION, OK, OK))
    assert whole.rows_to_compute().size == 0
    assert whole.canvases() == ()
