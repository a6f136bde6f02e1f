"""What a head takes as samples, and the sentence for what it does not."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin

from a2pipe.errors import UsageError
from a2pipe.heads.fitting.samples import (
    SamplesError,
    check_features,
    check_finite,
    check_samples,
    check_several_classes,
    group_indices,
    validation_mask,
)

X = np.arange(12.0).reshape(4, 3)
LABELS = np.array(["a", "b", "a", "b"])


class Head(ClassifierMixin, BaseEstimator):
    """An estimator, which keeps the width of the features that it was checked with."""


def test_a_refusal_is_an_error_of_use_and_a_value_error():
    assert issubclass(SamplesError, UsageError)
    assert issubclass(SamplesError, ValueError)


@pytest.mark.parametrize(
    ("given", "kept"), [("f4", "f4"), ("f8", "f8"), ("f2", "f8"), ("i8", "f8")]
)
def test_floats_keep_their_precision_and_all_else_becomes_double(given, kept):
    features, labels = check_samples(Head(), X.astype(given), LABELS)
    assert features.dtype == kept
    assert np.array_equal(features, X)
    assert labels.tolist() == LABELS.tolist()


def test_a_memory_map_of_floats_is_not_copied(tmp_path):
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    features, _ = check_samples(Head(), mapped, LABELS)
    assert np.shares_memory(features, mapped)


def test_features_to_predict_have_the_width_of_the_fit():
    head = Head()
    check_samples(head, X, LABELS)
    assert check_features(head, X[:1]).shape == (1, 3)
    with pytest.raises(ValueError, match="2 features"):
        check_features(head, X[:, :2])


def test_the_first_row_that_is_not_finite_is_named():
    bad = X.copy()
    bad[[1, 3], [0, 2]] = np.nan, np.inf
    with pytest.raises(SamplesError, match=r"2 of 4 samples \(the first in row 1\)"):
        check_finite(bad)
    check_finite(X)


def test_one_class_is_too_few():
    with pytest.raises(SamplesError, match="All samples are of one class, dog"):
        check_several_classes(np.array(["dog"]))
    check_several_classes(np.array(["cat", "dog"]))


def test_labels_that_are_measurements_are_refused():
    with pytest.raises(ValueError, match="continuous"):
        check_samples(Head(), X, np.array([0.1, 0.2, 0.3, 0.4]))


def test_groups_are_whole_numbers_one_a_sample():
    assert group_indices([3, -1, 0, 7], 4).dtype == np.int64
    for wrong in ([0, 1], [0.0, 1.0, 2.0, 3.0], [[0], [1], [2], [3]], ["a", "b", "c", "d"]):
        with pytest.raises(SamplesError, match="groups are 4 whole numbers"):
            group_indices(wrong, 4)


def test_a_mask_is_truth_values_one_a_sample():
    assert validation_mask([True, False, True, True], 4).tolist() == [True, False, True, True]
    for wrong in ([True, False], [0, 1, 1, 1], [[True]] * 4):
        with pytest.raises(SamplesError, match="validation is 4 truth values"):
            validation_mask(wrong, 4)
