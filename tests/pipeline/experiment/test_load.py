"""An experiment read from a file, a mapping or flags, and what is refused."""

from pathlib import Path

import pytest

from a2pipe.errors import UsageError
from a2pipe.pipeline.experiment.load import load_experiment

MINIMAL = {"dataset": {"name": "demo-01"}}


def test_overrides_win_over_the_source():
    experiment = load_experiment({**MINIMAL, "image": {"size": 96}}, {"image.size": 48})
    assert experiment.image.size == 48


def test_a_head_override_replaces_all_heads():
    source = {**MINIMAL, "head": [{"kind": "logistic", "name": "a"}, {"name": "b"}]}
    experiment = load_experiment(source, {"head.options": {"C": 3}})
    assert [head.parameters for head in experiment.head] == [{"C": 3}]


def test_the_source_mapping_is_left_alone():
    source = {"dataset": {"name": "demo-01"}, "image": {"size": 96}}
    load_experiment(source, {"image.size": 48})
    assert source == {"dataset": {"name": "demo-01"}, "image": {"size": 96}}


def test_a_file_takes_its_name_and_anchors_relative_paths(tmp_path):
    path = tmp_path / "birds.toml"
    path.write_text(
        '[dataset]\nname = "folder"\nroot = "images"\n[attention]\nmodels = "m"\n'
        '[run.weights]\nm = "w.pth"\n'
    )
    experiment = load_experiment(path)
    assert experiment.name == "birds"
    assert experiment.dataset.root == tmp_path / "images"
    assert experiment.run.weights == {"m": tmp_path / "w.pth"}


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"absent\.toml"):
        load_experiment(tmp_path / "absent.toml")


def test_flags_add_weights_to_those_of_the_file(tmp_path):
    path = tmp_path / "e.toml"
    path.write_text(
        '[dataset]\nname = "demo-01"\n[attention]\nmodels = ["dino_vits16", "mae_vitb16"]\n'
        '[run.weights]\n"MAE ViT-B/16" = "~/m.pth"\ndino_vits16 = "d.pth"\n'
    )
    experiment = load_experiment(path, {"run.weights": {"DINO ViT-S": Path("new.pth")}})
    files = {"mae_vitb16": Path("~/m.pth").expanduser(), "dino_vits16": Path("new.pth")}
    assert experiment.run.weights == files


def test_weights_for_no_model_of_the_experiment_are_refused():
    source = {"dataset": {"name": "demo-01"}, "attention": {"models": ["dino_vits16"]}}
    with pytest.raises(UsageError, match="given for dinov2_vits14, which is no model of this"):
        load_experiment(source, {"run.weights": {"dinov2_vits14": Path("w.pth")}})
    source["run"] = {"weights": {"dino_vits16": "w.pth"}}
    replaced = load_experiment(source, {"attention.models": ["mae_vitb16"]})
    assert replaced.attention.models == ("mae_vitb16",)
