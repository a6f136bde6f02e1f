"""The scripts, held to files that were read by a person; what bash makes of them.

After a wanted change, write the files anew: A2PIPE_WRITE_GOLDEN=1 pytest THIS_FILE
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from a2pipe.pipeline.cluster.batch.deal import deal
from a2pipe.pipeline.cluster.batch.jobs import Submission, record_path
from a2pipe.pipeline.cluster.batch.scripts import finish_script, task_script
from a2pipe.pipeline.cluster.batch.systems import SYSTEMS
from a2pipe.pipeline.cluster.description import Cluster

GOLDEN = Path(__file__).with_name("golden")
ID = "20260102T030405Z-abc123"
CACHE, OUT = Path("/shared/a2pipe"), Path("/shared/results/birds")


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setattr("sys.executable", "/shared/venv/bin/python")


FULL = {
    "queue": "gpu",
    "account": "vision",
    "time": "1-12:00:00",
    "cores": 8,
    "memory": "32GB",
    "gpus": 1,
    "setup": ["module load cuda/12", "source /shared/venv/bin/activate"],
    "at_once": 4,
    "finish_queue": "cpu",
}
DIRECTIVES = {"slurm": "--constraint=a100", "pbs": "-m n", "lsf": '-R "select[a100]"'}


def held(name, text):
    """Compare a script with its file."""
    path = GOLDEN / name
    if os.environ.get("A2PIPE_WRITE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


def submitted(cluster, missing=range(20), largest=1001, out=OUT, folder=None):
    """A submission of these shards, as it is before its first job."""
    dealt = deal(missing, cluster.tasks, largest)
    return Submission(
        id=ID,
        experiment="birds",
        system=cluster.system,
        created="2026-01-02T03:04:05+00:00",
        folder=folder or out / "jobs" / ID,
        out=out,
        shards=dealt.shards,
        world_size=dealt.world_size,
        arrays=dealt.arrays,
        resubmit=2,
    )


def tasks(cluster, missing=range(20), largest=1001, cache=CACHE, part=0, **given):
    """The script of an array of tasks."""
    submission = submitted(cluster, missing, largest, **given)
    return task_script(submission, submission.arrays[part], cluster, cache)


@pytest.mark.parametrize("system", SYSTEMS)
def test_everything_a_cluster_can_say(system):
    cluster = Cluster(system=system, directives=[DIRECTIVES[system]], **FULL)
    held(f"{system}-tasks.sh", tasks(cluster))
    held(f"{system}-finish.sh", finish_script(submitted(cluster), cluster, CACHE))


@pytest.mark.parametrize("system", SYSTEMS)
def test_defaults_and_some_ranks_of_a_second_array(system):
    missing = [0, 1, 2, 3, 4, 6]
    held(f"{system}-part.sh", tasks(Cluster(system=system, tasks=7), missing, largest=4, part=1))


@pytest.mark.parametrize("system", SYSTEMS)
def test_bash_can_read_them(system):
    for script in GOLDEN.glob(f"{system}-*.sh"):
        subprocess.run(["bash", "-n", script], check=True)


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
def test_shellcheck_finds_nothing():
    subprocess.run(["shellcheck", *GOLDEN.glob("*.sh")], check=True)


def test_names_with_spaces_and_quotes_stay_one_word(tmp_path):
    folder = tmp_path / "it's a folder"
    script = tasks(Cluster(), cache=folder, folder=folder)
    shown = script[script.index("cache=") : script.index("say()")] + 'echo "$jobs"'
    assert subprocess.check_output(["bash", "-c", shown], text=True).strip() == str(folder)


# --- run by bash, with commands that stand in ---------------------------------------------------


@pytest.fixture
def node(tmp_path):
    """A machine that runs a script of tasks: `a2pipe` as given, a queue that takes jobs back."""
    commands = tmp_path / "bin"
    commands.mkdir()
    cache, stored = tmp_path / "cache", tmp_path / "stored"
    (stored / "attention/abc/def").mkdir(parents=True)
    cache.symlink_to(stored)
    token = record_path(cache, "birds", ID)
    token.parent.mkdir(parents=True)
    token.touch()

    def command(name, text):
        (commands / name).write_text(f"#!/bin/bash\n{text}\n")
        (commands / name).chmod(0o755)

    def run(
        a2pipe, state="RUNNING", system="slurm", seen=True, silent=0, missing=range(20), **given
    ):
        command("a2pipe", a2pipe)
        command("squeue", SQUEUE.format(folder=tmp_path, state=state, silent=silent))
        command("scontrol", f'echo "$@" >> {tmp_path}/requeued')
        command("sleep", "")
        if not seen:
            token.unlink()
        script = tasks(Cluster(system=system, **given), missing, cache=cache, folder=tmp_path)
        if system == "lsf":
            script = script.replace("timeout 14280", "timeout 1")
        number = {"SLURM_ARRAY_TASK_ID": "3", "LSB_JOBINDEX": "4"}
        number |= {"PBS_ARRAY_INDEX": "3", "SLURM_ARRAY_JOB_ID": "77", "SLURM_JOB_ID": "77"}
        environment = {**os.environ, **number, "PATH": f"{commands}:{os.environ['PATH']}"}
        done = subprocess.run(
            ["bash", "-c", script], capture_output=True, text=True, env=environment
        )
        requeued = tmp_path / "requeued"
        back = requeued.exists() and requeued.read_text() == "requeue 77_3\n"
        return done.returncode, done.stdout, done.stderr, back

    return run


SQUEUE = """
count=$(($(cat {folder}/asked 2>/dev/null) + 1))
echo "$count" > {folder}/asked
[ "$count" -gt {silent} ] || exit 1
echo {state}
case "$*" in *--jobs=77_3*) ;; *) echo PENDING ;; esac
"""
"""It fails so often; asked for the whole array, it has a line for another task as well."""
STOPPED = """
trap 'echo stopped; exit 143' TERM
kill -USR1 $PPID
while :; do /bin/sleep 0.05; done
"""
COMMITS = """
while [ "$1" != --cache ]; do shift; done
mkdir -p "$2/attention/abc/def/done"
touch "$2/attention/abc/def/done/{name}"
"""
OWN, OTHER = (COMMITS.format(name=name) for name in ("000011.json", "000012.json"))


@pytest.mark.parametrize("system", ["slurm", "lsf"])
def test_a_task_runs_its_rank(node, system):
    code, out, err, _ = node('echo "$@"', system=system)
    words = out.split()
    assert code == 0
    assert words[0] == "run"
    assert words[-4:] == ["--rank", "3", "--world-size", "8"]
    assert "task 3 of 8" in err
    assert "ended with exit code 0" in err


SPARSE = [0, 6, 10, 12, 13, 15, 22, 31]


def test_pbs_numbers_tasks_without_gaps_and_each_finds_its_rank(node):
    dealt = deal(SPARSE, 8, 1001)
    (part,) = dealt.arrays
    assert part.ranks[3] != 3
    assert "#PBS -J 0-7\n" in tasks(Cluster(system="pbs"), SPARSE)
    _, out, _, _ = node('echo "$@"', system="pbs", missing=SPARSE)
    assert out.split()[-4:] == ["--rank", str(part.ranks[3]), "--world-size", str(dealt.world_size)]


def test_a_single_task_of_pbs_is_no_array():
    script = tasks(Cluster(system="pbs"), [0, 1, 2, 3, 4, 6], largest=6, part=1)
    assert "#PBS -J" not in script
    assert "logs/tasks-2-0.log" in script


def test_the_exit_code_is_that_of_the_work(node):
    code, _, err, requeued = node("exit 3")
    assert (code, requeued) == (3, False)
    assert "ended with exit code 3" in err


def test_a_node_that_does_not_see_the_cache_says_so(node, tmp_path):
    code, out, err, _ = node("echo ran", seen=False)
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert f"does not see the cache {tmp_path}/cache of the machine that submitted" in err


def test_a_task_that_is_told_to_stop_passes_it_on_and_goes_back_into_the_queue(node):
    code, out, err, requeued = node(STOPPED)
    assert (code, out, requeued) == (143, "stopped\n", True)
    assert "goes back into the queue" in err


@pytest.mark.parametrize(("silent", "back"), [(4, True), (5, False)])
def test_a_queue_that_does_not_answer_is_asked_a_few_times(node, silent, back):
    assert node(STOPPED, silent=silent)[3] is back


def test_a_task_that_was_cancelled_does_not_go_back(node):
    code, _, _, requeued = node(STOPPED, state="COMPLETING")
    assert (code, requeued) == (143, False)


def test_a_task_that_was_done_when_told_to_stop_does_not_go_back(node):
    code, _, _, requeued = node(STOPPED.replace("exit 143", "exit 0"))
    assert (code, requeued) == (0, False)


@pytest.mark.parametrize(
    ("work", "back"), [(STOPPED, False), (OTHER + STOPPED, False), (OWN + STOPPED, True)]
)
def test_half_its_time_without_a_commit_is_not_tried_again(node, work, back):
    _, _, _, requeued = node(f"/bin/sleep 1.1\n{work}", time="00:00:02", stop_before=1)
    assert requeued is back


@pytest.mark.parametrize(("work", "back"), [(STOPPED, False), (OWN + STOPPED, True)])
def test_a_task_told_to_stop_long_before_its_end_needs_a_commit_too(node, work, back):
    assert node(work, time="00:04:00", stop_before=180)[3] is back


@pytest.mark.parametrize(("work", "code"), [("", 124), (OTHER, 124), (OWN, 99)])
def test_lsf_takes_a_task_back_that_ran_out_of_time_but_committed(node, work, code):
    assert node(f"{work}\n/bin/sleep 20", system="lsf")[0] == code


def test_a_task_of_several_processes_looks_for_the_markers_of_all():
    submission = submitted(Cluster(), range(20))
    script = task_script(submission, submission.arrays[0], Cluster(), CACHE, processes=4)
    assert "whose number, divided by 4 and rounded down, leaves R" in script
    assert "int($0 / 4) % 8 == rank" in script
    awk = "echo 000037.json | awk 'int($0 / 4) % 8 == 1 { print \"found\" }'"
    assert subprocess.check_output(["bash", "-c", awk], text=True) == "found\n"
