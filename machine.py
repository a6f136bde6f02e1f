"""This module tells the machine's name, the cores for this process, and what is installed."""

import os
import platform
import socket
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version


def cores() -> int:
    """Return the number of CPU cores that this process may use.

    On a cluster they are fewer than the machine has: a batch system binds a job to the cores that
    it asked for, and one thread for every core of the machine would crowd them.
    """
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def host_name() -> str:
    """Return this machine's name without dots and slashes, for use in names of files."""
    return socket.gethostname().replace(".", "-").replace("/", "-") or "localhost"


@cache
def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Return the version of Python and, by name, of those of these packages that are installed."""
    found = {"python": platform.python_version()}
    for name in packages:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
