"""Submit an experiment: hand scripts for what is missing to the batch system."""

import os
import secrets
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from ....cache.ledger import now
from ....datasets.images.remote import local_or_url
from ....datasets.registry import DATASETS
from ....errors import A2pipeError, UsageError
from ....files import atomic_write_bytes, make_folder
from ...experiment.schema import Experiment
from ...experiment.sections import RunSection
from ...experiment.toml import assignments, to_toml
from ...results.matrix import check
from ...session import Session
from ..description import Cluster
from .deal import deal, missing_shards
from .jobs import Submission, submissions, write_record
from .scripts import CLUSTER, EXPERIMENT, FINISH, finish_script, task_script
from .states import active
from .system import BatchSystem, QueueError
from .systems import batch_system


@dataclass(frozen=True)
class Prepared:
    """A Prepared is a submission that was not handed over yet.

    submission: what will be noted of it. files: the content of each of its files by name, scripts
    last, in the order in which they are handed over. one_after_another: whether its arrays have to
    follow each other, as only so many tasks may run at once and a system counts within an array.
    """

    submission: Submission
    files: Mapping[str, str]
    one_after_another: bool

    @property
    def scripts(self) -> list[str]:
        """Return the names of its scripts, in the order in which they are handed over."""
        return [name for name in self.files if name.endswith(".sh")]

    def path(self, name: str) -> Path:
        """Return where a file of it lies, or will lie."""
        return self.submission.folder / name

    def after(self, script: str, jobs: Sequence[str]) -> Sequence[str]:
        """Return for which of the jobs handed over before it a script has to wait."""
        if script == FINISH:
            return jobs
        return jobs[-1:] if self.one_after_another else ()


def prepare_submission(
    session: Session, cluster: Cluster, out: Path | None = None, resubmit: int = 0
) -> Prepared:
    """Return a submission of what an experiment lacks, with its scripts; writes nothing.

    out: the folder of the report, results/<name> unless given; scripts and logs lie in its jobs/.
    resubmit: how often the finishing job may submit what is still missing.

    Raises:
        UsageError: scripts are not written for this system, it takes no arrays, no matrix could
            come of it, or the experiment takes more GPUs than a job has.
    """
    system = batch_system(cluster.system)
    check(session, session.is_complete())
    missing = missing_shards(session)
    processes = _processes(session.experiment.run, cluster)
    largest = system.largest_array() if missing else 1
    dealt = deal(missing, cluster.tasks, largest, processes)
    name = session.experiment.name
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    out = (out or Path("results") / name).absolute()
    submission = Submission(
        id=stamp,
        experiment=name,
        system=system.name,
        created=now(),
        folder=out / "jobs" / stamp,
        out=out,
        shards=dealt.shards,
        world_size=dealt.world_size,
        arrays=dealt.arrays,
        resubmit=resubmit,
    )
    files = _files(session.experiment, submission, cluster, session.cache.root, processes)
    return Prepared(submission, files, cluster.at_once is not None)


def _processes(run: RunSection, cluster: Cluster) -> int:
    """Return how many processes share the work of a task, each on a GPU of its own."""
    if run.gpus is None:
        return 1
    most = cluster.gpus
    numbers = range(most) if run.gpus == "all" else run.gpus
    taken = range(numbers) if isinstance(numbers, int) else numbers
    # A site may give GPUs by a directive, of which the cluster file says no number.
    if not taken or (most and max(taken) >= most):
        raise UsageError(
            f"The experiment takes more GPUs (run.gpus = {run.gpus!r}) than the {most} that a job "
            "gets: change --gpus, or `gpus` in the cluster file."
        )
    return len(taken)


def submit(prepared: Prepared, cache_root: Path) -> Submission:
    """Write the scripts, hand them over, and note the jobs in the cache.

    Returns the submission with the system's names of its jobs.

    Raises:
        UsageError: the tasks of an earlier submission of this experiment still wait or run.
        A2pipeError: the batch system is not there, does not answer, or refuses a script.
    """
    submission = prepared.submission
    _refuse_second(cache_root, submission.experiment)
    make_folder(prepared.path("logs"))
    for name, text in prepared.files.items():
        atomic_write_bytes(prepared.path(name), text.encode())
    # Noted before the first job, which looks for the record, and after each: if a script is refused
    # or this process is killed, what was handed over is known.
    write_record(cache_root, submission)
    for name in prepared.scripts:
        after = prepared.after(name, submission.jobs)
        try:
            job = _hand_over(submission.batch_system, prepared.path(name), after)
        except A2pipeError as error:
            raise _partly(error, submission.jobs) from error
        submission = replace(submission, jobs=(*submission.jobs, job))
        write_record(cache_root, submission)
    return submission


