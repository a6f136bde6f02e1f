"""Repair a cache: drop what is damaged, and compute just that again for given experiments."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...cache.artifact import Artifact
from ...cache.catalog import Cache
from ...cache.verify import Problem, verify
from ...errors import A2pipeError
from ..session import Session, open_session
from ..shards.progress import Progress


@dataclass(frozen=True)
class Mended:
    """A Mended is a problem that was dropped; `computed` tells if its shard was computed again."""

    problem: Problem
    computed: bool


@dataclass(frozen=True)
class Repair:
    """A Repair says what was found, and how many images went through models again."""

    mended: tuple[Mended, ...]
    forward_passes: int


def repair(cache: Cache, experiments: Sequence[Path], deep: bool, progress: Progress) -> Repair:
    """Drop damaged shards and records, and compute the shards that the experiments need.

    experiments: TOML files. deep: read the data too and compare it with its checksums, instead of
    markers and sizes alone.

    What an experiment lacks in other shards stays missing. A record that is dropped is fitted by
    the next `build-matrix`.

    Raises:
        A2pipeError: as `open_session` and a run do. What was dropped by then is still missing.
    """
    # Before anything is dropped, so that an experiment that cannot be read changes nothing.
    sessions = [open_session(source, cache.root, progress) for source in experiments]
    problems = verify(cache, deep=deep, repair=True)
    dropped = _by_folder(problems)
    for session in sessions:
        _compute_again(session, dropped)
    mended = tuple(Mended(each, bool(sessions) and _is_stored(each)) for each in problems)
    passes = sum(sum(session.stats.forward_passes.values()) for session in sessions)
    return Repair(mended, passes)


def _by_folder(problems: Sequence[Problem]) -> dict[Path, set[int]]:
    shards: dict[Path, set[int]] = defaultdict(set)
    for problem in problems:
        if problem.shard is not None:
            shards[problem.folder].add(problem.shard)
    return shards


def _compute_again(session: Session, dropped: dict[Path, set[int]]) -> None:
    run, plan = session.experiment.run, session.plan
    folders = [
        session.cache.folder(spec, session.collection.images, run.shard_size, run.backend)
        for spec in plan.specs()
    ]
    # Shards of one number hold the same images in every folder, so they are computed together.
    damaged = set().union(*(dropped.get(folder, set()) for folder in folders))
    if damaged:
        session.compute(among=damaged)


def _is_stored(problem: Problem) -> bool:
    """Tell whether the shard of a problem is stored by now."""
    try:
        artifact = Artifact(problem.folder)
        return problem.shard is not None and artifact.marker(problem.shard) is not None
    except A2pipeError:
        return False
