"""A launcher that starts several processes says in the environment which of them this one is."""

from collections.abc import Mapping
from dataclasses import dataclass

from ...errors import UsageError


@dataclass(frozen=True)
class Rank:
    """A rank is one of several processes that share the work.

    number: from 0. world_size: how many there are. local: its number on its machine, from 0.
    source: who says so, for a person.
    """

    number: int
    world_size: int
    local: int
    source: str

    def words(self) -> str:
        """Return one line for a person."""
        return (
            f"This is rank {self.number} of {self.world_size}, as {self.source} says; "
            "--rank and --world-size would win over it."
        )


def rank_of(environment: Mapping[str, str]) -> Rank | None:
    """Return the rank that torchrun or a step of srun gives to this process, or None.

    torchrun comes first, as srun may have started it. A plain batch script has no rank: what SLURM
    sets for it too, such as SLURM_NTASKS and the numbers of arrays, is not read, as the one process
    that the script starts would then compute a share, and nobody the others.

    Raises:
        UsageError: what the launcher says is no rank.
    """
    if {"RANK", "WORLD_SIZE"} <= environment.keys():
        return _rank(environment, "torchrun", "RANK", "WORLD_SIZE", "LOCAL_RANK")
    if "SLURM_PROCID" in environment and environment.get("SLURM_STEP_NUM_TASKS", "1") != "1":
        names = ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID")
        return _rank(environment, "srun", *names)
    return None


def _rank(
    environment: Mapping[str, str], launcher: str, rank: str, world_size: str, local: str
) -> Rank | None:
    number, count = environment[rank], environment[world_size]
    source = f"{launcher} ({rank}={number}, {world_size}={count})"
    if not (number.isdecimal() and count.isdecimal() and int(number) < int(count)):
        raise UsageError(
            f"No rank follows from {rank}={number} and {world_size}={count} in the environment: "
            "unset them, or give --rank and --world-size."
        )
    if int(count) == 1:
        return None
    place = environment.get(local, number)
    return Rank(int(number), int(count), int(place) if place.isdecimal() else 0, source)
