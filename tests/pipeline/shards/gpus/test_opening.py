"""A task, told as JSON and opened from it: the same work on the same rows."""

import json

import pytest

from a2pipe.cache.fingerprint import fingerprint
from a2pipe.errors import A2pipeError
from a2pipe.pipeline.planning.collection import load_collection
from a2pipe.pipeline.session import open_session
from a2pipe.pipeline.shards.gpus.opening import opened, told
from a2pipe.pipeline.shards.task import prepare


@pytest.fixture
def task(experiment, tmp_path):
    session = open_session(experiment(run={"shard_size": 32}), tmp_path / "cache")
    return prepare(session.plan, session.cache, session.plan.specs("boxes"))


def test_what_is_opened_is_what_was_told(task):
    request = json.loads(json.dumps(told(task, decoders=3)))
    found = opened(request, "cpu")
    assert list(map(fingerprint, found.artifacts)) == list(map(fingerprint, task.artifacts))
    assert (found.shards, found.missing) == (task.shards, task.missing)
    assert found.plan.collection.path_of == task.plan.collection.path_of
    assert (found.pixels == task.pixels).all()
    run = found.plan.experiment.run
    assert (run.device, run.workers, run.gpus) == ("cpu", 3, None)


@pytest.mark.parametrize("through", ["attention", "patches", "maps", "boxes", "embeddings"])
def test_only_the_stages_of_a_task_are_opened(through, experiment, tmp_path):
    source = {"models": ["demo_localizer_s_random"], "source": ["attention", "votes:9"]}
    sections = {"attention": source, "patches": {"statistics": ["norm"]}}
    session = open_session(experiment(**sections), tmp_path / "cache")
    asked = session.plan.specs(through)
    request = json.loads(json.dumps(told(prepare(session.plan, session.cache, asked), 1)))
    assert opened(request, "cpu").asked_for == list(asked)
    stages = {"patches": ["patches"], "maps": ["attention", "patches"]}
    assert request["stages"] == stages.get(through, request["stages"])


def test_workers_that_are_asked_for_are_given(experiment, tmp_path):
    session = open_session(experiment(run={"workers": 5, "shard_size": 32}), tmp_path / "cache")
    task = prepare(session.plan, session.cache, session.plan.specs("boxes"))
    assert opened(told(task, decoders=3), "cpu").plan.experiment.run.workers == 5


def test_an_image_under_two_paths_is_told_once_with_its_first_size(experiment, tmp_path):
    collection = load_collection(experiment(), cache=tmp_path / "cache")
    twice = collection.take([4, 2, 4, 3])
    session = open_session(experiment(), tmp_path / "cache", collection=twice)
    task = prepare(session.plan, session.cache, session.plan.specs())
    request = told(task, 1)
    assert len(request["images"]["paths"]) == len(request["images"]["sizes"]) == 3
    assert opened(request, "cpu").plan.collection.images == task.plan.collection.images


def test_rows_of_a_plan_that_was_cut_are_the_only_ones(experiment, tmp_path):
    """As `predict` cuts it, on images that no experiment names."""
    embedding = {"models": ["demo_localizer_s_random"], "baselines": ["full", "random"]}
    session = open_session(experiment(embedding=embedding), tmp_path / "cache")
    narrow = session.plan.only(session.plan.rows[0])
    assert len(narrow.specs()) < len(session.plan.specs())
    task = prepare(narrow, session.cache, narrow.specs())
    assert set(opened(told(task, 1), "cpu").asked_for) == set(narrow.specs())


def test_weights_that_have_changed_are_refused(task):
    request = {**told(task, 1), "specs": ["0" * 32]}
    with pytest.raises(A2pipeError, match="have changed since this run began"):
        opened(request, "cpu")
