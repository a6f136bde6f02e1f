"""The log of a job tells the exit code that its script noted, and its last error."""

import re
from pathlib import Path

_OWN = re.compile(r"^(?:task \d+ of \d+|finish), \S+, [\dT:Z-]+: ")
_ENDED = re.compile(r"^(?:task \d+ of \d+|finish), .*: ended with exit code (\d+)$")


def exit_code(log: Path) -> int | None:
    """Return the exit code that the last run of a job noted in its log; None if it noted none."""
    lines = _lines(log)
    # A job that went back into the queue has noted the end of an earlier run in the same log.
    begins = max((n for n, line in enumerate(lines) if line.endswith(": begins")), default=0)
    codes = [int(match[1]) for line in lines[begins:] if (match := _ENDED.match(line))]
    return codes[-1] if codes else None


def last_error(log: Path) -> str:
    """Return the last line of a log that is an error, else its last line.

    What the scripts themselves say does not count. Returns an empty string if there is no log.
    """
    lines = [line.strip() for line in _lines(log) if line.strip() and not _OWN.match(line)]
    errors = [line for line in lines if line.startswith("a2pipe: ") or "error" in line.lower()]
    return (errors or lines or [""])[-1]


def _lines(log: Path) -> list[str]:
    try:
        return log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
