"""Dealing missing shards: every one to exactly one task, evenly, and no task without one."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2pipe.pipeline.cluster.batch.deal import deal, missing_shards
from a2pipe.pipeline.results.stage_run import compute_stage
from a2pipe.pipeline.session import open_session

shards = st.sets(st.integers(0, 60), max_size=40).map(sorted)


@given(shards, st.integers(1, 20), st.integers(1, 12))
def test_every_missing_shard_has_one_task_and_every_task_a_shard(missing, tasks, largest):
    dealt = deal(missing, tasks, largest)
    ranks = [rank for array in dealt.arrays for rank in array.ranks]
    assert len(set(ranks)) == len(ranks) == dealt.tasks <= min(tasks, len(missing))
    assert {shard % dealt.world_size for shard in missing} == set(ranks) if missing else not ranks
    for array in dealt.arrays:
        assert all(0 <= task < largest for task in array.tasks)
        assert [array.first + task for task in array.tasks] == list(array.ranks)


@given(shards.filter(len), st.integers(1, 20))
def test_no_other_number_of_ranks_has_a_shorter_longest_task(missing, tasks):
    tasks = min(tasks, len(missing))

    def loads(size):
        return Counter(shard % size for shard in missing)

    sizes = [size for size in range(1, 16 * tasks + 1) if len(loads(size)) <= tasks]
    chosen = deal(missing, tasks, 1001).world_size
    assert max(loads(chosen).values()) == min(max(loads(size).values()) for size in sizes)


@given(st.integers(1, 200), st.integers(1, 20))
def test_all_shards_missing_are_dealt_to_as_many_ranks_as_tasks(count, tasks):
    assert deal(range(count), tasks, 1001).world_size == min(tasks, count)


def test_what_one_rank_left_is_dealt_to_all_tasks():
    dealt = deal([1, 9, 17, 25], tasks=4, largest_array=1001)
    assert sorted(shard % dealt.world_size for shard in [1, 9, 17, 25]) == list(
        dealt.arrays[0].ranks
    )
    assert dealt.tasks == 4


def test_ranks_beyond_the_largest_array_go_into_the_next():
    dealt = deal(range(5), tasks=5, largest_array=2)
    assert [(array.first, array.tasks) for array in dealt.arrays] == [
        (0, (0, 1)),
        (2, (0, 1)),
        (4, (0,)),
    ]


def test_nothing_missing_is_no_task():
    assert deal([], tasks=8, largest_array=1001).arrays == ()


@pytest.mark.parametrize("backend", ["zarr", "hdf5"])
def test_missing_is_what_any_array_lacks(experiment, tmp_path, backend):
    run = {"batch_size": 16, "shard_size": 16, "device": "cpu", "backend": backend}
    session = open_session(experiment(run=run), tmp_path / "cache")
    assert missing_shards(session) == [0, 1, 2, 3, 4]
    compute_stage(session, "attention")
    assert missing_shards(session) == [0, 1, 2, 3, 4]
    compute_stage(session, "embeddings", rank=1, world_size=3)
    assert missing_shards(session) == [0, 2, 3]
    session.artifact(session.plan.attention[0]).discard(4)
    assert missing_shards(session) == [0, 2, 3, 4]


@given(shards.filter(len), st.integers(1, 9), st.integers(1, 5))
def test_a_task_of_several_processes_is_a_block_of_ranks(missing, tasks, processes):
    """Of rank r of W are those that `prepare` deals to r * P ... r * P + P - 1 of W * P."""
    dealt = deal(missing, tasks, 1001, processes)
    whole = dealt.world_size * processes
    owners = {shard % whole // processes for shard in missing}
    assert {rank for array in dealt.arrays for rank in array.ranks} == owners
    assert dealt.tasks <= tasks
