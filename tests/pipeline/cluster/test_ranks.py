"""Which environment makes a process one of several: a step of srun and torchrun, and no other."""

import pytest

from a2pipe.errors import UsageError
from a2pipe.pipeline.cluster.ranks import rank_of

STEP = {"SLURM_STEP_NUM_TASKS": "8", "SLURM_PROCID": "5", "SLURM_LOCALID": "1"}
TORCHRUN = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}
SCRIPT = {  # what SLURM sets in a batch script of an array, which starts one process
    "SLURM_NTASKS": "4",
    "SLURM_NPROCS": "4",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_ARRAY_TASK_ID": "2",
    "SLURM_ARRAY_TASK_COUNT": "4",
}


def numbers(environment):
    found = rank_of(environment)
    return found and (found.number, found.world_size, found.local)


def test_a_step_of_srun():
    assert numbers({**SCRIPT, **STEP}) == (5, 8, 1)
    found = rank_of(STEP)
    assert found is not None
    assert found.words() == (
        "This is rank 5 of 8, as srun (SLURM_PROCID=5, SLURM_STEP_NUM_TASKS=8) says; "
        "--rank and --world-size would win over it."
    )


def test_torchrun_also_where_srun_has_started_it():
    assert numbers(TORCHRUN) == (3, 4, 1)
    assert numbers({**STEP, **TORCHRUN}) == (3, 4, 1)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        SCRIPT,
        {**SCRIPT, "SLURM_STEP_NUM_TASKS": "1"},
        {"SLURM_STEP_NUM_TASKS": "4"},
        {"RANK": "0", "WORLD_SIZE": "1"},
        {"WORLD_SIZE": "4"},
        {"RANK": "2"},
    ],
)
def test_one_process_has_no_rank(environment):
    assert rank_of(environment) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"RANK": "4", "WORLD_SIZE": "4"},
        {"RANK": "-1", "WORLD_SIZE": "4"},
        {"RANK": "0", "WORLD_SIZE": "four"},
        {"RANK": "", "WORLD_SIZE": "4"},
        {**STEP, "SLURM_PROCID": "8"},
        {**STEP, "SLURM_STEP_NUM_TASKS": "many"},
    ],
)
def test_what_is_no_rank_is_refused(wrong):
    with pytest.raises(UsageError, match=r"No rank follows from .* in the environment: unset them"):
        rank_of(wrong)
