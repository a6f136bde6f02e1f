"""The zero-shot head: cosines by hand, scikit-learn's conventions, and what it refuses."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import normalize
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from a2pipe.errors import A2pipeError, UsageError
from a2pipe.heads.registry import defaults, make_head
from a2pipe.heads.zero_shot import PRECISIONS, ZeroShotHead

RNG = np.random.default_rng(0)
PROJECTION = RNG.normal(size=(6, 4)).astype(np.float32)
TEXT = normalize(RNG.normal(size=(3, 4))).astype(np.float32)


def head(**given) -> ZeroShotHead:
    return ZeroShotHead(**{"text": TEXT, "projection": PROJECTION, **given})


def samples(crops: int = 1, count: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Features of three classes and their labels."""
    return RNG.normal(size=(count, 6 * crops)).astype(np.float32), np.arange(count) % 3


def cosine_by_hand(X: np.ndarray, crops: int = 1) -> np.ndarray:
    """Oracle: one sample, one crop, one class at a time, in float64."""
    found = np.zeros((len(X), 3))
    for sample, row in enumerate(X.astype(float)):
        mean = np.zeros(4)
        for crop in range(crops):
            image = row[6 * crop : 6 * crop + 6] @ PROJECTION.astype(float)
            mean += image / np.sqrt(image @ image) / crops
        for k, text in enumerate(TEXT.astype(float)):
            found[sample, k] = mean @ text / np.sqrt(mean @ mean) / np.sqrt(text @ text)
    return found


# --- scikit-learn -------------------------------------------------------------------------------


class FromSamples(ZeroShotHead):
    """A zero-shot head whose text features are the class means of the samples it is fitted on.

    scikit-learn's checks fit features of many lengths and classes of many kinds, for none of which
    text features could be given ahead.
    """

    def fit(self, X, y):
        features, labels = validate_data(self, X, y, dtype=PRECISIONS)
        check_classification_targets(labels)
        self._means = [features[labels == label].mean(axis=0) for label in np.unique(labels)]
        return super().fit(X, y)

    def _checked_text(self):
        return normalize(self._means)


@parametrize_with_checks([FromSamples()])
def test_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


def test_clones_and_grids_keep_the_arrays():
    X, y = samples()
    fitted = clone(head()).fit(X, y)
    assert np.array_equal(fitted.predict(X), head().fit(X, y).predict(X))
    grid = GridSearchCV(head(), {"logit_scale": [1.0, 100.0]}, cv=2, scoring="neg_log_loss")
    grid.fit(X, y)
    assert grid.best_params_ == {"logit_scale": 1.0}, "labels of chance are worth little certainty"


def test_two_classes_have_one_decision():
    X, _ = samples()
    y = np.arange(30) % 2
    two = head(text=TEXT[:2]).fit(X, y)
    cosine = two.cosine(X)
    assert cosine.shape == (30, 2)
    assert np.array_equal(two.decision_function(X), cosine[:, 1] - cosine[:, 0])
    assert np.array_equal(two.decision_function(X) > 0, two.predict(X) == 1)
    assert 0 <= roc_auc_score(y, two.decision_function(X)) <= 1


# --- what it computes ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cosines_by_hand(dtype):
    X, y = samples()
    fitted = head().fit(X.astype(dtype), y)
    expected = cosine_by_hand(X)
    assert fitted.cosine(X.astype(dtype)).dtype == dtype
    np.testing.assert_allclose(fitted.decision_function(X.astype(dtype)), expected, atol=1e-6)
    assert np.array_equal(fitted.predict(X), expected.argmax(axis=1))


def test_probabilities_are_a_softmax_of_scaled_cosines():
    X, y = samples()
    fitted = head(logit_scale=20).fit(X, y)
    raised = np.exp(20 * cosine_by_hand(X))
    expected = raised / raised.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(fitted.predict_proba(X), expected, atol=1e-5)
    np.testing.assert_allclose(np.exp(fitted.predict_log_proba(X)), expected, atol=1e-5)


def test_fitting_learns_nothing_from_the_samples():
    X, y = samples()
    other, _ = samples()
    first, second = head().fit(X, y), head().fit(other, y[::-1])
    assert np.array_equal(first.cosine(X), second.cosine(X))


