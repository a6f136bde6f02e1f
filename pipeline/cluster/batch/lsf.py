"""LSF counts tasks from 1, and its `bsub` reads the script from standard input."""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ..description import Cluster
from .system import BatchSystem, Job, at_once, ranges, rank_from, with_values

BACK_INTO_THE_QUEUE = 99
"""A task asks by this exit code to be run again; its template gives it too."""


def _options(job: Job, cluster: Cluster) -> list[str]:
    is_array = job.tasks is not None
    array = f"[{ranges(job.tasks)}]{at_once(cluster)}" if job.tasks is not None else ""
    lines = [
        ("-J ", f'"{job.name}{array}"'),
        ("-o ", job.log_of("%I")),
        ("-q ", job.queue),
        ("-P ", cluster.account),
        ("-W ", cluster.clock.rpartition(":")[0]),  # hours and minutes
        ("-n ", cluster.cores),
        ("-R ", f'"span[hosts=1] rusage[mem={cluster.memory}]"'),
        ("-M ", cluster.memory),
        ("-gpu ", f'"num={job.gpus}"' if job.gpus else None),
        ("-Q ", BACK_INTO_THE_QUEUE if is_array else None),
    ]
    return [f"#BSUB {option}" for option in (*with_values(lines), "-r", *job.directives)]


def _command(_: Path, after: Sequence[str]) -> list[str]:
    waiting = ["-w", " && ".join(f"ended({job})" for job in after)] if after else []
    return ["bsub", *waiting]


LSF = BatchSystem(
    name="lsf",
    options=_options,
    tasks=lambda array: [task + 1 for task in array.tasks],
    rank=partial(rank_from, "LSB_JOBINDEX - 1"),
    again="lsf-again.sh",
    limited=True,
    command=_command,
    job_id=re.compile(r"^Job <(\d+)>", re.MULTILINE),
    largest_array=lambda: 1000,
    reads_stdin=True,
)
