"""What the log of a job says."""

import pytest

from a2pipe.pipeline.cluster.batch.logs import exit_code, last_error

BEGINS = "task 1 of 8, n1, 2026-01-02T03:04:05Z: begins\n"
ENDS = "task 1 of 8, n1, 2026-01-02T03:05:05Z: ended with exit code {}\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (BEGINS + "loading\na2pipe: no room\n  bad/1.png: torn\n" + ENDS, "a2pipe: no room"),
        (
            BEGINS + "a2pipe: Terminated\nslurmstepd: error: *** CANCELLED ***\n",
            "slurmstepd: error:",
        ),
        (BEGINS + "Killed\n", "Killed"),
        (BEGINS, ""),
        ("", ""),
    ],
)
def test_the_last_error_of_a_log(tmp_path, text, line):
    log = tmp_path / "a.log"
    log.write_text(text)
    assert last_error(log).startswith(line)
    assert bool(last_error(log)) is bool(line)


def test_a_log_that_is_not_there(tmp_path):
    assert last_error(tmp_path / "none") == ""
    assert exit_code(tmp_path / "none") is None


def test_the_exit_code_is_that_of_the_last_run(tmp_path):
    log = tmp_path / "a.log"
    log.write_text(BEGINS + ENDS.format(143) + BEGINS + ENDS.format(0))
    assert exit_code(log) == 0
    log.write_text(BEGINS + ENDS.format(143) + BEGINS)
    assert exit_code(log) is None
