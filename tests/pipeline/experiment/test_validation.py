"""What is wrong with an experiment is said in one sentence, with its key."""

import pytest

from a2pipe.errors import UsageError
from a2pipe.pipeline.experiment.load import load_experiment

MINIMAL = {"dataset": {"name": "demo-01"}}


@pytest.mark.parametrize(
    ("section", "named"),
    [
        ({"atention": {}}, "did you mean 'attention'"),
        ({"crops": {"size": [32]}}, "did you mean 'sizes'"),
        ({"run": {"batchsize": 3}}, "did you mean 'batch_size'"),
        ({"image": {"zzz": 3}}, "valid keys are size, geometry"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest(section, named):
    with pytest.raises(UsageError, match=named):
        load_experiment({**MINIMAL, **section})


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"image": {"size": 0}}, "image.size"),
        ({"crops": {"sizes": [32, 64]}}, "must not grow"),
        ({"crops": {"smooth": 2}}, "must be odd"),
        ({"crops": {"sizes": []}}, "crops.sizes"),
        ({"run": {"backend": "csv"}}, "run.backend"),
        ({"attention": {"models": ["m"]}, "crops": {"sizes": [300]}}, "300 px does not fit"),
        ({"head": [{"kind": "logistic"}, {"kind": "logistic"}]}, "its own name"),
        ({"embedding": {"baselines": ["middle"]}}, "'middle' is not understood"),
        ({"name": "a/b"}, "file name"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_its_place(section, message):
    with pytest.raises(UsageError, match=message):
        load_experiment({**MINIMAL, **section})


def test_a_missing_dataset_is_asked_for():
    with pytest.raises(UsageError, match="Name a dataset"):
        load_experiment({"name": "x"})


def test_an_even_filter_is_refused_in_one_sentence():
    with pytest.raises(UsageError) as refused:
        load_experiment({**MINIMAL, "crops": {"smooth": [1, 2]}})
    assert str(refused.value) == "'crops.smooth': a side of the mean filter must be odd, not 2."


def test_weights_that_could_be_of_several_models_are_refused_in_one_sentence():
    content = {**MINIMAL, "attention": {"models": ["m", "n"]}, "run": {"weights": {"": "a.pth"}}}
    with pytest.raises(UsageError) as refused:
        load_experiment(content)
    said = "The weights a.pth could be those of m or n; write MODEL=FILE."
    assert str(refused.value) == said
