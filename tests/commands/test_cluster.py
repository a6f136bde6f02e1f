"""Submitting without a batch system: commands that stand in for it note what they were handed."""

import json
import re
from pathlib import Path

import pytest

from a2pipe.pipeline.cluster.batch import slurm
from a2pipe.pipeline.cluster.batch.jobs import submissions
from a2pipe.pipeline.experiment.load import load_experiment

from ..pipeline.conftest import tiny_images

MODEL = "demo_localizer_s_random"
FLAGS = ("--image-size", 48, "--attention-model", MODEL, "--embedding-model", MODEL)
FLAGS += ("--crop-sizes", 16, "--shard-size", 16, "--name", "tiny", "--quiet")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    return tiny_images(tmp_path_factory.mktemp("batch") / "images")


@pytest.fixture
def place(pictures, tmp_path, monkeypatch):
    """An empty folder beside the images, without any batch system on PATH."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").symlink_to(pictures)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}/bin")
    return tmp_path


@pytest.fixture
def call(place, command):
    """Run a command on the tiny experiment, with a cluster of these keys."""

    def run(name, *words, **cluster):
        text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in cluster.items())
        (place / "cluster.toml").write_text(text)
        more = ("--cluster", "cluster.toml") if name in ("submit", "finish") else ()
        more += () if name == "status" else ("--device", "cpu")
        tiny = ("--dataset", "images/manifest.csv", "--cache", "cache", *FLAGS)
        return command(name, *more, *tiny, *words)

    return run


@pytest.fixture
def system(place):
    """Put a command in PATH that notes its arguments and stdin, and answers with a number."""

    def stand_in(name, answer="$number", more=""):
        path = place / "bin" / name
        path.write_text(
            f"""#!/bin/bash
            PATH=/usr/bin:/bin
            {more}
            number=$(($(cat {place}/number 2>/dev/null || echo 10) + 1))
            echo $number > {place}/number
            echo "$@" >> {place}/handed
            env > {place}/environment
            [ -t 0 ] || cat >> {place}/stdin
            echo "{answer}"
            """
        )
        path.chmod(0o755)

    return stand_in


def handed(place):
    """What was handed over, a line a command, without folders."""
    return re.sub(r"\S*/jobs/\S*?/", "", (place / "handed").read_text()).splitlines()


@pytest.mark.parametrize("name", ["slurm", "pbs", "lsf"])
def test_dry_run_shows_the_scripts_and_writes_none(call, place, name):
    shown = call("submit", "--dry-run", system=name, tasks=3)
    assert shown.code == 0, shown.err
    assert shown.out.count("#!/bin/bash") == 2
    assert "finish.sh" in shown.out
    assert "JOB1" in shown.out
    assert "--world-size 3" in shown.out
    assert not (place / "cache" / "jobs").exists()
    assert not (place / "results").exists()


@pytest.mark.parametrize("name", ["sge", "htcondor", "oar", "moab"])
def test_other_systems_are_refused_in_one_sentence(call, name):
    refused = call("submit", "--dry-run", system=name)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert f"writes scripts for slurm, pbs, lsf, not for {name}; `a2pipe run --rank" in refused.err


def test_without_the_batch_system_it_says_so(call):
    failed = call("submit")
    assert (failed.code, failed.err.count("\n")) == (1, 1)
    assert "sbatch cannot be run here (no such file or directory)" in failed.err


def test_what_the_batch_system_refuses_is_passed_on(call, system):
    system("sbatch", more='echo "sbatch: error: invalid partition specified: gpu" >&2; exit 1')
    failed = call("submit")
    assert failed.code == 1
    assert failed.err.endswith(": sbatch: error: invalid partition specified: gpu\n")


def test_jobs_handed_over_before_a_refusal_are_named(call, system):
    refuse = 'case "$*" in *finish.sh) echo "sbatch: error: busy" >&2; exit 1 ;; esac'
    system("sbatch", more=refuse)
    failed = call("submit")
    assert (failed.code, failed.err.count("\n")) == (1, 1)
    assert "finish.sh: sbatch: error: busy; handed over before it: job 11," in failed.err


def test_a_slurm_without_arrays_is_refused_in_one_sentence(call, system):
    system("scontrol", answer="MaxArraySize            = 0")
    refused = call("submit", "--dry-run")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "no arrays of jobs here (MaxArraySize = 0); `a2pipe run --rank R" in refused.err
    assert call("run").code == 0
    assert call("submit", "--dry-run").code == 0


def test_an_experiment_without_a_matrix_is_refused_before_anything_is_submitted(call, place):
    refused = call("submit", "--head", "nonsense")
    assert refused.code == 2
    assert not (place / "results").exists()


def test_slurm_is_handed_an_array_and_the_job_behind_it(call, system, place, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm.conf")
    system("sbatch", answer="$number;cluster")
    shown = call("submit", tasks=8)
    assert shown.out.splitlines()[0] == "submitted: 5 missing shards to 5 tasks, job 11"
    assert handed(place) == [
        "--parsable tasks-1.sh",
        "--parsable --dependency=afterany:11 finish.sh",
    ]
    environment = (place / "environment").read_text()
    assert "SLURM_CONF=" in environment
    assert "SLURM_JOB_ID" not in environment


def test_arrays_follow_each_other_where_only_so_many_tasks_may_run(call, system, place):
    system("sbatch")
    system("scontrol", answer="MaxArraySize            = 2")
    call("submit", tasks=5, at_once=2)
    assert [line for line in handed(place) if "parsable" in line] == [
        "--parsable tasks-1.sh",
        "--parsable --dependency=afterany:12 tasks-2.sh",
        "--parsable --dependency=afterany:13 tasks-3.sh",
        "--parsable --dependency=afterany:12:13:14 finish.sh",
    ]


def test_pbs_and_lsf_are_handed_theirs(call, system, place):
    system("qsub", answer="$number[].server")
    system("bsub", answer="Job <$number> is submitted to queue <normal>.")
    call("submit", system="pbs")
    call("submit", system="lsf")
    assert handed(place) == [
        "tasks-1.sh",
        "-W depend=afterany:11[].server finish.sh",
        "",
        "-w ended(13)",
    ]
    assert (place / "stdin").read_text().count("#BSUB -J ") == 2


def test_the_job_reads_what_the_command_line_said_wherever_it_runs(
    call, system, place, monkeypatch
):
    system("sbatch")
    call("submit", "--head-option", "C=0.1", cores=3)
    (submission,) = submissions(place / "cache")
    monkeypatch.chdir("/")
    read = load_experiment(submission.folder / "experiment.toml")
    assert read.name == "tiny"
    assert read.dataset.name == str(place / "images/manifest.csv")
    assert read.head[0].parameters == {"C": 0.1}
    assert (read.run.shard_size, read.run.workers) == (16, 3)
    script = (submission.folder / "tasks-1.sh").read_text()
    assert f"cache={place}/cache\n" in script
    assert "cores = 3" in (submission.folder / "cluster.toml").read_text()


def test_nothing_missing_submits_the_matrix_alone(call, system, place):
    assert call("run").code == 0
    system("sbatch")
    assert call("submit").out.startswith("nothing is missing")
    assert handed(place) == ["--parsable finish.sh"]


def test_waiting_is_for_slurm(call):
    assert "--wait is for SLURM alone" in call("submit", "--wait", system="pbs").err


# --- the finishing job --------------------------------------------------------------------------


def test_finish_says_what_is_missing(call):
    call("run", "--rank", 1, "--world-size", 3)
    failed = call("finish")
    assert failed.code == 4
    assert failed.err.startswith("a2pipe: 3 shards are missing of tiny;")


def test_finish_submits_what_is_missing_so_often(call, system, place):
    system("sbatch")
    call("run", "--rank", 1, "--world-size", 3)
    assert call("finish", "--resubmit", 2).code == 0
    (submission,) = submissions(place / "cache")
    assert (submission.shards, submission.resubmit) == (3, 1)
    assert "--resubmit 1" in (submission.folder / "finish.sh").read_text()
    assert call("finish", "--resubmit", 0).code == 4


def test_finish_gives_the_matrix_of_build_matrix(call, place):
    call("build-matrix", "--out", "direct")
    assert call("finish", "--out", "finished").code == 0

    def matrix(folder):
        content = json.loads((place / folder / "matrix.json").read_text())
        return {key: content[key] for key in content if key not in ("created", "run")}

    assert matrix("finished") == matrix("direct")


# --- looking ------------------------------------------------------------------------------------

QUEUE = """
case "$*" in
    *--jobs=*) printf '11|0|COMPLETED\\n11|1|RUNNING\\n11|2|TIMEOUT\\n12|N/A|PENDING\\n'; exit ;;
