"""The sections: how lists are read, defaults, ranges."""

import pytest
from pydantic import ValidationError

from a2pipe.errors import UsageError
from a2pipe.pipeline.experiment.load import load_experiment

MINIMAL = {"dataset": {"name": "demo-01"}}


def test_one_list_of_sizes_is_one_crop_list():
    assert load_experiment({**MINIMAL, "crops": {"sizes": [64, 32]}}).crops.sizes == ((64, 32),)


def test_several_lists_of_sizes_stay_several():
    lists = load_experiment({**MINIMAL, "crops": {"sizes": [[64], [64, 32]]}}).crops.sizes
    assert lists == ((64,), (64, 32))


def test_head_parameters_are_kept():
    experiment = load_experiment({**MINIMAL, "head": [{"kind": "logistic", "C": 0.1}]})
    assert experiment.head[0].parameters == {"C": 0.1}


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("dataset.split_val", 1.0, "less than 1"),
        ("attention.layers", "some", 'write "last"'),
        ("crops.sizes", [[32, 64]], "must not grow"),
        ("crops.smooth", [2], "must be odd"),
        ("run.precision", "fp8", "fp32"),
        ("run.gpus", "some", 'write "all"'),
        ("run.gpus", 0, 'write "all"'),
        ("run.gpus", [], 'write "all"'),
        ("run.gpus", [0, -1], 'write "all"'),
        ("run.gpus", [1, 0, 1], "names GPU 1 twice"),
        ("run.batch_sizes", 1, "Unknown key 'run.batch_sizes'"),
    ],
)
def test_a_value_out_of_its_range_is_one_sentence(key, value, said):
    with pytest.raises(UsageError, match=said) as refused:
        load_experiment(MINIMAL, {key: value})
    assert key in str(refused.value)


@pytest.mark.parametrize("gpus", ["all", 2, [0, 2]])
def test_gpus_are_all_a_number_or_a_list(gpus):
    assert load_experiment(MINIMAL, {"run.gpus": gpus}).run.gpus in (gpus, (0, 2))


@pytest.mark.parametrize("device", ["cpu", "cuda:1", "mps"])
def test_gpus_and_a_device_that_is_not_theirs_are_refused(device):
    with pytest.raises(UsageError, match=f"run.gpus .* and run.device .* = '{device}' both say"):
        load_experiment(MINIMAL, {"run.gpus": "all", "run.device": device})


def test_a_section_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        load_experiment(MINIMAL).run.device = "cpu"


def test_images_are_decoded_as_drafts_or_by_nvjpeg():
    with pytest.raises(UsageError, match=r"^Drafts .*; leave out image\.draft or image\.decode\.$"):
        load_experiment(MINIMAL, {"image.draft": True, "image.decode": "nvjpeg"})


@pytest.mark.parametrize("geometry", ["short-256", "open-clip"])
def test_geometries_that_resize_first_are_not_for_nvjpeg(geometry):
    keys = {"image.geometry": geometry, "image.decode": "nvjpeg"}
    with pytest.raises(UsageError, match=rf"knows no image\.geometry {geometry}; leave out"):
        load_experiment(MINIMAL, keys)
    assert load_experiment(MINIMAL, {"image.geometry": geometry}).image.geometry == geometry
