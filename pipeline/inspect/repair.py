"""Repair: drop what is damaged in a cache, and compute just that again for named experiments."""

from __future__ import annotations

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
    """A problem that was found, and whether its shard has been computed again since."""

    problem: Problem
    computed: bool


@dataclass(frozen=True)
class Repair:
    """What a repair found and did; forward_passes: images sent through models."""

    mended: tuple[Mended, ...]
    forward_passes: int


def repair(cache: Cache, experiments: Sequence[Path], deep: bool, progress: Progress) -> Repair:
    """Drop damaged shards and records; compute the shards that one of the experiments needs.

    Only shards that hold damage are looked at: what an experiment lacks elsewhere stays missing.
    A record that is dropped is fitted by the next `build-matrix`. The experiments are read first,
    so that a wrong one changes nothing.

    Raises A2pipeError as `open_session` and a run do; what was dropped is then still missing.
    """
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
    damaged = set().union(*(dropped.get(folder, set()) for folder in folders))
    if damaged:
        session.compute(among=damaged)


def _is_stored(problem: Problem) -> bool:
    """Whether the shard of a problem is stored by now."""
    try:
        artifact = Artifact(problem.folder)
        return problem.shard is not None and artifact.marker(problem.shard) is not None
    except A2pipeError:
        return False
