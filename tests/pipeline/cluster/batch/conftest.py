"""A submission as it is noted in the cache."""

import pytest

from a2pipe.pipeline.cluster.batch.deal import TaskArray
from a2pipe.pipeline.cluster.batch.jobs import Submission


@pytest.fixture
def submission(tmp_path):
    """Three tasks in two arrays of jobs, and the finishing job, on SLURM."""
    (tmp_path / "logs").mkdir()
    return Submission(
        id="20260102T030405Z-abc123",
        experiment="birds [a/b]",
        system="slurm",
        created="2026-01-02T03:04:05+00:00",
        folder=tmp_path,
        out=tmp_path,
        shards=9,
        world_size=8,
        arrays=(TaskArray(1, 0, (0, 1)), TaskArray(2, 4, (5,))),
        jobs=("20", "21", "22"),
    )
