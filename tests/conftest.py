"""The command line as a user meets it: arguments in; exit code, stdout and stderr out."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from a2pipe.cli import main


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run `a2pipe ARGUMENTS` in this process."""

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["a2pipe", *map(str, arguments)])
        capfd.readouterr()
        handler = signal.getsignal(signal.SIGTERM)
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        finally:
            signal.signal(signal.SIGTERM, handler)
        return Outcome(code, *capfd.readouterr())

    return run


UNPRIVILEGED = 65534
_AS_ANOTHER_USER = f"""
import contextlib, io, json, os, sys
from a2pipe.cli import main

def run(arguments):
    sys.argv = ["a2pipe", *arguments]
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
    return code, out.getvalue(), err.getvalue()

first, *others = json.loads(sys.argv[1])
warm = run(first)
assert warm[0] == 0, warm
if os.getuid() == 0:
    os.setgroups([])
    os.setgid({UNPRIVILEGED})
    os.setuid({UNPRIVILEGED})
print(json.dumps([run(arguments) for arguments in others]))
"""


def unprivileged(first: list[str], *commands: list[str]) -> list[Outcome]:
    """Run commands as a user who is not root, whom permissions bind.

    first: a command that succeeds and is run before, so that every module is imported by then, as
    the other user may have no access to the Python installation.
    """
    argument = json.dumps([first, *commands])
    done = subprocess.run(
        [sys.executable, "-c", _AS_ANOTHER_USER, argument], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return [Outcome(*outcome) for outcome in json.loads(done.stdout)]


@pytest.fixture(scope="module")
def open_folder() -> Iterator[Path]:
    """A temporary folder that every user may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="a2pipe-"))
    folder.chmod(0o755)
    yield folder
    for path in folder.rglob("*"):
        if path.is_dir() and os.access(path.parent, os.X_OK):
            path.chmod(0o755)
    shutil.rmtree(folder)