esac
"""


@pytest.fixture
def submitted(call, system, place):
    """Three tasks of which the second runs and the third failed, and the job behind them."""
    system("sbatch")
    call("submit", tasks=3)
    system("squeue", more=QUEUE)
    (submission,) = submissions(place / "cache")
    log = submission.log(2)
    log.write_text("task 2 of 3, n1, 2026-01-02T03:04:05Z: begins\na2pipe: no room\n")
    return submission


def test_status_counts_states_and_shows_the_last_error(call, submitted):
    found = json.loads(call("status", "--json").out)
    assert [line["shards_missing"] for line in found["stages"]] == [5, 5, 5]
    (line,) = found["submissions"]
    assert line["tasks"] == "1 completed, 1 running, 1 timeout"
    assert line["finish"] == "pending"
    assert found["failed"] == [
        {"task": 2, "job": "11_2", "state": "timeout", "last_error": "a2pipe: no room"}
    ]
    shown = call("status").out
    assert "a2pipe: no room" in shown
    assert submitted.id in shown


def test_status_without_an_experiment_lists_what_was_submitted(command, submitted, place):
    shown = command("status", "--cache", place / "cache").out
    assert submitted.id in shown
    assert "tiny" in shown
    assert "nothing was submitted" in command("status", "--cache", place / "none").out


@pytest.mark.usefixtures("submitted")
def test_a_second_submission_waits_for_the_first(call):
    refused = call("submit")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "still waits or runs (job 11)" in refused.err
    assert "`scancel 11`" in refused.err


def failing(place, answers):
    """A squeue that cannot reach its controller until the last of so many answers."""
    return f"""
    count=$(($(cat {place}/asked 2>/dev/null) + 1)); echo "$count" > {place}/asked
    [ "$count" -ge {answers} ] || {{ echo "error: no controller" >&2; exit 1; }}
    """


@pytest.mark.usefixtures("submitted")
@pytest.mark.parametrize(
    ("answers", "code", "said"),
    [(4, 2, "still waits or runs (job 11)"), (5, 1, "(error: no controller)")],
)
def test_a_queue_that_fails_is_asked_again_and_then_no_second_submission(
    call, system, place, monkeypatch, answers, code, said
):
    monkeypatch.setattr(slurm, "SECONDS_BETWEEN", 0)
    system("squeue", more=failing(place, answers) + QUEUE)
    refused = call("submit")
    assert (refused.code, refused.err.count("\n")) == (code, 1)
    assert said in refused.err


@pytest.mark.usefixtures("submitted")
def test_jobs_that_the_queue_has_forgotten_do_not_wait(call, system):
    forgotten = "slurm_load_jobs error: Invalid job id specified"
    system("squeue", more=f'echo "{forgotten}" >&2; exit 1')
    assert call("submit").code == 0


@pytest.mark.usefixtures("submitted")
def test_logs_of_all_tasks_and_of_one(command):
    logs = ("logs", "--name", "tiny", "--dataset", "images/manifest.csv", "--cache", "cache")
    shown = command(*logs).out
    assert shown.count("==> ") == 4
    assert shown.count("not written yet") == 3
    assert command(*logs, "--task", 2).out.count("==> ") == 1
    assert "has no task 9: its tasks are 0 to 2" in command(*logs, "--task", 9).err


def test_logs_of_what_was_not_submitted(command, place):
    assert command("logs", "--dataset", "images", "--cache", place / "cache").code == 4
