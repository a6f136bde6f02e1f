"""What a shard still needs, as its parts are filled."""

from types import SimpleNamespace

import numpy as np
import pytest

from a2pipe.cache.artifact import OK, PENDING, UNREADABLE
from a2pipe.errors import DamagedError, NotCachedError
from a2pipe.pipeline.shards.shard import Shard, ShardArray, open_shard
from a2pipe.stages.geometry import Canvas
from a2pipe.stages.specs import AttentionSpec, EmbeddingSpec, FullBox, GreedyBox, MapSpec, ModelSpec

MODEL = ModelSpec("{}", "0", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
ATTENTION, FULL = AttentionSpec(MODEL, 518, 1), FullBox(96)
EMBEDDING = EmbeddingSpec(FULL, MODEL, 48)
BOX = GreedyBox(MapSpec(ATTENTION), 16, 96)
OF_BOX = EmbeddingSpec(BOX, MODEL, 48)
ROWS = np.arange(2)


def part(spec, *status):
    """A part of rows in these states."""
    return ShardArray(spec, np.zeros((len(status), 1), np.float32), np.array(status, np.uint8))


def shard(*parts):
    return Shard(0, ("a", "b"), {each.spec: each for each in parts})


def needed(shard):
    """The canvases that rows are needed on, and which rows."""
    return {canvas: rows.tolist() for canvas, rows in shard.pixels_needed(ROWS).items()}


def test_only_rows_to_compute_need_pixels():
    half = shard(part(ATTENTION, OK, OK), part(FULL, OK, OK), part(EMBEDDING, OK, PENDING))
    assert half.rows_to_compute().tolist() == [1]
    assert needed(half) == {Canvas(96): [False, True]}


def test_boxes_alone_need_no_pixels():
    boxes = shard(part(ATTENTION, OK, OK), part(FULL, PENDING, PENDING))
    assert boxes.rows_to_compute().tolist() == [0, 1]
    assert needed(boxes) == {}


def test_a_whole_shard_needs_nothing():
    whole = shard(part(ATTENTION, OK, OK))
    assert whole.rows_to_compute().size == 0
    assert needed(whole) == {}


def test_each_row_needs_the_canvases_of_what_it_lacks_alone():
    both = shard(
        part(ATTENTION, OK, PENDING), part(FULL, OK, OK), part(EMBEDDING, PENDING, PENDING)
    )
    assert needed(both) == {Canvas(96): [True, True], Canvas(518): [False, True]}


def test_pixels_have_the_status_that_is_stored_and_are_pending_otherwise():
    pixels = part(Canvas(518), OK, UNREADABLE)
    half = shard(pixels, part(ATTENTION, PENDING, PENDING))
    assert half.pixels_status(Canvas(518), ROWS).tolist() == [OK, UNREADABLE]
    assert half.pixels_status(Canvas(96), ROWS).tolist() == [PENDING, PENDING]


class Stored:
    """An artifact of two images whose only shard is as told: a status, or the error of a read."""

    layout = SimpleNamespace(images=("a", "b"), rows_of=lambda _: slice(0, 2))
    ledger = SimpleNamespace(read=lambda _: None)

    def __init__(self, found):
        self.found, self.discarded = found, []

    def read_shard(self, _):
        if isinstance(self.found, Exception):
            raise self.found
        return {"x": np.ones((2, 1), np.float32), "status": np.array(self.found, np.uint8)}

    def discard(self, number):
        self.discarded.append(number)


def task_of(missing, **found):
    """A task over attention, a greedy box by it and the embedding of that box, with one shard."""
    specs = {"attention": ATTENTION, "box": BOX, "embedding": OF_BOX}
    artifacts = {spec: Stored(found.get(name, [OK, OK])) for name, spec in specs.items()}
    return SimpleNamespace(
        artifacts=artifacts,
        missing={spec: {0} if name in missing else set() for name, spec in specs.items()},
        gathered={},
        plan=SimpleNamespace(field=lambda _: SimpleNamespace(shape=(1,), fill=0, dtype="float32")),
    )


def opened(task):
    """The arrays of its shard, each with whether it is stored, and what was lost."""
    found = open_shard(0, task)
    return {spec: array.stored for spec, array in found.arrays.items()}, found.lost


def test_what_is_missing_is_computed_from_what_is_stored():
    assert opened(task_of(["embedding"])) == ({BOX: True, OF_BOX: False}, ())


@pytest.mark.parametrize("error", [NotCachedError("gone"), DamagedError("torn")])
def test_what_is_lost_is_computed_again_from_what_it_reads(error):
    task = task_of(["embedding"], box=error)
    before = {spec: set(shards) for spec, shards in task.missing.items()}
    assert opened(task) == ({ATTENTION: True, BOX: False, OF_BOX: False}, (BOX,))
    assert task.missing == before
    assert task.artifacts[BOX].discarded == ([0] if isinstance(error, DamagedError) else [])


def test_a_chain_of_losses_is_followed_to_its_end():
    task = task_of(["embedding"], box=NotCachedError("gone"), attention=DamagedError("torn"))
    assert opened(task)[1] == (ATTENTION, BOX)


def test_pixels_are_stored_for_a_model_that_reads_them_and_not_for_themselves():
    task = task_of(["box"])
    task.artifacts = {Canvas(518): Stored([OK, OK]), **task.artifacts}
    task.missing[Canvas(518)] = {0}
    assert Canvas(518) not in opened(task)[0]
    task.missing[ATTENTION] = {0}
    assert opened(task)[0][Canvas(518)] is False
