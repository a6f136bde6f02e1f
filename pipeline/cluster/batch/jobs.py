"""What was submitted: a record in the cache for each submission, which its jobs look for too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ....errors import UsageError
from ....files import (
    FORMAT,
    make_folder,
    read_checked_json,
    write_checked_json,
)
from .deal import Part
from .scripts import part_name

JOBS = "jobs"


@dataclass(frozen=True)
class Submission:
    """One submission of an experiment.

    id: UTC time and a random ending, so that ids sort by time. folder: its scripts and logs. parts:
    the arrays of tasks; jobs: the system's name of each, the finishing job's last, as far as they
    were handed over. resubmit: how often the finishing job may still submit what is missing.
    """

    id: str
    experiment: str
    system: str
    created: str
    folder: Path
    out: Path
    shards: int
    world_size: int
    parts: tuple[Part, ...]
    jobs: tuple[str, ...] = ()
    resubmit: int = 0

    @property
    def finish_job(self) -> str | None:
        """The job that fits heads; None if it was not handed over."""
        return self.jobs[-1] if len(self.jobs) > len(self.parts) else None

    @property
    def finish_log(self) -> Path:
        return self.folder / "logs" / "finish.log"

    def number(self, part: Part, rank: int) -> int:
        """The number that the system gives the task of a rank: PBS without gaps, LSF from 1."""
        if self.system == "pbs":
            return part.ranks.index(rank)
        return rank - part.first + (1 if self.system == "lsf" else 0)

    def log(self, rank: int) -> Path:
        """The log of the task of a rank; UsageError if there is no such task."""
        for part in self.parts:
            if rank in part.ranks:
                return self.folder / "logs" / f"{part_name(part)}-{self.number(part, rank)}.log"
        ranks = sorted(rank for part in self.parts for rank in part.ranks)
        known = f"its tasks are {ranks[0]} to {ranks[-1]}" if ranks else "it has no tasks"
        raise UsageError(f"Submission {self.id} has no task {rank}: {known}.")


def record_path(cache_root: Path, experiment: str, submission: str) -> Path:
    """Where the record of a submission lies, or would lie."""
    return cache_root / JOBS / quote(experiment, safe=" ") / f"{submission}.json"


def write_record(cache_root: Path, submission: Submission) -> None:
    """Note a submission, in place of what was noted of it before."""
    path = record_path(cache_root, submission.experiment, submission.id)
    make_folder(path.parent)
    plain = asdict(submission) | {
        "format": FORMAT,
        "folder": str(submission.folder),
        "out": str(submission.out),
    }
    write_checked_json(path, plain)


def submissions(cache_root: Path, experiment: str | None = None) -> list[Submission]:
    """The submissions of an experiment, or of all of them, the oldest first."""
    name = "*" if experiment is None else quote(experiment, safe=" ").replace("[", "[[]")
    return sorted(_read(cache_root / JOBS, name), key=lambda found: found.id)


def _read(folder: Path, name: str) -> Iterator[Submission]:
    for path in folder.glob(f"{name}/*.json"):
        document = None
        with suppress(FileNotFoundError):
            document = read_checked_json(path)
        if document is not None and not path.name.startswith("."):
            yield _submission(document)


def _submission(document: dict[str, Any]) -> Submission:
    document.pop("format")
    parts = tuple(
        Part(part["number"], part["first"], tuple(part["ranks"])) for part in document.pop("parts")
    )
    folder, out = Path(document.pop("folder")), Path(document.pop("out"))
    jobs = tuple(document.pop("jobs"))
    return Submission(**document, parts=parts, folder=folder, out=out, jobs=jobs)
