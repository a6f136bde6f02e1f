"""VISI-FIN: the minimum it finds, what each switch does, and what it refuses."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from a2pipe.errors import A2pipeError, UsageError
from a2pipe.heads.fitting.samples import SamplesError
from a2pipe.heads.registry import make_head
from a2pipe.heads.visifin import VisiFinHead, layer_norm


def samples(classes: int = 3, count: int = 150, dtype: type = np.float64) -> tuple[np.ndarray, ...]:
    """Overlapping classes, so that no linear classifier separates them."""
    generator = np.random.default_rng(classes)
    y = generator.integers(0, classes, count)
    X = generator.normal(size=(classes, 10))[y] + 2 * generator.normal(size=(count, 10))
    return X.astype(dtype), y


X, y = samples()


class TestMinimum:
    @pytest.mark.parametrize("classes", [2, 3])
    def test_without_any_component_it_is_logistic_regression(self, classes):
        X, y = samples(classes)
        head = VisiFinHead(
            feature_extraction=False, weighting=False, regularization=False, tol=1e-9, epochs=5000
        ).fit(X, y)
        bare = LogisticRegression(C=np.inf, tol=1e-9, max_iter=5000).fit(X, y)
        assert np.allclose(head.predict_proba(X), bare.predict_proba(X), atol=1e-5)
        assert head.losses_[-1] == pytest.approx(
            -np.mean(bare.predict_log_proba(X)[np.arange(len(y)), y]), abs=1e-9
        )

    def test_lbfgs_never_goes_up(self):
        losses = VisiFinHead(epochs=60).fit(X, y).losses_
        assert (np.diff(losses) <= 0).all()
        assert losses[-1] < losses[0]

    @pytest.mark.parametrize("stop_gradient", [True, False])
    def test_adam_comes_near_what_lbfgs_finds_without_weights(self, stop_gradient):
        parameters = {"weighting": False, "dimension": 8}
        exact = VisiFinHead(**parameters, epochs=2000, tol=1e-7).fit(X, y)
        adam = VisiFinHead(
            **parameters,
            optimizer="adam",
            epochs=300,
            learning_rate=0.02,
            stop_gradient=stop_gradient,
        )
        assert adam.fit(X, y).losses_[-1] == pytest.approx(exact.losses_[-1], rel=1e-2)

    def test_weight_moves_to_the_samples_with_small_losses(self):
        head = VisiFinHead().fit(X, y)
        losses = -head.predict_log_proba(X)[np.arange(len(y)), y]
        assert head.weights_.sum() == pytest.approx(1)
        assert np.corrcoef(head.weights_, losses)[0, 1] < -0.2

    def test_as_written_it_may_give_all_weight_to_one_class(self):
        head = VisiFinHead().fit(X, y)
        shares = [head.weights_[y == c].sum() for c in range(3)]
        assert max(shares) > 0.95
        stopped = VisiFinHead(stop_gradient=True, optimizer="adam").fit(X, y)
        assert stopped.score(X, y) > head.score(X, y)


class TestSwitches:
    def test_each_changes_what_is_learned(self):
        full = VisiFinHead(epochs=20).fit(X, y).predict_proba(X)
        for switch in ("feature_extraction", "weighting", "regularization"):
            ablated = VisiFinHead(epochs=20, **{switch: False}).fit(X, y)
            assert np.abs(ablated.predict_proba(X) - full).max() > 0.01, switch

    def test_without_weighting_all_samples_weigh_the_same(self):
        assert np.allclose(VisiFinHead(weighting=False).fit(X, y).weights_, 1 / len(y))

    def test_without_regularization_is_with_both_weights_at_zero(self):
        off = VisiFinHead(regularization=False, epochs=9).fit(X, y)
        zero = VisiFinHead(l2_weight=0, kl_weight=0, epochs=9).fit(X, y)
        assert np.array_equal(off.losses_, zero.losses_)

    def test_without_feature_extraction_there_is_no_projection_left_from_before(self):
        head = VisiFinHead(epochs=3).fit(X, y)
        assert head.projection_.shape == (128, 10)
        head.set_params(feature_extraction=False).fit(X, y)
        assert not hasattr(head, "projection_")
        assert head.coef_.shape == (3, 10)

    def test_a_stopped_gradient_ends_with_uniform_weights(self):
        head = VisiFinHead(stop_gradient=True, optimizer="adam", epochs=1).fit(X, y)
        before = np.abs(head.weights_ * len(y) - 1).max()
        head.set_params(epochs=300, learning_rate=0.02).fit(X, y)
        assert np.abs(head.weights_ * len(y) - 1).max() < 0.01 < before


class TestBatches:
    def test_one_batch_of_all_is_the_full_batch(self):
        parameters = {"optimizer": "adam", "epochs": 5}
        batch = VisiFinHead(**parameters, batch_size=1000).fit(X, y)
        full = VisiFinHead(**parameters).fit(X, y)
        assert np.allclose(batch.losses_, full.losses_, rtol=1e-10)

    def test_it_learns_in_batches(self):
        head = VisiFinHead(optimizer="adam", batch_size=32, stop_gradient=True, epochs=40)
        assert head.fit(X, y).score(X, y) > 0.6
        assert head.losses_.shape == (40,)

    @pytest.mark.parametrize("wrong", [{"batch_size": 32}, {"stop_gradient": True}])
    def test_lbfgs_needs_the_whole_gradient(self, wrong):
        with pytest.raises(UsageError, match="takes neither batch_size nor stop_gradient"):
            make_head("visifin", wrong)


class TestSeed:
    @pytest.mark.parametrize("extra", [{}, {"optimizer": "adam", "batch_size": 32}])
    def test_the_same_seed_gives_the_same_bits(self, extra):
        X, y = samples(dtype=np.float32)
        heads = [VisiFinHead(epochs=5, seed=s, **extra).fit(X, y) for s in (42, 42, 123)]
        assert np.array_equal(heads[0].predict_proba(X), heads[1].predict_proba(X))
        assert not np.array_equal(heads[0].predict_proba(X), heads[2].predict_proba(X))

    def test_the_global_generators_are_left_alone(self):
        torch.manual_seed(3)
        expected = torch.rand(1)
        torch.manual_seed(3)
        VisiFinHead(epochs=2, optimizer="adam", batch_size=50).fit(X, y)
        assert torch.rand(1) == expected


def test_layer_norm_is_pytorchs():
    expected = torch.nn.functional.layer_norm(torch.from_numpy(X), (10,))
    assert np.allclose(layer_norm(X), expected.numpy(), atol=1e-12)


@parametrize_with_checks(
    [
        VisiFinHead(epochs=20),
        VisiFinHead(epochs=20, feature_extraction=False),
        VisiFinHead(optimizer="adam", batch_size=16, epochs=5),
    ]
)
def test_is_a_scikit_learn_estimator(estimator, check):
    check(estimator)


def test_probabilities_logits_and_classes_agree():
    for classes in (2, 3):
        X, y = samples(classes)
        names = np.array(["cat", "dog", "fox"])[y]
        head = VisiFinHead(epochs=20).fit(X, names)
        shares = head.predict_proba(X)
        assert np.allclose(shares.sum(axis=1), 1)
        assert np.allclose(np.log(shares), head.predict_log_proba(X))
        assert np.array_equal(head.classes_[shares.argmax(axis=1)], head.predict(X))
        logits = head.decision_function(X)
        if classes == 2:
            assert np.allclose(1 / (1 + np.exp(-logits)), shares[:, 1])


def test_float32_stays_float32_and_is_near_float64():
    head = VisiFinHead(epochs=10, weighting=False)
    coarse = clone(head).fit(X.astype(np.float32), y)
    assert coarse.coef_.dtype == np.float32
    shares = coarse.predict_proba(X.astype(np.float32))
    assert np.allclose(shares, clone(head).fit(X, y).predict_proba(X), atol=1e-3)


def test_it_works_on_memory_maps_in_pipelines_and_in_a_grid_search(tmp_path):
    np.save(tmp_path / "features.npy", X)
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    for extraction in (True, False):
        head = VisiFinHead(feature_extraction=extraction, epochs=3)
        found = clone(head).fit(mapped, y).predict_proba(mapped)
        assert np.array_equal(found, clone(head).fit(X, y).predict_proba(X))
    steps = Pipeline([("scale", StandardScaler()), ("head", VisiFinHead(weighting=False))])
    search = GridSearchCV(steps, {"head__dimension": [2, 16]}, cv=2).fit(mapped, y)
    assert search.best_score_ > 0.45


def test_importing_it_does_not_load_pytorch():
    program = "import sys, a2pipe.heads.visifin; print('torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert answer.stdout.strip() == "False"


class TestRefused:
    @pytest.mark.parametrize(
        ("wrong", "sentence"),
        [
            ({"dimension": 0}, "at least 1 as dimension"),
            ({"alpha": -1}, "a positive number as alpha"),
            ({"l2_weight": -1}, "a positive number as l2_weight"),
            ({"weighting": "no"}, "true or false as weighting, not 'no'"),
            ({"optimizer": "sgd"}, "use 'lbfgs' or 'adam'"),
            ({"optimizer": "adam", "batch_size": 0}, "at least 1 as batch_size"),
            ({"seed": 1.5}, "at least 0 as seed"),
        ],
    )
    def test_values_no_fit_can_use(self, wrong, sentence):
        with pytest.raises(UsageError, match=sentence):
            make_head("visifin", wrong)

    @pytest.mark.parametrize("device", ["abacus", "cuda:99"])
    def test_a_device_that_is_not_there(self, device):
        with pytest.raises(UsageError, match="is not on this machine"):
            VisiFinHead(device=device).fit(X, y)

    def test_samples_of_one_class_or_not_finite(self):
        with pytest.raises(SamplesError, match="of one class"):
            VisiFinHead().fit(X, np.ones(len(y)))
        with pytest.raises(SamplesError, match="NaN or infinite"):
            VisiFinHead().fit(np.where(X > 5, np.inf, X), y)

    def test_training_that_diverges(self):
        head = VisiFinHead(
            optimizer="adam", learning_rate=1e300, epochs=5, feature_extraction=False
        )
        with pytest.raises(A2pipeError, match="diverged"):
            head.fit(X, y)
