"""The copy of an experiment that jobs read; handing scripts over is tested with the commands."""

import tomllib
from pathlib import Path

import pytest

from a2pipe.errors import UsageError
from a2pipe.pipeline.cluster.batch.submit import frozen, prepare_submission
from a2pipe.pipeline.cluster.description import Cluster
from a2pipe.pipeline.experiment.load import load_experiment
from a2pipe.pipeline.session import open_session

from ...conftest import tiny_experiment, tiny_images

MODEL = "demo_localizer_s_random"


def test_a_frozen_experiment_has_no_relative_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("birds.csv").touch()
    given = {"name": "manifest", "root": "birds.csv"}, {MODEL: "w.safetensors"}
    dataset, weights = given
    experiment = load_experiment(
        {"dataset": dataset, "attention": {"models": [MODEL]}, "run": {"weights": weights}}
    )
    Path("frozen.toml").write_text(frozen(experiment))
    read = load_experiment("frozen.toml")
    assert read.dataset.root == tmp_path / "birds.csv"
    assert read.run.weights == {MODEL: tmp_path / "w.safetensors"}
    assert read.dataset.name == "manifest"


def test_a_frozen_dataset_by_url_stays_as_it_is():
    def name(given):
        experiment = load_experiment({"dataset": {"name": given}, "attention": {"models": [MODEL]}})
        return tomllib.loads(frozen(experiment))["dataset"]["name"]

    assert name("s3://bucket/x-{000..009}.tar") == "s3://bucket/x-{000..009}.tar"
    assert name("file:///data/x.tar") == "/data/x.tar"


# --- GPUs of a job --------------------------------------------------------------------------------


@pytest.fixture
def prepared(tmp_path):
    """The experiment that tasks read, of twelve shards and with these keys under [run]."""
    images = tiny_images(tmp_path / "images")

    def prepare(run, **cluster):
        session = open_session(
            tiny_experiment(images, run={"shard_size": 7, **run}), tmp_path / "cache"
        )
        found = prepare_submission(session, Cluster(system="pbs", tasks=3, **cluster))
        return tomllib.loads(found.files["experiment.toml"])["run"], found

    return prepare


def test_all_gpus_are_those_of_a_job(prepared):
    run, found = prepared({"gpus": "all"}, gpus=2, cores=8)
    assert (run["gpus"], run["workers"]) == (2, 4)
    assert "whose number, divided by 2 and rounded down, leaves" in found.files["tasks-1.sh"]


@pytest.mark.parametrize(("gpus", "count"), [(2, 2), ([0, 3], 2)])
def test_gpus_are_dealt_to_where_a_directive_asks_for_them(prepared, gpus, count):
    run, found = prepared({"gpus": gpus}, directives=["-l ngpus=4"])
    assert run["gpus"] == gpus
    assert f"number, divided by {count} and rounded down, leaves" in found.files["tasks-1.sh"]


@pytest.mark.parametrize(("gpus", "of_a_job"), [("all", 0), (3, 2), ([0, 2], 2)])
def test_more_gpus_than_a_job_has_are_refused(prepared, gpus, of_a_job):
    with pytest.raises(UsageError, match="takes more GPUs"):
        prepared({"gpus": gpus}, gpus=of_a_job)
