"""VISI-FIN's objective against its formulas in plain NumPy, and the batches of its training."""

import numpy as np
import pytest
import torch

from a2pipe.errors import UsageError
from a2pipe.heads import visifin_training as training
from a2pipe.heads.visifin import VisiFinHead, layer_norm
from a2pipe.heads.visifin_training import Terms, new_network, objective

AS_WRITTEN = Terms(alpha=1.71, l2=0.0097, kl=0.048, stop_gradient=False)


def samples() -> tuple[np.ndarray, np.ndarray]:
    """Features of overlapping classes, and the classes."""
    generator = np.random.default_rng(3)
    y = generator.integers(0, 3, 150)
    return generator.normal(size=(3, 10))[y] + 2 * generator.normal(size=(150, 10)), y


X, y = samples()


def by_numpy(arrays: dict[str, np.ndarray], terms: Terms, h: np.ndarray, y: np.ndarray) -> float:
    """The formulas of section 3.3, one sample at a time, without the stopped gradient."""
    z = list(h)
    if "projection" in arrays:
        z = [arrays["projection"] @ h_i + arrays["projection_bias"] for h_i in h]
    scores = [np.exp(terms.alpha * z_i @ arrays["scorer"]) for z_i in z]
    weights = [score / sum(scores) for score in scores]
    total = 0.0
    for z_i, w_i, y_i in zip(z, weights, y, strict=True):
        logits = arrays["coef"] @ z_i + arrays["intercept"]
        loss = -np.log(np.exp(logits[y_i]) / np.exp(logits).sum())
        total += w_i * loss + terms.kl * w_i * np.log(w_i * len(y))
    theta = [array for name, array in arrays.items() if name != "scorer"]
    return total + terms.l2 * sum((array**2).sum() for array in theta)


def arrays_of(net: training.Network) -> dict[str, np.ndarray]:
    return {name: tensor.detach().numpy().copy() for name, tensor in net.items()}


def network(dimension: int | None = 6, seed: int = 1) -> training.Network:
    return new_network(10, dimension, 3, seed, torch.float64)


def value_and_gradients(net, terms, h, y):
    """The objective and its gradient by name, from PyTorch."""
    for tensor in net.values():
        tensor.requires_grad_()
    value = objective(net, terms, torch.from_numpy(h), torch.from_numpy(y))
    value.backward()
    return value.item(), {name: tensor.grad.numpy() for name, tensor in net.items()}


class TestObjective:
    h = layer_norm(X)

    @pytest.mark.parametrize("dimension", [6, None])
    @pytest.mark.parametrize("terms", [AS_WRITTEN, Terms(0, 0, 0, False), Terms(3, 1, 2, True)])
    def test_its_value_is_that_of_the_formulas(self, dimension, terms):
        net = network(dimension)
        value, _ = value_and_gradients(net, terms, self.h, y)
        assert value == pytest.approx(by_numpy(arrays_of(net), terms, self.h, y), rel=1e-12)

    @pytest.mark.parametrize("dimension", [6, None])
    def test_its_gradient_is_that_of_finite_differences(self, dimension):
        net = network(dimension)
        _, gradients = value_and_gradients(net, AS_WRITTEN, self.h, y)
        arrays = arrays_of(net)
        for name, gradient in gradients.items():
            for place in list(np.ndindex(gradient.shape))[:12]:
                values = []
                for step in (1e-5, -1e-5):
                    moved = {key: array.copy() for key, array in arrays.items()}
                    moved[name][place] += step
                    values.append(by_numpy(moved, AS_WRITTEN, self.h, y))
                slope = (values[0] - values[1]) / 2e-5
                assert gradient[place] == pytest.approx(slope, rel=1e-5, abs=1e-8), (name, place)

    def test_a_constant_score_weighs_uniformly(self):
        net = network()
        net["scorer"] = torch.zeros_like(net["scorer"])
        weighted, _ = value_and_gradients(net, AS_WRITTEN, self.h, y)
        uniform, _ = value_and_gradients(
            net, Terms(alpha=0, l2=0.0097, kl=0, stop_gradient=False), self.h, y
        )
        assert weighted == pytest.approx(uniform, rel=1e-12)

    def test_the_divergence_has_its_closed_form(self):
        """Two samples with scores s and 0 have weights p = sigmoid(alpha s) and 1 - p."""
        net = {name: torch.zeros(1, dtype=torch.float64) for name in ("scorer", "intercept")}
        net |= {"coef": torch.zeros(1, 1, dtype=torch.float64), "scorer": net["scorer"] + 1}
        p = 1 / (1 + np.exp(-2 * 0.7))
        value = objective(
            net, Terms(2, 0, 1, False), torch.tensor([[0.7], [0.0]]).double(), torch.tensor([0, 0])
        )
        assert value.item() == pytest.approx(p * np.log(2 * p) + (1 - p) * np.log(2 * (1 - p)))

    def test_a_stopped_gradient_leaves_the_score_to_the_divergence(self):
        _, all_terms = value_and_gradients(network(), Terms(2, 0.1, 0.5, True), self.h, y)
        net = network()
        net["coef"], net["intercept"] = 0 * net["coef"], 0 * net["intercept"]  # constant loss
        _, divergence = value_and_gradients(net, Terms(2, 0.1, 0.5, False), self.h, y)
        assert np.allclose(all_terms["scorer"], divergence["scorer"])
        _, free = value_and_gradients(network(), Terms(2, 0.1, 0.5, False), self.h, y)
        assert not np.allclose(free["scorer"], all_terms["scorer"])


def test_the_last_loss_is_the_objective_of_what_is_kept():
    head = VisiFinHead(dimension=6, epochs=30).fit(X, y)
    names = ("projection", "projection_bias", "scorer", "coef", "intercept")
    arrays = {name: getattr(head, f"{name}_") for name in names}
    value = by_numpy(arrays, AS_WRITTEN, layer_norm(X), y)
    assert head.losses_[-1] == pytest.approx(value, rel=1e-10)
    assert head.n_iter_ == len(head.losses_) - 1


def test_every_sample_is_met_once_an_epoch_in_another_order():
    generator = np.random.default_rng(0)
    epochs = [np.concatenate(list(training._batches(generator, 150, 32))) for _ in range(2)]
    assert all(np.array_equal(np.sort(epoch), np.arange(150)) for epoch in epochs)
    assert not np.array_equal(*epochs)


def test_new_weights_lie_within_one_over_the_root_of_their_inputs():
    drawn = new_network(100, 25, 3, seed=4, dtype=torch.float32)
    assert {name: tuple(tensor.shape) for name, tensor in drawn.items()} == {
        "projection": (25, 100),
        "projection_bias": (25,),
        "scorer": (25,),
        "coef": (3, 25),
        "intercept": (3,),
    }
    for name, tensor in drawn.items():
        bound = 1 / np.sqrt(100 if name.startswith("projection") else 25)
        assert 0.5 * bound < tensor.abs().max() <= bound, name
    double = new_network(100, 25, 3, seed=4, dtype=torch.float64)
    assert all(torch.equal(double[name].float(), drawn[name]) for name in drawn)


def test_a_device_is_found_or_refused():
    assert training.find_device("cpu") == torch.device("cpu")
    with pytest.raises(UsageError, match="'abacus' is not on this machine"):
        training.find_device("abacus")