def frozen(experiment: Experiment) -> str:
    """Return the experiment as TOML that means the same wherever it is read: paths are absolute.

    It names its origin, so that what the tasks compute is noted as of the user's own file, and not
    as of another experiment with each submission.
    """
    section, run = experiment.dataset, experiment.run
    root = section.root.absolute() if section.root else None
    name = section.name
    if name not in DATASETS:
        name = local_or_url(name)
    weights = {model: path.absolute() for model, path in run.weights.items()}
    return assignments({"origin": experiment.origin}) + to_toml(
        experiment.model_copy(
            update={
                "dataset": section.model_copy(update={"name": name, "root": root}),
                "run": run.model_copy(update={"weights": weights}),
            }
        )
    )


def _files(
    experiment: Experiment,
    submission: Submission,
    cluster: Cluster,
    cache_root: Path,
    processes: int,
) -> dict[str, str]:
    """Return what a submission's files hold, by name: the experiment, the cluster, the scripts."""
    run = experiment.run
    # A node may have more cores than the job was given.
    if run.workers is None:
        run = run.model_copy(update={"workers": max(1, cluster.cores // processes)})
    # And more GPUs: the tasks were dealt to as many processes as this number says.
    if run.gpus == "all":
        run = run.model_copy(update={"gpus": processes})
    files = {
        EXPERIMENT: frozen(experiment.model_copy(update={"run": run})),
        CLUSTER: assignments(cluster.model_dump(mode="json")),
    }
    for array in submission.arrays:
        files[f"{array.name}.sh"] = task_script(submission, array, cluster, cache_root, processes)
    files[FINISH] = finish_script(submission, cluster, cache_root)
    return files


def shown_commands(prepared: Prepared) -> dict[str, str]:
    """Return the command that hands each script over, with JOB1, … for the jobs it waits for."""
    system = prepared.submission.batch_system
    commands: dict[str, str] = {}
    for number, name in enumerate(prepared.scripts):
        jobs = [f"JOB{earlier + 1}" for earlier in range(number)]
        words = system.command(prepared.path(name), prepared.after(name, jobs))
        end = f" < {prepared.path(name)}" if system.reads_stdin else ""
        commands[name] = " ".join(words) + end
    return commands


def _hand_over(system: BatchSystem, script: Path, after: Sequence[str]) -> str:
    """Submit a script and return the system's name of its job."""
    command = system.command(script, after)
    text = script.read_text(encoding="utf-8") if system.reads_stdin else ""
    environment = system.environment(os.environ)
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, env=environment)
    except OSError as error:
        raise A2pipeError(
            f"{command[0]} cannot be run here ({(error.strerror or str(error)).lower()}): submit "
            "from a machine of the cluster, or see the scripts with --dry-run."
        ) from error
    found = system.job_id.search(done.stdout)
    if done.returncode or not found:
        said = done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}"
        raise A2pipeError(f"{command[0]} refused {script}: {said.splitlines()[-1]}")
    return found[1]


def _partly(error: A2pipeError, jobs: Sequence[str]) -> A2pipeError:
    """Return the error of a refused script with the jobs that were handed over before it added."""
    if not jobs:
        return error
    names = f"job{'s' * (len(jobs) > 1)} {', '.join(jobs)}"
    return A2pipeError(
        f"{str(error).rstrip('.')}; handed over before it: {names}, to be left to end or to be "
        "cancelled before you submit again."
    )


def _refuse_second(cache_root: Path, experiment: str) -> None:
    """Raise the errors of `submit` while another submission of the experiment is at work."""
    # The last alone: it would have been refused itself while an earlier one was.
    for earlier in submissions(cache_root, experiment)[-1:]:
        try:
            jobs = active(earlier)
        except QueueError as error:
            raise A2pipeError(
                f"Submission {earlier.id} of {experiment} may still wait or run, which the queue "
                f"does not tell ({error}): submit again when it answers."
            ) from error
        if jobs:
            cancel = " ".join([earlier.batch_system.cancel, *jobs])
            raise UsageError(
                f"Submission {earlier.id} of {experiment} still waits or runs (job "
                f"{', '.join(jobs)}): let it end, or cancel it with `{cancel}`."
            )
