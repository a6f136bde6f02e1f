"""The experiment file: defaults, overrides, and what is refused."""

from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from a2pipe.errors import UsageError
from a2pipe.pipeline.experiment.schema import Experiment, OddInt, RunSection
from a2pipe.pipeline.experiment.toml import load_experiment

MINIMAL = {"dataset": {"name": "demo-01"}}


def test_everything_but_the_dataset_has_a_default():
    experiment = load_experiment(MINIMAL)
    assert experiment.name == "demo-01"
    assert experiment.image.size == 224
    assert experiment.crops.sizes == ((64,),)
    assert experiment.head[0].kind == "logistic"


def test_one_list_of_sizes_is_one_crop_list():
    assert load_experiment({**MINIMAL, "crops": {"sizes": [64, 32]}}).crops.sizes == ((64, 32),)


def test_several_lists_of_sizes_stay_several():
    lists = load_experiment({**MINIMAL, "crops": {"sizes": [[64], [64, 32]]}}).crops.sizes
    assert lists == ((64,), (64, 32))


def test_a_name_or_a_block_given_twice_counts_once():
    sections = {
        "attention": {"models": ["demo_localizer_s"] * 2, "layers": [4, 4]},
        "embedding": {"models": ["demo_embedder_s"] * 2, "baselines": ["full", "full"]},
    }
    experiment = load_experiment({**MINIMAL, **sections})
    assert experiment.attention.models == ("demo_localizer_s",)
    assert experiment.attention.layers == (4,)
    assert experiment.embedding.models == ("demo_embedder_s",)
    assert experiment.embedding.baselines == ("full",)


def test_head_parameters_are_kept():
    experiment = load_experiment({**MINIMAL, "head": [{"kind": "logistic", "C": 0.1}]})
    assert experiment.head[0].parameters == {"C": 0.1}


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


@pytest.mark.parametrize("text", ["name = ", "\x00", '[dataset]\nname = "a"\n[dataset]\n'])
def test_text_that_is_not_toml_is_refused(tmp_path, text):
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match="not valid TOML"):
        load_experiment(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"absent\.toml"):
        load_experiment(tmp_path / "absent.toml")


def test_an_odd_number_is_odd_and_positive():
    assert [TypeAdapter(OddInt).validate_python(value) for value in (1, 3)] == [1, 3]
    for value, said in ((2, "odd, not 2"), (-1, "greater than 0")):
        with pytest.raises(ValidationError, match=said):
            TypeAdapter(OddInt).validate_python(value)


def test_weights_of_the_one_model_leave_their_section_as_it_is():
    """The section may be that of another experiment, which has other models."""
    run, file = RunSection(weights={"": Path("w.pth")}), Path("w.pth")
    for model in ("dino_vits16", "mae_vitb16"):
        content = {**MINIMAL, "attention": {"models": [model]}, "run": run}
        assert Experiment.model_validate(content).run.weights == {model: file}
    assert run.weights == {"": file}


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
