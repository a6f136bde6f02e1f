"""What PBS has of its own; whole scripts are held to files in `test_scripts`."""

from pathlib import Path

from a2pipe.pipeline.cluster.batch.pbs import PBS
from a2pipe.pipeline.cluster.batch.system import Job
from a2pipe.pipeline.cluster.description import Cluster


def options(tasks=None, name="birds", **given):
    return PBS.options(Job(name, "/logs/1-{task}.log", "", 0, (), tasks), Cluster(**given))


def test_an_array_is_a_range_without_gaps():
    assert "#PBS -J 0-2%4" in options([0, 1, 2], at_once=4)
    assert "#PBS -o /logs/1-^array_index^.log" in options([0, 1, 2])


def test_one_task_is_no_array_and_its_log_that_of_task_0():
    found = options([0])
    assert [line for line in found if line.startswith("#PBS -J")] == []
    assert "#PBS -o /logs/1-0.log" in found


def test_a_long_name_is_cut():
    assert "#PBS -N waterbirds-and-" in options(name="waterbirds-and-others")


def test_the_time_has_no_days():
    assert "#PBS -l walltime=26:30:15" in options(time="1-02:30:15")


def test_a_script_waits_for_the_end_of_others():
    script = Path("/jobs/finish.sh")
    assert PBS.command(script, []) == ["qsub", "/jobs/finish.sh"]
    after = ["qsub", "-W", "depend=afterany:7[].server:8", "/jobs/finish.sh"]
    assert PBS.command(script, ["7[].server", "8"]) == after
