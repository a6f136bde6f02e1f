"""The words that several batch systems have in common."""

import pytest

from a2pipe.pipeline.cluster.batch.deal import TaskArray
from a2pipe.pipeline.cluster.batch.system import Job, at_once, ranges, rank_from, with_values
from a2pipe.pipeline.cluster.description import Cluster


@pytest.mark.parametrize(
    ("numbers", "text"),
    [([0], "0"), ([0, 1, 2], "0-2"), ([0, 2, 5, 6, 7, 9], "0,2,5-7,9"), ([], "")],
)
def test_ranges(numbers, text):
    assert ranges(numbers) == text


def test_options_without_a_value_are_left_out():
    lines = [("--gres=gpu:", None), ("--account=", ""), ("--nodes=", 1), ("--time=", "01:00:00")]
    assert with_values(lines) == ["--nodes=1", "--time=01:00:00"]


def test_how_many_tasks_run_at_once_ends_an_array():
    assert at_once(Cluster(at_once=4)) == "%4"
    assert at_once(Cluster()) == ""


def test_a_task_adds_its_number_to_the_first_rank():
    assert rank_from("N", TaskArray(1, 0, (0, 1))) == "rank=$((N))"
    assert rank_from("N - 1", TaskArray(2, 8, (8, 9))) == "rank=$((8 + N - 1))"


@pytest.mark.parametrize(("folder", "path"), [("/a", "/a/1-%a.log"), ("/a b", "'/a b/1-%a.log'")])
def test_a_log_with_spaces_is_quoted(folder, path):
    assert Job("birds", f"{folder}/1-{{task}}.log", "", 0, ()).log_of("%a") == path
