"""The cache has a record of each submission, which its jobs look for too."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from pydantic import Field, TypeAdapter

from ....errors import UsageError
from ....files import FORMAT, make_folder, read_checked_json, write_checked_json
from .deal import TaskArray
from .system import BatchSystem
from .systems import batch_system

JOBS = "jobs"


@dataclass(frozen=True)
class Submission:
    """A Submission is what was submitted of an experiment at one time.

    id: UTC time and a random ending, so that ids sort by time.
    experiment: its name. system: the name of the batch system. created: UTC time, ISO 8601.
    folder: where its scripts and logs lie. out: the folder of the report.
    shards: how many were missing. world_size: the number of ranks among which they were dealt.
    arrays: the arrays of tasks that share them.
    jobs: the system's name of each array and, last, of the finishing job, as far as they were
    handed over.
    resubmit: how often the finishing job may still submit what is missing.
    """

    id: str
    experiment: str
    system: str
    created: str
    folder: Path
    out: Path
    shards: int
    world_size: int
    arrays: Annotated[tuple[TaskArray, ...], Field(alias="parts")]  # their name in the record
    jobs: tuple[str, ...] = ()
    resubmit: int = 0

    @property
    def batch_system(self) -> BatchSystem:
        """Return the batch system that it was submitted to."""
        return batch_system(self.system)

    @property
    def ranks(self) -> list[int]:
        """Return the ranks of all its tasks, in the order of its arrays."""
        return [rank for array in self.arrays for rank in array.ranks]

    @property
    def finish_job(self) -> str | None:
        """Return the job that fits heads; None if it was not handed over."""
        return self.jobs[-1] if len(self.jobs) > len(self.arrays) else None

    @property
    def finish_log(self) -> Path:
        """Return the path of the log of the job that fits heads."""
        return self.log_of("finish")

    def log_of(self, name: str) -> Path:
        """Return the path of a job's log by the name of its script and the number of its task."""
        return self.folder / "logs" / f"{name}.log"

    def log(self, rank: int) -> Path:
        """Return the path of the log of the task of a rank.

        Raises:
            UsageError: there is no task of that rank.
        """
        for array in self.arrays:
            if rank in array.ranks:
                task = self.batch_system.tasks(array)[array.ranks.index(rank)]
                return self.log_of(f"{array.name}-{task}")
        ranks = sorted(self.ranks)
        known = f"its tasks are {ranks[0]} to {ranks[-1]}" if ranks else "it has no tasks"
        raise UsageError(f"Submission {self.id} has no task {rank}: {known}.")


_RECORD = TypeAdapter(Submission)


def record_path(cache_root: Path, experiment: str, submission: str) -> Path:
    """Return where the record of a submission, by its id, lies or would lie."""
    return cache_root / JOBS / quote(experiment, safe=" ") / f"{submission}.json"


def write_record(cache_root: Path, submission: Submission) -> None:
    """Note a submission, in place of what was noted of it before; A2pipeError if that fails."""
    path = record_path(cache_root, submission.experiment, submission.id)
    make_folder(path.parent)
    document = _RECORD.dump_python(submission, mode="json", by_alias=True)
    write_checked_json(path, {**document, "format": FORMAT})


def submissions(cache_root: Path, experiment: str | None = None) -> list[Submission]:
    """Return the submissions of an experiment, or of all of them, the oldest first."""
    # Quoted, a name has no sign that a pattern would take for more than itself.
    name = "*" if experiment is None else quote(experiment, safe=" ")
    return sorted(_read(cache_root / JOBS, name), key=lambda found: found.id)


def _read(folder: Path, name: str) -> Iterator[Submission]:
    for path in folder.glob(f"{name}/*.json"):
        document = None
        with suppress(FileNotFoundError):
            document = read_checked_json(path)
        if document is not None and not path.name.startswith("."):
            yield _RECORD.validate_python(document)
