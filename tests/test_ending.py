"""How the process of a command ends: its exit code, its output, and what it does not wait for."""

import os
import subprocess
import sys

import pytest

BEFORE = (
    "import atexit, os, sys, threading, time\nfrom a2pipe.ending import end_after, in_background\n"
)
PYTORCH = "sys.modules['torch'] = None\n"


def ended(code, pytorch=True):
    """The outcome of a program."""
    program = BEFORE + PYTORCH * pytorch + code
    command = [sys.executable, "-c", program]
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}
    return subprocess.run(command, capture_output=True, text=True, timeout=50, env=environment)


@pytest.mark.parametrize("pytorch", [True, False])
@pytest.mark.parametrize("code", [0, 3, 130])
def test_the_exit_code_is_that_of_the_command(code, pytorch):
    assert ended(f"end_after(lambda: sys.exit({code}))", pytorch).returncode == code


@pytest.mark.parametrize("pytorch", [True, False])
def test_a_command_that_returns_is_a_success(pytorch):
    done = ended("end_after(lambda: print('done', end=''))", pytorch)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done", "")


@pytest.mark.parametrize("pytorch", [True, False])
def test_any_other_error_is_left_to_python(pytorch):
    done = ended("end_after(lambda: 1 / 0)", pytorch)
    assert done.returncode == 1
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_exit_functions_of_a_command_are_run():
    command = "end_after(lambda: atexit.register(print, 'function'))"
    assert ended(command).stdout == "function\n"


def test_pytorch_is_not_taken_apart():
    """Neither are what else is there, such as objects that say when they go."""
    held = "class Held:\n    def __del__(self): print('gone', flush=True)\nheld = Held()\n"
    command = held + "end_after(lambda: None)"
    assert ended(command).stdout == ""
    assert ended(command, pytorch=False).stdout == "gone\n"


def test_a_command_does_not_wait_for_its_threads():
    start = "end_after(lambda: (in_background(time.sleep, 60), sys.exit(7)))"
    assert ended(start).returncode == 7


def test_other_programs_wait_for_them():
    work = "lambda: (time.sleep(0.3), print('imported'))"
    assert ended(f"in_background({work})").stdout == "imported\n"


def test_output_that_cannot_be_written_is_told_by_python():
    done = ended("end_after(lambda: (print('x'), os.close(1)))")
    assert done.returncode == 120
    assert "Bad file descriptor" in done.stderr
