"""DFR's two steps on small pools: the candidates in their order, the choice, and the average."""

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler
from sklearn.utils.parallel import Parallel

from a2pipe.heads.fitting.balancing import complete_draw
from a2pipe.heads.fitting.liblinear import LiblinearSettings, fit_rule
from a2pipe.heads.fitting.pool import GroupedSamples
from a2pipe.heads.fitting.reweighting import average_fits, candidate_settings, choose_settings
from a2pipe.heads.fitting.samples import SamplesError

COMMON = LiblinearSettings(C=1.0, class_weight=None, max_iter=100, seed=0)
WORKERS = Parallel(n_jobs=1)


def grouped(sizes: list[int], seed: int = 0) -> GroupedSamples:
    """Two classes in two groups each; the class shows in the first feature."""
    generator = np.random.default_rng(seed)
    groups = np.repeat(np.arange(len(sizes)), sizes)
    X = generator.normal(size=(len(groups), 3))
    X[:, 0] += 3 * (groups % 2)
    return GroupedSamples(X, groups % 2, groups, classes=2)


def generators(count: int, seed: int = 7) -> list[np.random.Generator]:
    return np.random.default_rng(seed).spawn(count)


def test_candidates_are_every_c_with_every_pair_of_weights_once():
    found = candidate_settings([0.1, 1.0], [1.0, 3.0], 2, COMMON)
    pairs = [(1, 1.0), (1, 3.0), (3.0, 1)]
    assert [(each.C, each.class_weight) for each in found] == [
        (C, pair) for C in (0.1, 1.0) for pair in pairs
    ]
    assert {(each.max_iter, each.seed) for each in found} == {(100, 0)}


@pytest.mark.parametrize(("weights", "classes"), [(None, 2), ([], 2), ([1.0, 3.0], 3)])
def test_without_weights_or_with_more_classes_candidates_are_every_c(weights, classes):
    found = candidate_settings([0.1, 1.0], weights, classes, COMMON)
    assert [(each.C, each.class_weight) for each in found] == [(0.1, None), (1.0, None)]


def test_a_candidate_that_separates_wins_over_one_that_is_all_zero():
    samples = grouped([30, 30, 20, 20])
    candidates = candidate_settings([1e-6, 1.0], None, 2, COMMON)
    even, odd = np.arange(0, 100, 2), np.arange(1, 100, 2)
    choice = choose_settings(WORKERS, samples, even, odd, candidates, generators(1)[0])
    assert choice.settings.C == 1.0
    assert choice.scores[0] == 0
    assert choice.scores[1] > 0.7
    assert choice.group_size == 10


def test_of_equal_scores_the_first_candidate_wins():
    samples = grouped([20, 20])
    samples.X[:, 0] += 1000 * samples.labels
    candidates = candidate_settings([0.5, 1.0, 2.0], None, 2, COMMON)
    rows = np.arange(40)
    choice = choose_settings(WORKERS, samples, rows, rows, candidates, generators(1)[0])
    assert choice.scores.tolist() == [1, 1, 1]
    assert choice.settings is candidates[0]


@pytest.mark.parametrize(("scored", "rest"), [([], [0, 1, 20]), ([0], [1, 2])])
def test_too_few_samples_to_choose_on_are_refused(scored, rest):
    samples = grouped([20, 20])
    rows = (np.array(scored, np.int64), np.array(rest))
    with pytest.raises(SamplesError, match="is too small to be split"):
        choose_settings(WORKERS, samples, *rows, [COMMON], generators(1)[0])


def test_the_average_is_that_of_a_fit_to_each_draw():
    samples = grouped([12, 9, 8, 10])
    rows = np.arange(39)
    scaler = StandardScaler().fit(samples.X)
    mean = average_fits(WORKERS, samples, rows, scaler, COMMON, generators(3))
    rules = []
    for generator in generators(3):
        drawn = complete_draw(samples.groups, samples.labels, generator)
        rules.append(fit_rule(scaler.transform(samples.X[drawn]), samples.labels[drawn], 2, COMMON))
    assert np.allclose(mean.coef, np.mean([rule.coef for rule in rules], axis=0), atol=1e-12)
    assert np.allclose(mean.intercept, np.mean([rule.intercept for rule in rules], axis=0))
    assert mean.iterations.tolist() == [rule.iterations.tolist() for rule in rules]
    assert (mean.size, mean.group_size) == (32, 8)


def test_samples_of_one_class_have_no_average():
    samples = grouped([12, 9])
    scaler = StandardScaler().fit(samples.X)
    with pytest.raises(SamplesError, match="lack a class of the pool"):
        average_fits(WORKERS, samples, np.arange(12), scaler, COMMON, generators(1))
