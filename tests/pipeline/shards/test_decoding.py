"""What is decoded of each row: canvases first, crops from the original once boxes are placed."""

import numpy as np
from PIL import Image

from a2pipe.cache.artifact import OK, PENDING, UNREADABLE
from a2pipe.errors import BadImageError
from a2pipe.pipeline.shards.batch import Batch
from a2pipe.pipeline.shards.decoding import Decode, canvas_jobs, decode, original_jobs, weight
from a2pipe.pipeline.shards.prefetch import Room
from a2pipe.pipeline.shards.shard import Shard, ShardArray
from a2pipe.stages.crops import Crop, whole_canvas
from a2pipe.stages.geometry import Canvas
from a2pipe.stages.specs import AttentionSpec, CenterBox, EmbeddingSpec, ModelSpec

MODEL = ModelSpec("{}", "0", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
ATTENTION, BOX = AttentionSpec(MODEL, 48, 1), CenterBox(16, 48)
EMBEDDING = EmbeddingSpec(BOX, MODEL, 24, "original")
PATHS = {"a": "a.png", "b": "b.png"}


def batch(*arrays, decoded=()):
    """Two rows of a shard with these arrays: each a spec, the status of its rows, its values."""
    found = {
        spec: ShardArray(spec, np.array(values or [[0], [0]]), np.array(status, np.uint8))
        for spec, status, values in arrays
    }
    return Batch(Shard(0, ("a", "b"), found), np.arange(2), [1200, 0], 2, True, decoded)


def test_rows_that_lack_attention_need_their_canvas():
    jobs = canvas_jobs(batch((ATTENTION, [PENDING, OK], None)), PATHS)
    assert list(jobs) == [Decode("a.png", "a", (whole_canvas(Canvas(48)),), 1200), None]


def test_an_image_that_is_known_to_be_bad_is_not_decoded():
    stored = batch((Canvas(48), [OK, UNREADABLE], None), (ATTENTION, [PENDING, PENDING], None))
    stored.shard.arrays[Canvas(48)].stored = True
    nothing, bad = canvas_jobs(stored, PATHS)
    assert nothing is None
    assert isinstance(bad, BadImageError)


def test_crops_from_the_original_are_known_once_boxes_are_placed():
    boxes = (BOX, [OK, OK], [[1, 2, 17, 18], [3, 4, 19, 20]])
    placed = batch(boxes, (EMBEDDING, [PENDING, PENDING], None), decoded=[None, None])
    first, second = original_jobs(placed, PATHS)
    assert first == Decode("a.png", "a", (Crop(Canvas(48), (1, 2, 17, 18), 24),), 1200)
    assert second.crops[0].box == (3, 4, 19, 20)


def test_a_bad_image_is_not_decoded_again_for_its_crops():
    error = BadImageError("file is empty")
    boxes = (BOX, [OK, OK], [[1, 2, 17, 18], [3, 4, 19, 20]])
    placed = batch(boxes, (EMBEDDING, [PENDING, OK], None), decoded=[error, None])
    assert list(original_jobs(placed, PATHS)) == [error, None]


def test_a_job_gives_its_crops_and_what_is_no_image_gives_the_reason(tmp_path):
    Image.new("RGB", (60, 40), "red").save(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("text")
    whole = whole_canvas(Canvas(8))
    job = Decode(str(tmp_path / "a.png"), None, (whole,), 2400)
    assert weight(job) == 3 * 8 * 8
    assert (decode(Room(1), job)[whole] == (255, 0, 0)).all()
    bad = decode(Room(1), Decode(str(tmp_path / "b.png"), None, (whole,)))
    assert isinstance(bad, BadImageError)


def test_what_needs_no_decoding_is_passed_on():
    assert decode(Room(1), None) is None
    assert weight(None) == 0
