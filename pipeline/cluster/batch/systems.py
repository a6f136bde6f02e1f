"""Scripts are written for these batch systems, which are found by name."""

from ....errors import UsageError
from .lsf import LSF
from .pbs import PBS
from .slurm import SLURM
from .system import BatchSystem

SYSTEMS = {system.name: system for system in (SLURM, PBS, LSF)}


def batch_system(name: str) -> BatchSystem:
    """Return the system of that name.

    Raises:
        UsageError: scripts are not written for it.
    """
    if name not in SYSTEMS:
        raise UsageError(
            f"`a2pipe submit` writes scripts for {', '.join(SYSTEMS)}, not for {name}; "
            "`a2pipe run --rank R --world-size W` in a script of your own does the same work."
        )
    return SYSTEMS[name]
