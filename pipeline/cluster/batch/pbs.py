"""Arrays of PBS (OpenPBS, PBS Pro) are ranges without gaps, and never of a single task."""

import re
from collections.abc import Sequence
from pathlib import Path

from ..description import Cluster
from .deal import TaskArray
from .system import BatchSystem, Job, at_once, with_values

LONGEST_NAME = 15


def _options(job: Job, cluster: Cluster) -> list[str]:
    array = _array(job, cluster)
    select = f"1:ncpus={cluster.cores}:mem={cluster.memory.lower()}"
    lines = [
        ("-N ", job.name[:LONGEST_NAME]),
        ("-J ", array),
        ("-o ", job.log_of("^array_index^" if array else "0")),
        ("-j ", "oe"),
        ("-q ", job.queue),
        ("-A ", cluster.account),
        ("-l walltime=", cluster.clock),
        ("-l select=", select + (f":ngpus={job.gpus}" if job.gpus else "")),
        ("-r ", "y"),
    ]
    return [f"#PBS {option}" for option in (*with_values(lines), "-V", *job.directives)]


def _array(job: Job, cluster: Cluster) -> str:
    if job.tasks is None or len(job.tasks) == 1:
        return ""
    return f"0-{job.tasks[-1]}{at_once(cluster)}"


def _rank(array: TaskArray) -> str:
    # A job of one task is no array, and so has no index.
    ranks = " ".join(map(str, array.ranks))
    return f"ranks=({ranks})\nrank=${{ranks[${{PBS_ARRAY_INDEX:-0}}]}}"


def _command(script: Path, after: Sequence[str]) -> list[str]:
    waiting = ["-W", f"depend=afterany:{':'.join(after)}"] if after else []
    return ["qsub", *waiting, str(script)]


PBS = BatchSystem(
    name="pbs",
    options=_options,
    # Without gaps: a range over the ranks would have tasks with nothing to do.
    tasks=lambda array: range(len(array.ranks)),
    rank=_rank,
    again="pbs-again.sh",
    limited=True,
    command=_command,
    job_id=re.compile(r"^(\d+\S*)$", re.MULTILINE),
    largest_array=lambda: 10_000,
)
