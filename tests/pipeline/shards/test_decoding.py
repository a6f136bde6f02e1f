"""What is decoded of each batch: canvases first, crops from originals once boxes are placed."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from a2pipe import workers
from a2pipe.cache.artifact import OK, PENDING, UNREADABLE
from a2pipe.errors import A2pipeError
from a2pipe.pipeline.shards import decoding
from a2pipe.pipeline.shards.batch import Batch
from a2pipe.pipeline.shards.decoding import IMAGES_A_CALL, PIXELS_A_CALL, Decoders, Idleness
from a2pipe.pipeline.shards.shard import Shard, ShardArray
from a2pipe.stages.geometry import Canvas
from a2pipe.stages.specs import AttentionSpec, CenterBox, EmbeddingSpec, ModelSpec

MODEL = ModelSpec("{}", "0", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
OTHER = ModelSpec("{}", "1", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
ATTENTION, BOX = AttentionSpec(MODEL, 48, 1), CenterBox(16, 48)
EMBEDDING = EmbeddingSpec(BOX, MODEL, 24, "original")
COLORS = {"a": (255, 0, 0), "b": (0, 255, 0)}


@pytest.fixture
def path_of(tmp_path):
    """Two images of one colour each, by their digests."""
    digests = {}
    for name, color in COLORS.items():
        path = tmp_path / f"{name}.png"
        Image.new("RGB", (40, 30), color).save(path)
        digests[name] = str(path)
    return digests


@pytest.fixture
def decoders():
    """Two processes."""
    decoders = Decoders(2)
    yield decoders
    decoders.close()


@pytest.fixture(autouse=True)
def undigested(monkeypatch):
    """The images of these tests are named by letters, not by digests of their bytes."""
    original = decoding.Decode
    monkeypatch.setattr(decoding, "Decode", lambda path, _, *rest: original(path, None, *rest))


def batch(*arrays):
    """Two rows of a shard with these arrays: each a spec, the status of its rows, its values."""
    found = {
        spec: ShardArray(spec, np.array(values or [[0], [0]]), np.array(status, np.uint8))
        for spec, status, values in arrays
    }
    return Batch(Shard(0, ("a", "b"), found), np.arange(2), [1200, 0], 2, True)


def do(jobs):
    """Do all jobs, in two threads."""
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(job) for job in jobs]:
            done.result()


def test_rows_that_lack_attention_are_decoded_to_their_canvas(decoders, path_of):
    one = batch((ATTENTION, [PENDING, OK], None))
    do(decoders.canvases(path_of, one))
    assert one.decoded == 1
    assert one.pixels[Canvas(48)].shape == (2, 48, 48, 3)
    assert (one.pixels[Canvas(48)][0] == COLORS["a"]).all()
    assert one.bad == {}


def test_what_needs_no_pixels_has_no_jobs_and_starts_no_process(decoders, path_of):
    assert decoders.canvases(path_of, batch((BOX, [PENDING, PENDING], None))) == []
    assert decoders._workers is None


def test_stored_pixels_are_copied_and_known_bad_images_not_decoded(decoders, path_of):
    stored = batch(
        (Canvas(48), [OK, UNREADABLE], [np.full((48, 48, 3), 7).tolist()] * 2),
        (ATTENTION, [PENDING, PENDING], None),
    )
    array = stored.shard.arrays[Canvas(48)]
    array.stored, array.reasons = True, {1: "file is empty"}
    do(decoders.canvases(path_of, stored))
    assert (stored.decoded, stored.bad) == (0, {1: "file is empty"})
    assert (stored.pixels[Canvas(48)][0] == 7).all()


def test_an_image_that_is_no_image_is_noted_by_its_place(decoders, path_of, tmp_path):
    (tmp_path / "b.png").write_text("text")
    one = batch((ATTENTION, [PENDING, PENDING], None))
    do(decoders.canvases(path_of, one))
    assert one.bad.keys() == {1}
    assert "not an image" in one.bad[1]


def test_crops_are_cut_from_originals_once_their_boxes_are_placed(decoders, path_of):
    boxes = (BOX, [OK, OK], [[1, 2, 17, 18], [3, 4, 19, 20]])
    both = EmbeddingSpec(BOX, OTHER, 24, "original")
    placed = batch(boxes, (EMBEDDING, [PENDING, PENDING], None), (both, [PENDING, OK], None))
    do(decoders.originals(path_of, placed))
    assert placed.decoded == 2
    assert placed.pixels.keys() == {(BOX, 24)}
    for place, color in enumerate(COLORS.values()):
        assert (placed.pixels[BOX, 24][place] == color).all()


def test_a_bad_image_is_not_decoded_again_for_its_crops(decoders, path_of):
    boxes = (BOX, [OK, OK], [[1, 2, 17, 18], [3, 4, 19, 20]])
    placed = batch(boxes, (EMBEDDING, [PENDING, PENDING], None))
    placed.bad[0] = "file is empty"
    do(decoders.originals(path_of, placed))
    assert placed.decoded == 1


def test_memory_of_a_batch_that_is_done_is_used_again(decoders, path_of):
    first, second = (batch((ATTENTION, [PENDING, PENDING], None)) for _ in range(2))
    do(decoders.canvases(path_of, first))
    decoders.release(first)
    do(decoders.canvases(path_of, second))
    assert first.segments == second.segments


def test_no_memory_is_one_sentence(decoders, path_of, monkeypatch):
    def refuse(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(decoders._memory, "take", refuse)
    with pytest.raises(A2pipeError, match=r"no memory for .* bytes of decoded images"):
        decoders.canvases(path_of, batch((ATTENTION, [PENDING, PENDING], None)))


def test_where_no_process_starts_threads_decode_and_it_is_told(decoders, path_of, monkeypatch):
    monkeypatch.setattr(workers.sys, "executable", "/nonexistent/python")
    one = batch((ATTENTION, [PENDING, PENDING], None))
    do(decoders.canvases(path_of, one))
    assert (one.pixels[Canvas(48)][1] == COLORS["b"]).all()
    assert decoders.trouble


@pytest.mark.parametrize(
    ("pixels", "calls"),
    [
        ([0] * (2 * IMAGES_A_CALL + 4), [IMAGES_A_CALL, IMAGES_A_CALL, 4]),
        ([PIXELS_A_CALL] * 3, [1, 1, 1]),
        ([PIXELS_A_CALL // 2] * 4, [2, 2]),
        ([], []),
    ],
)
def test_calls_have_few_images_and_fewer_large_ones(pixels, calls):
    decodes = {n: decoding.Decode("", "", (), count) for n, count in enumerate(pixels)}
    found = list(decoding._calls(decodes))
    assert [len(call) for call in found] == calls
    assert {place for call in found for place in call} == set(decodes)


def test_idle_time_is_that_without_work_from_the_first_work_on(monkeypatch):
    times = iter([9.0, 11.0, 15.0, 18.0])
    monkeypatch.setattr(decoding.time, "perf_counter", lambda: next(times))
    idle = Idleness()
    idle.begin(2)
    idle.end()
    idle.end()  # at 9
    idle.begin(1)  # at 11
    idle.end()  # at 15
    assert idle.seconds == (11 - 9) + (18 - 15)
