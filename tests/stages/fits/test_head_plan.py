"""Heads on a block of features: where a fit is stored, and what is built."""

import numpy as np
import pytest

from a2pipe.cache.records import Records
from a2pipe.errors import UsageError
from a2pipe.stages.fits.head_plan import (
    UnfittedHead,
    build_head,
    make_own_head,
    plan_head,
    project_features,
)
from a2pipe.stages.fits.text import TextSource

SOURCE = TextSource()


def plan(kind, parameters):
    """The plan of a head that reads no text: neither samples nor features are looked at."""
    return plan_head(kind, parameters, None, (), SOURCE)


def test_a_fit_is_stored_under_what_decides_it():
    assert plan("logistic", {"C": 1, "n_jobs": 4}).address == plan("logistic", {}).address == {}
    assert plan("logistic", {"C": 0.1}).address == {"C": 0.1}
    assert plan("logistic", {}).records == ()


def test_a_head_is_built_unfitted_with_its_parameters(tmp_path):
    built = build_head(plan("logistic", {"C": 0.1}), SOURCE, Records(tmp_path))
    assert built.head.get_params()["C"] == 0.1
    assert not hasattr(built.head, "coef_")
    X = np.ones((2, 4), np.float32)
    assert built.features(X) is X


def test_every_crop_is_projected_by_itself():
    projection = np.array([[1.0], [10.0]], np.float32)
    X = np.array([[1, 2, 3, 4]], np.float32)  # two crops of two features
    assert UnfittedHead(None, projection).features(X).tolist() == [[21.0, 43.0]]


def test_features_are_as_they_are_for_a_head_that_is_not_projected(tmp_path):
    X = np.ones((2, 4), np.float32)
    assert project_features(X, {"C": 1.0}, (), SOURCE, Records(tmp_path)) is X


def test_a_head_alone_says_whether_it_is_fitted_on_validation_samples():
    assert make_own_head("dfr", {"projected": True}).fitted_on_validation == "variant=train"
    assert make_own_head("dfr", {"variant": "train"}).fitted_on_validation == ""


def test_projected_is_true_or_false():
    with pytest.raises(UsageError, match="true or false, not 'yes'"):
        make_own_head("logistic", {"projected": "yes"})
