"""One small TOML file describes the cluster that jobs are submitted to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, ValidationError, model_validator

from ...errors import UsageError
from ..experiment.sections import Section
from ..experiment.toml import read_toml
from ..experiment.validation import sentence_of

System = Literal["slurm", "pbs", "lsf", "sge", "htcondor", "oar", "moab"]
Lines = tuple[str, ...]


class Cluster(Section):
    """A Cluster says what one job may use and needs, in the words of no particular batch system.

    system: the batch system. queue: its partition or queue, and account: what is charged; both are
    left to the system if empty.
    time: of one job, [D-]HH:MM:SS. cores, memory ("16GB" or "500MB"), gpus: of one job.
    setup: shell lines before the work, such as `module load cuda` or `source venv/bin/activate`.
    directives: further options for the system, such as "--constraint=a100".
    tasks: how many jobs share the work. at_once: how many of them may run together; all, if None.
    stop_before: seconds before the end of its time at which a job finishes or drops its shard.
    finish_queue, finish_directives: those of the job without GPUs that fits heads when the work is
    done; the same queue if empty.
    """

    system: System = "slurm"
    queue: str = ""
    account: str = ""
    time: Annotated[str, Field(pattern=r"^(\d+-)?\d{1,2}:\d{2}:\d{2}$")] = "04:00:00"
    cores: PositiveInt = 4
    memory: Annotated[str, Field(pattern=r"^\d+(MB|GB)$")] = "16GB"
    gpus: NonNegativeInt = 0
    setup: Lines = ()
    directives: Lines = ()
    tasks: PositiveInt = 8
    at_once: PositiveInt | None = None
    stop_before: PositiveInt = 120
    finish_queue: str = ""
    finish_directives: Lines = ()

    @property
    def seconds(self) -> int:
        """Return the time of one job in seconds."""
        days, _, clock = self.time.rpartition("-")
        hours, minutes, seconds = map(int, clock.split(":"))
        return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds

    @property
    def clock(self) -> str:
        """Return the time of one job as HH:MM:SS, with hours for its days, which not every system
        knows."""
        minutes, seconds = divmod(self.seconds, 60)
        return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}"

    @model_validator(mode="after")
    def _time_to_work(self) -> Cluster:
        if self.stop_before >= self.seconds:
            raise ValueError(
                f"A job of {self.time} has no time left to work if it stops {self.stop_before} s "
                "before its end; change time or stop_before"
            )
        return self


def load_cluster(path: Path) -> Cluster:
    """Return the description of a cluster that a TOML file holds.

    Raises:
        UsageError: the file is missing or not TOML, a key is unknown, or a value does not fit.
    """
    try:
        return Cluster.model_validate(read_toml(path, "cluster file"))
    except ValidationError as error:
        raise UsageError(sentence_of(error, f" in {path}", Cluster)) from error
