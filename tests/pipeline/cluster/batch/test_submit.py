"""The copy of an experiment that jobs read; handing scripts over is tested with the commands."""

import tomllib
from pathlib import Path

from a2pipe.pipeline.cluster.batch.submit import frozen
from a2pipe.pipeline.experiment.load import load_experiment

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
