"""The logistic head: a proper scikit-learn estimator, bit for bit scikit-learn's own regression."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from a2pipe.errors import A2pipeError, UsageError
from a2pipe.heads import logistic
from a2pipe.heads.fitting import calibration
from a2pipe.heads.logistic import LogisticHead

METHODS = ("predict", "decision_function", "predict_proba", "predict_log_proba")


def samples(classes: int, features: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Noisy float32 features of overlapping classes, as an embedding model would give them."""
    generator = np.random.default_rng(classes)
    y = generator.integers(0, classes, size=300)
    centres = generator.normal(size=(classes, features))
    X = centres[y] + 4 * generator.normal(size=(300, features)) + 1
    return X.astype(np.float32), y


@parametrize_with_checks([LogisticHead(features) for features in calibration.SCALINGS])
def test_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("C", [1.0, 0.01])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_raw_features_give_scikit_learns_bits(classes, C, dtype):
    X, y = samples(classes)
    X = X.astype(dtype)
    head = LogisticHead(C=C).fit(X, y)
    bare = LogisticRegression(C=C, max_iter=10_000).fit(X, y)
    assert np.array_equal(head.coef_, bare.coef_)
    assert np.array_equal(head.intercept_, bare.intercept_)
    with np.errstate(divide="ignore"):  # log of a probability that float32 rounds to 0
        for method in METHODS:
            assert np.array_equal(getattr(head, method)(X), getattr(bare, method)(X))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("features", "scaler"), [("l2", Normalizer()), ("standardized", StandardScaler())]
)
def test_scaled_features_give_the_pipelines_bits(features, scaler, dtype):
    X, y = samples(3)
    X = X.astype(dtype)
    head = LogisticHead(features).fit(X, y)
    pipeline = make_pipeline(scaler, LogisticRegression(max_iter=10_000)).fit(X, y)
    for method in METHODS:
        assert np.array_equal(getattr(head, method)(X), getattr(pipeline, method)(X))


@pytest.mark.parametrize("max_iter", [None, 5])
def test_balanced_classes_give_scikit_learns_bits(max_iter):
    X, y = samples(3)
    kept = (y != 0) | (np.arange(len(y)) < 60)
    X, y = X[kept], y[kept]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        head = LogisticHead(class_weight="balanced", max_iter=max_iter).fit(X, y)
        bare = LogisticRegression(class_weight="balanced", max_iter=max_iter or 10_000).fit(X, y)
    assert np.array_equal(head.coef_, bare.coef_)
    assert not np.array_equal(head.coef_, LogisticHead().fit(X, y).coef_)


def test_calibration_keeps_the_class_weight():
    X, y = samples(2)
    head = LogisticHead(class_weight="balanced", calibrate=True).fit(X, y)
    chosen = head.calibration_["chosen"]
    setting = {name: chosen[name] for name in ("features", "C", "max_iter")}
    alone = LogisticHead(class_weight="balanced", **setting).fit(X, y)
    assert np.array_equal(head.coef_, alone.coef_)


def test_the_defaults_are_the_papers():
    assert LogisticHead().get_params() == {
        "features": "raw",
        "C": 1.0,
        "tol": 1e-4,
        "max_iter": None,
        "class_weight": None,
        "calibrate": False,
        "choose_by": "accuracy",
        "validation_share": 0.2,
        "seed": 0,
    }


def test_class_names_come_back():
    X, y = samples(2)
    names = np.array(["cat", "dog"])
    assert set(LogisticHead().fit(X, names[y]).predict(X)) == {"cat", "dog"}


def test_what_is_fitted_is_arrays():
    X, y = samples(3)
    fitted = vars(LogisticHead("standardized").fit(X, y))
    arrays = {"coef_", "intercept_", "classes_", "n_iter_", "mean_", "scale_"}
    assert {name for name in fitted if isinstance(fitted[name], np.ndarray)} == arrays
    assert {name for name in fitted if name.endswith("_")} == arrays | {
        "n_features_in_",
        "features_",
    }


def test_a_refit_on_other_features_forgets_the_scaling():
    X, y = samples(3)
    head = LogisticHead("standardized").fit(X, y).set_params(features="raw").fit(X, y)
    assert not hasattr(head, "mean_")


class TestConvergence:
    X, y = samples(5)

    def test_it_goes_on_with_more_iterations_until_it_converges(self, monkeypatch):
        monkeypatch.setattr(logistic, "BUDGETS", (3, 5000))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            head = LogisticHead().fit(self.X, self.y)
        bare = LogisticRegression(max_iter=5000).fit(self.X, self.y)
        assert np.array_equal(head.coef_, bare.coef_)
        assert head.n_iter_[0] > 3

    def test_a_fit_that_cannot_converge_says_so(self, monkeypatch):
        monkeypatch.setattr(logistic, "BUDGETS", (2, 3))
        with pytest.raises(A2pipeError, match=r"did not converge on 300 samples of 40 .*3 iter"):
            LogisticHead().fit(self.X, self.y)

    def test_lbfgs_giving_up_early_is_tried_again_in_float64_alone(self, monkeypatch):
        tried = []

        def give_up(model, X, _y):
            tried.append((model.max_iter, X.dtype))
            model.n_iter_ = np.array([7])
            return "lbfgs failed: abnormal"

        monkeypatch.setattr(logistic, "_fit_once", give_up)
        with pytest.raises(A2pipeError, match="abnormal"):
            LogisticHead().fit(self.X, self.y)
        assert tried == [(logistic.BUDGETS[0], np.float32), (logistic.BUDGETS[0], np.float64)]

    def test_where_float32_fails_the_result_is_that_of_float64(self, monkeypatch):
        once = logistic._fit_once

        def fail_in_float32(model, X, y):
            return once(model, X, y) or ("too coarse" if X.dtype == np.float32 else "")

        monkeypatch.setattr(logistic, "_fit_once", fail_in_float32)
        head = LogisticHead().fit(self.X, self.y)
        exact = LogisticRegression(max_iter=10_000).fit(self.X.astype(float), self.y)
        assert np.array_equal(head.coef_, exact.coef_)

    def test_a_given_number_of_iterations_is_kept_and_warned_about(self):
        with pytest.warns(ConvergenceWarning):
            head = LogisticHead(max_iter=4).fit(self.X, self.y)
        assert head.n_iter_.tolist() == [4]

    def test_other_warnings_are_passed_on(self, monkeypatch):
        fit = LogisticRegression.fit

        def noisy(model, X, y):
            warnings.warn("mind the gap", UserWarning, stacklevel=1)
            return fit(model, X, y)

        monkeypatch.setattr(LogisticRegression, "fit", noisy)
        with pytest.warns(UserWarning, match="mind the gap"):
            LogisticHead().fit(self.X, self.y)


@pytest.mark.parametrize(
    "wrong",
    [
        {"features": "L2"},
        {"C": 0},
        {"C": "1"},
        {"C": float("inf")},
        {"tol": -1},
        {"max_iter": 0},
        {"max_iter": 9.5},
        {"class_weight": "equal"},
        {"calibrate": 1},
        {"choose_by": "wga"},
        {"validation_share": 1},
        {"seed": -1},
        {"calibrate": True, "C": 10},
    ],
)
def test_values_no_fit_can_use_are_usage_errors(wrong):
    X, y = samples(2)
    with pytest.raises(UsageError, match="logistic head"):
        LogisticHead(**wrong).fit(X, y)
