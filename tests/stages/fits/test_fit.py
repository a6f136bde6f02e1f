"""One cell of the matrix: what a head is shown, what it predicts, what the record says."""

import json
import warnings

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression

from a2pipe.errors import A2pipeError
from a2pipe.heads.logistic import LogisticHead
from a2pipe.stages.fits.fit import fit_cell, uses
from a2pipe.stages.fits.samples import samples_of_collection

from .test_samples import collection


@pytest.fixture
def separable():
    """Forty-eight samples in five dimensions, a third each for training, validation and test."""
    rng = np.random.default_rng(0)
    labels = np.arange(48) % 2
    splits = np.array(["train", "val", "test"])[np.arange(48) % 3]
    samples = samples_of_collection(collection(labels, splits, groups=np.arange(48) // 2 % 2))
    features = rng.normal(size=(48, 5)).astype(np.float32) + labels[:, None]
    return features[samples.index], samples


class Witness(ClassifierMixin, BaseEstimator):
    """Remembers what it was shown; predicts the first class."""

    def fit(self, X, y, *, groups=None, validation=None):
        self.shown = (X, y, groups, validation)
        self.classes_ = np.unique(y)
        self.choice_ = {"C": np.float64(0.5), "many": np.zeros(100)}
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


class Modest(Witness):
    """Asks for less than its signature offers."""

    uses = frozenset({"groups"})


def test_a_cell_is_bare_scikit_learn(separable):
    features, samples = separable
    train, test = samples.part("train"), samples.part("test")
    bare = LogisticRegression(max_iter=1000).fit(features[train], samples.labels[train])
    content, arrays = fit_cell(LogisticHead(), features, samples)
    np.testing.assert_array_equal(arrays["test_predictions"], bare.predict(features[test]))
    np.testing.assert_array_equal(
        arrays["test_probabilities"], bare.predict_proba(features[test]).astype(np.float32)
    )
    assert content["samples"] == {"train": 16, "val": 16, "test": 16}


def test_validation_samples_are_predicted_too(separable):
    features, samples = separable
    _, arrays = fit_cell(LogisticHead(), features, samples)
    assert arrays["val_index"].tolist() == list(range(1, 48, 3))
    assert len(arrays["val_predictions"]) == 16


def test_a_record_can_be_scored_without_the_dataset(separable):
    features, samples = separable
    content, arrays = fit_cell(LogisticHead(), features, samples)
    np.testing.assert_array_equal(arrays["test_labels"], samples.labels[samples.part("test")])
    np.testing.assert_array_equal(arrays["test_groups"], samples.groups[samples.part("test")])
    assert content["class_names"] == ["a", "b"]
    assert content["group_names"] == ["g", "h", "empty"]
    json.dumps(content, allow_nan=False)


def test_a_head_that_asks_is_shown_groups_and_the_validation_samples(separable):
    features, samples = separable
    head = Witness()
    fit_cell(head, features, samples)
    X, _, groups, validation = head.shown
    np.testing.assert_array_equal(X, features[:32])
    np.testing.assert_array_equal(groups, samples.groups[:32])
    assert validation.tolist() == [False] * 16 + [True] * 16


def test_a_head_may_ask_for_less_than_its_signature_offers(separable):
    features, samples = separable
    head = Modest()
    assert (uses(head), uses(LogisticHead())) == ({"groups"}, set())
    fit_cell(head, features, samples)
    assert len(head.shown[0]) == 16
    assert head.shown[3] is None


def test_what_a_head_found_is_recorded_where_it_is_plain(separable):
    content, _ = fit_cell(Witness(), *separable)
    assert content["fitted"] == {"classes_": [0, 1]}
    content, _ = fit_cell(LogisticHead(), *separable)
    assert content["fitted"]["n_iter_"][0] > 0


def test_features_that_are_not_finite_are_refused(separable):
    features, samples = separable
    features[3, 2] = np.nan
    with pytest.raises(A2pipeError, match="not finite"):
        fit_cell(LogisticHead(), features, samples)


class Worried(Witness):
    """Warns while it is fitted."""

    def fit(self, X, y):
        warnings.warn("Few samples:\n  beware.", stacklevel=1)
        return super().fit(X, y)


def test_warnings_are_recorded_and_not_printed(separable, recwarn):
    content, _ = fit_cell(Worried(), *separable)
    assert content["warnings"] == ["Few samples: beware."]
    assert not recwarn.list


class Picky(Witness):
    """Refuses test samples as scikit-learn's classifiers do."""

    def predict(self, X):
        raise ValueError(f"Negative values\nin data of {X.ndim} axes.")


def test_what_a_classifier_refuses_is_a_sentence(separable):
    with pytest.raises(A2pipeError, match="cannot use these samples: Negative values in data"):
        fit_cell(Picky(), *separable)
