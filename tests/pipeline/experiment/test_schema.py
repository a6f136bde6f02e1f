"""The experiment as a whole: defaults, and what its sections have to agree on."""

from pathlib import Path

from a2pipe.pipeline.experiment.load import load_experiment
from a2pipe.pipeline.experiment.schema import Experiment
from a2pipe.pipeline.experiment.sections import RunSection

MINIMAL = {"dataset": {"name": "demo-01"}}


def test_everything_but_the_dataset_has_a_default():
    experiment = load_experiment(MINIMAL)
    assert experiment.name == "demo-01"
    assert experiment.image.size == 224
    assert experiment.crops.sizes == ((64,),)
    assert experiment.head[0].kind == "logistic"


def test_weights_of_the_one_model_leave_their_section_as_it_is():
    """The section may be that of another experiment, which has other models."""
    run, file = RunSection(weights={"": Path("w.pth")}), Path("w.pth")
    for model in ("dino_vits16", "mae_vitb16"):
        content = {**MINIMAL, "attention": {"models": [model]}, "run": run}
        assert Experiment.model_validate(content).run.weights == {model: file}
    assert run.weights == {"": file}
