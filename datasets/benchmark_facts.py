"""What was published of a benchmark: where it comes from, and how many samples it has of what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError

ALL = "all"
"""In counts, the name that stands for every sample of a split."""


@dataclass(frozen=True)
class BenchmarkFacts:
    """The published facts of one benchmark.

    title: what the benchmark is called.
    paper: authors, title, and arXiv number or venue.
    homepage_name: where its authors publish it, in words; never the address of a copy.
    counts: split -> name of a group (else of a class, else ALL) -> samples.
    notes: what a user has to know before trusting a number.
    """

    title: str
    paper: str
    homepage_name: str
    counts: Mapping[str, Mapping[str, int]]
    notes: tuple[str, ...] = ()


def not_found(name: str, problem: str, facts: BenchmarkFacts) -> UsageError:
    """The error for a benchmark that is not where it should be; `problem` says what was sought."""
    return UsageError(
        f"Dataset {name}: {problem}; {facts.title} is published by {facts.homepage_name} "
        f"({facts.paper})."
    )


def benchmark_root(name: str, root: Path | None, facts: BenchmarkFacts) -> Path:
    """The folder of a benchmark, absolute. Raises UsageError when none is given or there."""
    if root is None:
        raise not_found(name, "give the folder it lies in as its root", facts)
    folder = root.expanduser().absolute()
    if not folder.is_dir():
        raise not_found(name, f"there is no folder {folder}", facts)
    return folder
