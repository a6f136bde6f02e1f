"""A step of srun gives each of its processes a rank; a batch script with the same options none."""

import subprocess
import sys

import pytest

from .test_submit import of

pytestmark = pytest.mark.slow

RUN = "from a2pipe.cli import main; main()"


def started(lab, *launcher, script=""):
    """What `a2pipe run` says on stderr, started so; every process takes one core."""
    command = [sys.executable, "-c", RUN, "run", str(lab.experiment), "--cache", str(lab.cache)]
    words = command if not script else []
    done = subprocess.run(
        [*launcher, *words], capture_output=True, text=True, timeout=300, input=script or None
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@of(32)
def test_processes_of_a_step_share_the_shards(lab):
    err = started(lab, "srun", "--ntasks=2", "--cpus-per-task=1", "--mem=800M", "--label")
    for rank in (0, 1):
        assert f"{rank}: This is rank {rank} of 2, as srun (SLURM_PROCID={rank}," in err
    assert lab.shards_committed() == set(range(8))


@of(32)
def test_a_batch_script_of_two_tasks_computes_all_in_its_one_process(lab, tmp_path):
    log = tmp_path / "log.txt"
    script = (
        f"#!/bin/bash\nexec {sys.executable} -c '{RUN}' run {lab.experiment} --cache {lab.cache}\n"
    )
    started(
        lab,
        *("sbatch", "--wait", "--ntasks=2", "--array=1-1", "--mem=800M", f"--output={log}"),
        script=script,
    )
    assert "This is rank" not in log.read_text()
    assert lab.shards_committed() == set(range(8))