def test_text_need_not_be_of_unit_length():
    X, y = samples()
    longer = head(text=TEXT * np.array([[1], [5], [0.1]], np.float32)).fit(X, y)
    np.testing.assert_allclose(longer.cosine(X), head().fit(X, y).cosine(X), atol=1e-6)


def test_without_a_projection_features_are_compared_as_they_are():
    X = RNG.normal(size=(9, 4)).astype(np.float32)
    cosine = head(projection=None).fit(X, np.arange(9) % 3).cosine(X)
    np.testing.assert_allclose(cosine, normalize(X) @ TEXT.T, atol=1e-6)


def test_several_crops_are_averaged_where_asked_for():
    X, y = samples(crops=2)
    fitted = head(combine="mean").fit(X, y)
    np.testing.assert_allclose(fitted.cosine(X), cosine_by_hand(X, crops=2), atol=1e-6)


def test_a_class_without_training_samples_can_still_be_predicted():
    X, _ = samples()
    fitted = head(classes=np.arange(3)).fit(X, np.arange(30) % 2)
    assert fitted.classes_.tolist() == [0, 1, 2]
    assert 2 in fitted.predict(X)


def test_labels_of_any_kind_stand_for_the_rows_in_their_order():
    X, y = samples()
    names = np.array(["bear", "cow", "zebra"])
    assert np.array_equal(head().fit(X, names[y]).predict(X), names[head().fit(X, y).predict(X)])


def test_what_is_fitted_is_arrays():
    X, y = samples()
    fitted = {name: value for name, value in vars(head().fit(X, y)).items() if name.endswith("_")}
    assert fitted.keys() == {"text_", "projection_", "classes_", "n_features_in_"}
    assert all(isinstance(fitted[n], np.ndarray) for n in fitted.keys() - {"n_features_in_"})


# --- what it refuses ----------------------------------------------------------------------------


def test_several_crops_are_refused_unless_combined():
    X, y = samples(crops=2)
    with pytest.raises(UsageError, match=r'reads one crop, .* have 2; .*combine = "mean"\.$'):
        head().fit(X, y)


@pytest.mark.parametrize(
    ("given", "labels", "sentence"),
    [
        ({"text": None}, 3, "needs text features of the classes"),
        ({"text": TEXT[:2]}, 3, "There are 2 text features for 3 classes"),
        ({"classes": np.arange(4)}, 3, "There are 3 text features for 4 classes"),
        ({"classes": np.arange(3)}, 4, "No text feature stands for the class .*3"),
        ({"text": TEXT * np.nan}, 3, "finite numbers"),
        ({"projection": PROJECTION[:5]}, 3, "length 6 are no embeddings of 5"),
        ({"projection": PROJECTION[:, :3]}, 3, "length 3 have no cosine with .* length 4"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(given, labels, sentence):
    X, _ = samples(count=36)
    with pytest.raises(A2pipeError, match=sentence):
        head(**given).fit(X, np.arange(36) % labels)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"templates": "a photo of a {}"}, "templates is a list of texts"),
        ({"templates": []}, "templates is a list of texts"),
        ({"templates": ["a photo"]}, "has {} once, unlike 'a photo'"),
        ({"templates": ["a {} and a {}"]}, "has {} once"),
        ({"class_names": ["cat", " "]}, "class_names is a list of texts"),
        ({"combine": "max"}, "not 'max'"),
        ({"logit_scale": 0}, "positive number"),
        ({"logit_scale": True}, "positive number"),
    ],
)
def test_a_wrong_value_is_found_before_any_text_is_embedded(wrong, sentence):
    with pytest.raises(UsageError, match=sentence):
        make_head("zero-shot", wrong)


def test_an_experiment_gives_words_and_no_arrays():
    assert defaults("zero-shot") == {
        "templates": ("a photo of a {}",),
        "class_names": None,
        "combine": None,
        "logit_scale": 100.0,
    }
    with pytest.raises(UsageError, match="no parameter 'projection'"):
        make_head("zero-shot", {"projection": [[1.0]]})
