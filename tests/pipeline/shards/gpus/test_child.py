"""What a process tells its parent, and when it ends; the work itself is that of test_executor."""

import json
import os
import subprocess
import sys

import pytest

from a2pipe.errors import A2pipeError
from a2pipe.pipeline.shards.gpus import child
from a2pipe.pipeline.shards.gpus.child import Telling
from a2pipe.pipeline.shards.gpus.process import START
from a2pipe.pipeline.shards.request import report_from


@pytest.fixture
def heard():
    """A `Telling`, and what it has told by now."""
    read, write = os.pipe()
    yield Telling(write), lambda: [json.loads(line) for line in os.read(read, 65536).splitlines()]
    os.close(read)
    os.close(write)


def test_images_and_lines_are_told_as_they_come(heard):
    telling, told = heard
    with telling.bar("images", 5) as advance:
        advance(2)
        telling.say("half\nway")
        advance(3)
    assert told() == [{"images": 2}, {"line": "half\nway"}, {"images": 3}]


def test_a_parent_that_is_gone_is_no_error():
    read, write = os.pipe()
    os.close(read)
    Telling(write).say("anybody?")
    os.close(write)


def test_an_error_is_part_of_the_report(heard, monkeypatch):
    def refuse(*_):
        raise A2pipeError("No.")

    monkeypatch.setattr(child, "opened", refuse)
    report = child._computed({}, "cpu", [3, 5], heard[0])
    assert (report.undone, report.cause, report.error) == ((3, 5), "worker", "No.")


def test_a_process_that_is_told_to_end_reports_what_it_did(heard, monkeypatch):
    def end(*arguments):
        arguments[-1].shards = 2
        sys.exit(143)

    monkeypatch.setattr(child, "compute_reported", end)
    report = child._computed({}, "cpu", [3, 5], heard[0])
    assert (report.stats.shards, report.error) == (2, "its process was told to end")


def start(**settings):
    return subprocess.Popen([sys.executable, "-c", START], stdin=subprocess.PIPE, **settings)


def test_without_a_request_it_ends():
    with start() as process:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=60) == 143


def test_what_is_printed_does_not_reach_the_parent(tmp_path):
    """A request that cannot be opened, and a module that prints as it is imported."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Printing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'a2pipe.cache.catalog': print('noise')\n"
        "sys.meta_path.insert(0, Printing())\n"
    )
    with start(stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        own = {"device": "cpu", "shards": [1]}
        lines = "".join(f"{json.dumps(each)}\n" for each in ({}, own)).encode()
        process.stdin.write(lines)
        process.stdin.flush()  # and left open: its end would be the wish that the process ends
        line = process.stdout.readline()
        rest, _ = process.communicate(timeout=60)
    assert rest == b""
    report = report_from(json.loads(line)["report"])
    assert (report.cause, report.undone) == ("worker", (1,))
    assert "experiment" in report.error
