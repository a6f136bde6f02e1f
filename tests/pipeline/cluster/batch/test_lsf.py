"""What LSF has of its own; whole scripts are held to files in `test_scripts`."""

from pathlib import Path

from a2pipe.pipeline.cluster.batch.lsf import LSF
from a2pipe.pipeline.cluster.batch.system import Job
from a2pipe.pipeline.cluster.description import Cluster


def test_a_script_is_read_from_standard_input_and_waits_for_the_end_of_others():
    script = Path("/jobs/finish.sh")
    assert LSF.reads_stdin
    assert LSF.command(script, []) == ["bsub"]
    assert LSF.command(script, ["7", "8"]) == ["bsub", "-w", "ended(7) && ended(8)"]


def test_the_time_is_in_hours_and_minutes():
    options = LSF.options(Job("birds", "/a.log", "", 0, ()), Cluster(time="1-02:30:15"))
    assert "#BSUB -W 26:30" in options


def test_tasks_alone_may_go_back_into_the_queue():
    tasks = LSF.options(Job("birds", "/a.log", "", 0, (), [1, 2, 4]), Cluster(at_once=2))
    assert '#BSUB -J "birds[1-2,4]%2"' in tasks
    assert "#BSUB -Q 99" in tasks
    assert "#BSUB -Q 99" not in LSF.options(Job("birds", "/a.log", "", 0, ()), Cluster())


def test_the_answer_names_the_job():
    said = "Job <4711> is submitted to queue <normal>.\n"
    assert LSF.job_id.search(said)[1] == "4711"
