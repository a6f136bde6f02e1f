"""L1 regressions: the optimum by its own conditions, a row a class, classes without samples."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from a2pipe.heads.fitting.liblinear import (
    L1,
    LiblinearSettings,
    fit_rule,
    log_probabilities,
    winning_class,
)

SETTINGS = LiblinearSettings(C=0.5, class_weight=None, max_iter=2000, seed=0)


def samples(classes: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(classes)
    y = generator.integers(0, classes, size=200)
    return generator.normal(size=(classes, 12))[y] + 2 * generator.normal(size=(200, 12)), y


@pytest.mark.parametrize("weights", [None, (1, 3), (100, 1)])
def test_two_classes_are_at_the_optimum_of_the_penalised_loss(weights):
    """The gradient of C times the weighted logistic loss lies in [-1, 1], and is minus the sign of
    every coefficient that is not 0. The intercept counts as the coefficient of a column of ones."""
    X, y = samples(2)
    rule = fit_rule(X, y, 2, LiblinearSettings(0.5, weights, 10_000, 0))
    columns, theta = np.c_[X, np.ones(200)], np.append(rule.coef[0], rule.intercept[0])
    sign = 2 * y - 1
    weight = np.array(weights or (1, 1))[y]
    gradient = 0.5 * columns.T @ (-sign * weight / (1 + np.exp(sign * (columns @ theta))))
    slack = 2e-2 * (1 if weights is None else max(weights))
    assert (np.abs(gradient) <= 1 + slack).all()
    assert np.allclose(gradient[theta != 0], -np.sign(theta[theta != 0]), atol=slack)
    assert rule.coef.shape == (1, 12)


def test_a_strong_penalty_leaves_coefficients_out():
    X, y = samples(2)
    rule = fit_rule(X, y, 2, LiblinearSettings(0.01, None, 100, 0))
    assert 0 < (rule.coef == 0).sum() < 12


def test_more_classes_are_each_fitted_against_the_rest():
    X, y = samples(4)
    rule = fit_rule(X, y, 4, SETTINGS)
    for number in range(4):
        alone = LogisticRegression(solver="liblinear", C=0.5, random_state=0, max_iter=2000, **L1)
        alone.fit(X, y == number)
        assert np.array_equal(rule.coef[number], alone.coef_[0])
        assert rule.intercept[number] == alone.intercept_[0]
        assert rule.iterations[number] == alone.n_iter_[0]


def test_a_class_without_samples_never_wins():
    X, y = samples(3)
    rule = fit_rule(X[y != 1], y[y != 1], 3, SETTINGS)
    assert set(winning_class(X @ rule.coef.T + rule.intercept)) == {0, 2}


def test_of_two_classes_the_second_needs_a_positive_score():
    assert winning_class(np.array([[-0.1], [0.0], [0.1]])).tolist() == [0, 0, 1]


def test_probabilities_are_scaled_logistics():
    scores = np.random.default_rng(0).normal(size=(5, 3))
    logistic = 1 / (1 + np.exp(-scores))
    scaled = logistic / logistic.sum(axis=1, keepdims=True)
    assert np.allclose(np.exp(log_probabilities(scores)), scaled, atol=1e-15)
    two = np.exp(log_probabilities(scores[:, :1]))
    assert np.allclose(two, np.c_[1 - logistic[:, 0], logistic[:, 0]], atol=1e-15)


def test_probabilities_of_hopeless_scores_are_numbers():
    log = log_probabilities(np.array([[-2000.0, -2001.0, -2000.0]]))
    assert np.allclose(np.exp(log).sum(), 1)
