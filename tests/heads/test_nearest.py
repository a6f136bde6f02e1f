"""Nearest neighbours and nearest class means, against plain loops and scikit-learn's own."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from a2pipe.errors import UsageError
from a2pipe.heads.fitting.samples import SamplesError
from a2pipe.heads.nearest import KNNHead, NearestClassMean
from a2pipe.heads.registry import make_head


def samples(count: int, classes: int = 3, dtype: type = np.float32) -> tuple[np.ndarray, ...]:
    """Overlapping classes in directions of unequal length."""
    generator = np.random.default_rng(count)
    y = generator.integers(0, classes, count)
    X = np.eye(classes, 16)[y] + 0.6 * generator.normal(size=(count, 16))
    return (X * generator.uniform(0.2, 5, (count, 1))).astype(dtype), y


X, y = samples(90)
NEW, NEW_y = samples(50)


@parametrize_with_checks(
    [
        KNNHead(k=2),
        KNNHead(k=2, weights="uniform"),
        KNNHead(k=2, weights="distance"),
        KNNHead(k=2, metric="euclidean", weights="distance"),
        NearestClassMean(),
        NearestClassMean("euclidean"),
    ]
)
def test_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


def votes_by_loop(k: int, weigh) -> np.ndarray:
    """Shares of the votes of the k most similar training samples, sample by sample."""
    found = np.zeros((len(NEW), 3))
    for row, new in enumerate(NEW.astype(float)):
        similarity = [new @ x / np.linalg.norm(new) / np.linalg.norm(x) for x in X.astype(float)]
        for neighbour in sorted(range(len(X)), key=lambda i: -similarity[i])[:k]:
            found[row, y[neighbour]] += weigh(similarity[neighbour])
    return found / found.sum(axis=1, keepdims=True)


class TestNeighbours:
    @pytest.mark.parametrize("temperature", [0.07, 0.5])
    def test_dinos_vote_is_that_of_a_plain_loop(self, temperature):
        head = KNNHead(temperature=temperature).fit(X.astype(float), y)
        expected = votes_by_loop(20, lambda similarity: np.exp(similarity / temperature))
        assert np.allclose(head.predict_proba(NEW.astype(float)), expected, atol=1e-9)
        assert np.allclose(
            KNNHead(temperature=temperature).fit(X, y).predict_proba(NEW), expected, atol=1e-5
        )
        assert np.array_equal(head.predict(NEW), expected.argmax(axis=1))

    @pytest.mark.parametrize("weights", ["uniform", "distance"])
    @pytest.mark.parametrize("metric", ["cosine", "euclidean"])
    @pytest.mark.parametrize("k", [1, 7, 90])
    def test_other_votes_are_scikit_learns(self, weights, metric, k):
        head = KNNHead(k=k, metric=metric, weights=weights).fit(X.astype(float), y)
        bare = KNeighborsClassifier(k, weights=weights, metric=metric, algorithm="brute")
        expected = bare.fit(X.astype(float), y).predict_proba(NEW.astype(float))
        assert np.allclose(head.predict_proba(NEW.astype(float)), expected, atol=1e-9)
        assert np.array_equal(head.predict(NEW), expected.argmax(axis=1))

    def test_the_weights_matter(self):
        shares = [KNNHead(weights=w).fit(X, y).predict_proba(NEW) for w in ("dino", "uniform")]
        assert np.abs(shares[0] - shares[1]).max() > 0.05

    def test_an_identical_sample_outvotes_all_others_by_distance(self):
        twins = np.array([[1.0, 0], [0, 1], [0.1, 1], [0.2, 1]])
        head = KNNHead(k=4, weights="distance").fit(twins, [0, 1, 1, 1])
        assert head.predict_proba([[5.0, 0]]).tolist() == [[1, 0]]

    def test_a_cold_temperature_leaves_the_nearest_alone(self):
        shares = KNNHead(temperature=1e-6).fit(X, y).predict_proba(NEW)
        nearest = KNNHead(k=1).fit(X, y).predict_proba(NEW)
        assert np.allclose(shares, nearest)

    def test_of_equal_votes_the_first_class_wins(self):
        head = KNNHead(k=2, weights="uniform").fit([[1.0, 0], [0, 1]], ["b", "a"])
        assert head.predict([[1.0, 0.1]]) == ["a"]

    def test_the_length_of_a_feature_says_nothing_to_the_cosine(self):
        head = KNNHead().fit(X, y)
        assert np.allclose(head.predict_proba(NEW), head.predict_proba(8 * NEW))

    def test_more_neighbours_than_samples_are_refused(self):
        with pytest.raises(SamplesError, match="asks 91 neighbours and has 90 samples: lower k"):
            KNNHead(k=91).fit(X, y)

    @pytest.mark.parametrize(
        ("wrong", "sentence"),
        [
            ({"k": 0}, "a whole number of at least 1 as k, not 0"),
            ({"k": 2.5}, "a whole number of at least 1 as k"),
            ({"metric": "manhattan"}, "no metric 'manhattan': use 'cosine' or 'euclidean'"),
            ({"weights": "rank"}, "use 'dino' or 'uniform' or 'distance'"),
            ({"metric": "euclidean"}, "weights for metric 'euclidean': 'dino': use 'uniform' or"),
            ({"temperature": 0}, "a positive number as temperature"),
        ],
    )
    def test_values_no_fit_can_use_are_usage_errors(self, wrong, sentence):
        with pytest.raises(UsageError, match=sentence):
            make_head("knn", wrong)


class TestMeans:
    @pytest.mark.parametrize("classes", [2, 3])
    def test_euclidean_means_are_scikit_learns(self, classes):
        X, y = samples(60, classes, float)
        head = NearestClassMean("euclidean").fit(X, y)
        bare = NearestCentroid().fit(X, y)
        assert np.allclose(head.means_, bare.centroids_)
        assert np.array_equal(head.predict(NEW), bare.predict(NEW))

    def test_cosine_is_that_of_a_plain_loop(self):
        head = NearestClassMean().fit(X, y)
        unit = X / np.linalg.norm(X, axis=1, keepdims=True)
        for new, near in zip(NEW, head.decision_function(NEW), strict=True):
            means = [unit[y == c].mean(axis=0) for c in range(3)]
            cosine = [new @ m / np.linalg.norm(new) / np.linalg.norm(m) for m in means]
            assert np.allclose(near, 2 * np.array(cosine) - 2, atol=1e-5)

    def test_of_classes_equally_near_the_first_wins(self):
        head = NearestClassMean("euclidean").fit([[1.0], [-1.0]], ["b", "a"])
        assert head.predict([[0.0]]) == ["a"]

    def test_an_unknown_metric_is_a_usage_error(self):
        with pytest.raises(UsageError, match="nearest-mean head has no metric 'manhattan'"):
            make_head("nearest-mean", {"metric": "manhattan"})


@pytest.mark.parametrize(
    "head", [KNNHead(k=5), NearestClassMean()], ids=lambda head: type(head).__name__
)
class TestBoth:
    def test_they_work_on_memory_maps(self, head, tmp_path):
        np.save(tmp_path / "features.npy", X)
        mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
        found = clone(head).fit(mapped, y).predict(mapped)
        assert np.array_equal(found, clone(head).fit(X, y).predict(X))

    def test_they_work_in_a_pipeline_and_a_grid_search(self, head):
        head = clone(head)
        if isinstance(head, KNNHead):
            head.set_params(weights="uniform")
        steps = Pipeline([("scale", StandardScaler()), ("head", head)])
        search = GridSearchCV(steps, {"head__metric": ["cosine", "euclidean"]}, cv=3).fit(X, y)
        assert search.best_score_ > 0.5

    def test_they_beat_chance(self, head):
        assert np.mean(clone(head).fit(X, y).predict(NEW) == NEW_y) > 0.6

    def test_one_class_alone_is_refused(self, head):
        with pytest.raises(SamplesError, match="All samples are of one class, 0"):
            clone(head).fit(X, np.zeros(90, int))

    def test_features_that_are_not_finite_are_refused(self, head):
        bad = X.copy()
        bad[[4, 7], 2] = np.nan
        with pytest.raises(SamplesError, match=r"2 of 90 samples \(the first in row 4\)"):
            clone(head).fit(bad, y)
        with pytest.raises(SamplesError, match="2 of 90 samples"):
            clone(head).fit(X, y).predict(bad)
