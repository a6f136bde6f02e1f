"""Batch systems by name, and how each numbers the tasks of an array."""

import pytest

from a2pipe.errors import UsageError
from a2pipe.pipeline.cluster.batch.deal import TaskArray
from a2pipe.pipeline.cluster.batch.systems import SYSTEMS, batch_system
from a2pipe.pipeline.cluster.description import Cluster

ARRAY = TaskArray(number=2, first=4, ranks=(4, 6, 7))


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_is_found_by_its_name(name):
    assert batch_system(name).name == name
    assert Cluster(system=name).system == name


def test_one_that_no_scripts_are_written_for_is_refused():
    with pytest.raises(UsageError, match="scripts for slurm, pbs, lsf, not for sge"):
        batch_system("sge")


@pytest.mark.parametrize(
    ("name", "tasks", "rank"),
    [
        ("slurm", [0, 2, 3], "rank=$((4 + SLURM_ARRAY_TASK_ID))"),
        ("pbs", [0, 1, 2], "ranks=(4 6 7)\nrank=${ranks[${PBS_ARRAY_INDEX:-0}]}"),
        ("lsf", [1, 3, 4], "rank=$((4 + LSB_JOBINDEX - 1))"),
    ],
)
def test_each_numbers_tasks_in_its_own_way_and_a_task_finds_its_rank(name, tasks, rank):
    assert list(SYSTEMS[name].tasks(ARRAY)) == tasks
    assert SYSTEMS[name].rank(ARRAY) == rank
