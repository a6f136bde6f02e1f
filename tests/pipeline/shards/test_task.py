"""A task is the shards that lack rows, and a part of it is what of some shards is not done yet."""

from dataclasses import dataclass

from a2pipe.pipeline.session import open_session
from a2pipe.pipeline.shards.task import Task, prepare


@dataclass(frozen=True)
class Spec:
    name: str
    only_when_read: bool = False


class Artifact:
    """One that has these shards."""

    def __init__(self, *shards):
        self.has = shards.__contains__


def test_a_part_of_a_task_leaves_out_what_is_done_by_now():
    boxes, rows, canvas = Spec("boxes"), Spec("rows"), Spec("canvas", only_when_read=True)
    artifacts = {canvas: Artifact(), boxes: Artifact(0, 1, 2), rows: Artifact(0, 2)}
    task = Task(None, None, artifacts, {}, {}, [0, 1, 2, 3])
    assert task.asked_for == [boxes, rows]
    part = task.only([3, 1, 0])
    assert part.shards == [1, 3]
    assert part.missing == {canvas: {0, 1, 3}, boxes: {3}, rows: {1, 3}}


def test_shards_are_dealt_by_their_number_modulo_the_ranks(experiment, tmp_path):
    session = open_session(experiment(), tmp_path)
    specs = session.plan.specs()
    dealt = [prepare(session.plan, session.cache, specs, rank, 2).shards for rank in (0, 1)]
    assert dealt == [[0, 2], [1]]


def test_models_that_compute_rows_are_listed_once_and_in_order(experiment, tmp_path):
    models = {"embedding": {"models": ["demo_embedder_s", "demo_localizer_s_random"]}}
    session = open_session(experiment(**models), tmp_path)
    task = prepare(session.plan, session.cache, session.plan.specs())
    assert [model.name for model in task.models] == ["demo_localizer_s_random", "demo_embedder_s"]


def test_models_whose_rows_are_stored_or_may_be_taken_over_are_not_listed(experiment, tmp_path):
    session = open_session(experiment(run={"device": "cpu", "limit": 40}), tmp_path)
    session.compute("attention")
    assert prepare(session.plan, session.cache, session.plan.specs("attention")).models == []
    whole = open_session(experiment(run={"device": "cpu"}), tmp_path)
    task = prepare(whole.plan, whole.cache, whole.plan.specs("attention"))
    assert task.shards
    assert task.models == []
