"""On a real SLURM: the bits of a local run, whatever happens to the jobs on the way."""

import pytest

from a2pipe.pipeline.cluster.batch.states import task_states

from .conftest import answer, until

pytestmark = pytest.mark.slow


def of(count):
    return pytest.mark.parametrize("lab", [count], indirect=True, ids=[f"{count} images"])


@of(32)
def test_an_array_of_8_and_its_matrix_equal_the_local_run(lab):
    shown = lab.submit("--wait", tasks=8, at_once=2)
    assert "submitted: 8 missing shards to 8 tasks" in shown
    assert "acc." in shown
    (submission,) = lab.submissions()
    assert submission.arrays[0].ranks == tuple(range(8))
    lab.assert_like_the_local_run()
    status = lab.status()
    assert [line["shards_missing"] for line in status["stages"]] == [0, 0, 0]
    assert status["submissions"][0]["tasks"] == "8 completed"
    assert status["submissions"][0]["finish"] == "completed"
    assert status["failed"] == []
    assert "--array" not in lab.submit("--dry-run", tasks=8)


HOLD = """
def before(shard):
    while shard >= 4 and not (folder / "gate").exists():
        time.sleep(0.05)
    note(shard)
"""


@of(32)
def test_after_scancel_and_requeue_another_submission_finishes_the_rest_only(lab):
    setup = lab.stand_in(HOLD)
    lab.submit(tasks=4, setup=setup)
    (first,) = lab.submissions()
    array, finish = first.jobs
    assert "still waits or runs" in lab.submit(code=2, tasks=4, setup=setup)
    until(lambda: {0, 1} <= lab.shards_committed())
    answer("scancel", finish)
    answer("scontrol", "requeue", f"{array}_0")
    answer("scancel", f"{array}_1")
    until(lambda: all("a2pipe: Terminated" in first.log(rank).read_text() for rank in (0, 1)))
    (lab.folder / "gate").touch()
    until(lambda: all(state.is_over for state in task_states(first)))
    states = lab.status()
    assert states["submissions"][0]["tasks"] == "3 completed, 1 cancelled"
    assert [(line["task"], line["state"]) for line in states["failed"]] == [
        (1, "cancelled"),
        ("finish", "cancelled"),
    ]
    assert lab.shards_committed() == {0, 1, 2, 3, 4, 6, 7}
    kept = lab.committed()
    assert "submitted: 1 missing shard to 1 task," in lab.submit("--wait", tasks=4, setup=setup)
    assert kept.items() <= lab.committed().items()
    assert sorted(lab.placed()) == list(range(8))
    lab.assert_like_the_local_run()


SLOW = """
def before(shard):
    note(shard)
    time.sleep(2)
"""


@of(96)
def test_a_task_that_hits_its_time_limit_loses_at_most_one_shard(lab):
    """24 shards of 2 s in jobs of a minute, which are told to stop some time before."""
    setup = lab.stand_in(SLOW)
    lab.submit("--wait", tasks=1, time="00:01:00", stop_before=10, setup=setup)
    (submission,) = lab.submissions()
    log = submission.log(0).read_text()
    stops = log.count("goes back into the queue")
    assert stops >= 1
    assert log.count("Terminated; what was committed is kept.") == stops
    assert set(lab.placed()) == set(range(24))
    assert len(lab.placed()) <= 24 + stops
    lab.assert_like_the_local_run()


@of(16)
def test_what_failed_is_submitted_again_by_the_finishing_job(lab):
    fails_once = f"mkdir {lab.folder}/once 2>/dev/null && {{ echo a2pipe: no device; exit 7; }}"
    lab.submit("--wait", "--resubmit", 2, tasks=2, setup=[fails_once, *lab.stand_in(PLAIN)])
    first, second = lab.submissions()
    assert [len(array.ranks) for array in first.arrays] == [2]
    assert (second.shards, second.resubmit) == (2, 1)
    assert "2 shards are missing; submitting what is." in first.finish_log.read_text()
    shown = lab.a2pipe("logs", lab.experiment, "--cache", lab.cache)
    assert "ended with exit code 0" in shown
    assert sorted(lab.placed()) == list(range(4))
    lab.assert_like_the_local_run()


PLAIN = """
def before(shard):
    note(shard)
"""
