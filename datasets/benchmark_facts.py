"""State what was published about a benchmark, its source and its counts, and find its folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError

ALL = "all"
"""This name stands for all samples of a split in `BenchmarkFacts.counts`."""


@dataclass(frozen=True)
class BenchmarkFacts:
    """BenchmarkFacts are what was published about one benchmark.

    title: what the benchmark is called.
    paper: authors, title, and arXiv number or venue.
    homepage_name: where its authors publish it, in words; never the address of a copy.
    counts: published number of samples, by split and then by name of a group, or of a class where
        there are no groups, or ALL.
    notes: sentences that a user has to know before trusting a number.
    prompt_names: what each class is called in a text prompt, where its own name is no noun.
    """

    title: str
    paper: str
    homepage_name: str
    counts: Mapping[str, Mapping[str, int]]
    notes: tuple[str, ...] = ()
    prompt_names: tuple[str, ...] = ()


def not_found(name: str, problem: str, facts: BenchmarkFacts) -> UsageError:
    """Return the error for a benchmark whose files are missing, which names its source.

    name: the dataset's registered name.
    problem: a clause that says what is missing and where it was looked for.
    """
    return UsageError(
        f"Dataset {name}: {problem}; {facts.title} is published by {facts.homepage_name} "
        f"({facts.paper})."
    )


def benchmark_root(name: str, root: Path | None, facts: BenchmarkFacts) -> Path:
    """Return the folder of a benchmark as an absolute path.

    Raises UsageError if none is given (`root` is None), or there is no such folder.
    """
    if root is None:
        raise not_found(name, "give the folder it lies in as its root", facts)
    folder = root.expanduser().absolute()
    if not folder.is_dir():
        raise not_found(name, f"there is no folder {folder}", facts)
    return folder
