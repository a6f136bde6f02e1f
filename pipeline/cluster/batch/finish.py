"""Finish a submission whose tasks have ended: build the matrix, or submit the rest once more."""

import time
from pathlib import Path

from ....errors import A2pipeError, NotCachedError
from ....reports.matrix import Matrix
from ...results.report import publish
from ...session import Session
from ..description import load_cluster
from .deal import missing_shards
from .jobs import Submission, submissions
from .logs import exit_code
from .states import task_states
from .submit import prepare_submission, submit

SECONDS_BETWEEN_LOOKS = 5.0
LOOKS_WITHOUT_ANSWER = 24
"""A controller that starts anew or a queue that is busy answers later; a log may show late."""


def finish(
    session: Session, cluster: Path | None, out: Path | None, resubmit: int
) -> Matrix | Submission:
    """Fit heads and write the report if no shard is missing, else submit what is missing.

    cluster: the file that describes the cluster, for submitting. out: the folder of the report.
    resubmit: how often what is missing may be submitted; the new submission may do so once less.

    Returns the matrix, or the new submission.

    Raises:
        NotCachedError: shards are missing and may not be submitted again.
        BadImagesError: some images are bad, and the experiment does not say to skip them.
        A2pipeError: what is missing could not be submitted from here.
    """
    # The markers are asked, not the batch system: what is stored counts, however the tasks ended.
    missing = missing_shards(session)
    if not missing:
        matrix, _ = publish(session, out, compute=False)
        return matrix
    if not resubmit or cluster is None:
        raise NotCachedError(
            f"{_shards(missing)} missing of {session.experiment.name}; `a2pipe status` and "
            "`a2pipe logs` say why, `a2pipe submit` submits what is missing."
        )
    session.progress.say(f"{_shards(missing)} missing; submitting what is.")
    prepared = prepare_submission(session, load_cluster(cluster), out, resubmit - 1)
    return submit(prepared, session.cache.root)


def await_end(submission: Submission, cache_root: Path) -> Submission:
    """Wait until the finishing job has ended, and that of whatever it submitted.

    Returns the last submission. One without a finishing job was refused half-way, and is not waited
    for.

    Raises:
        A2pipeError: the last finishing job did not end well; the error has its exit code.
    """
    unanswered = 0
    while (state := task_states(submission)[-1]).state == "UNKNOWN" or not state.is_over:
        unanswered = unanswered + 1 if state.state == "UNKNOWN" else 0
        if unanswered == LOOKS_WITHOUT_ANSWER:
            break
        time.sleep(SECONDS_BETWEEN_LOOKS)
    latest = submissions(cache_root, submission.experiment)[-1]
    if latest.id > submission.id and latest.finish_job:
        return await_end(latest, cache_root)
    code = exit_code(submission.finish_log)
    if code != 0:
        error = A2pipeError(
            f"The finishing job {submission.finish_job} did not succeed; its log is "
            f"{submission.finish_log}."
        )
        error.exit_code = code or 1
        raise error
    return submission


def _shards(missing: list[int]) -> str:
    return "1 shard is" if len(missing) == 1 else f"{len(missing):,} shards are"
