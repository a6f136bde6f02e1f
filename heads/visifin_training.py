"""Minimise the objective of VISI-FIN (arXiv 2604.01283, section 3.3) in PyTorch.

    z_i = W_p LayerNorm(h_i) + b_p
    w = softmax(alpha g(z))                                     over all samples of a batch
    L = sum_i w_i loss_i + lambda ||theta||^2 + mu KL(w || u)   u uniform, theta all but g

loss_i is the cross-entropy of a linear classifier on z_i. g is a linear score of z_i without a
constant, as that would cancel in the softmax.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, minimize
from torch import Tensor
from torch.nn.functional import cross_entropy, linear
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from ..errors import A2pipeError, UsageError

Network = dict[str, Tensor]
"""A network is its tensors by name: `coef` (classes, d'), `intercept` (classes,), `scorer` (d',)
and, unless the features are taken as they are, `projection` (d', d) and `projection_bias` (d',)."""

Batch = Callable[[NDArray[np.int64] | None], tuple[Tensor, Tensor]]
"""A batch is a function of rows of the training samples, None for all, that returns their features
(n, d) and class indices (n,)."""


@dataclass(frozen=True)
class Terms:
    """Terms are the factors of the objective.

    alpha: of the score in the softmax; 0 weighs all samples alike.
    l2: lambda. kl: mu.
    stop_gradient: whether the loss is kept from moving the weights of the samples. The divergence
        alone then trains g, and pulls the weights together.
    """

    alpha: float
    l2: float
    kl: float
    stop_gradient: bool


@dataclass(frozen=True)
class Schedule:
    """A Schedule says how to minimise; its fields are parameters of `VisiFinHead`."""

    optimizer: str
    epochs: int
    learning_rate: float
    batch_size: int | None
    tol: float
    seed: int


def new_network(
    features: int, dimension: int | None, classes: int, seed: int, dtype: torch.dtype
) -> Network:
    """Return a network with weights uniform within 1 / sqrt(inputs), as PyTorch's layers begin.

    features: d. dimension: d', or None to take features as they are, without a projection. dtype:
    of the tensors, which are on the CPU.
    """
    # Drawn in double precision on the CPU, so that the numbers depend on the seed alone and not on
    # precision or device.
    generator = torch.Generator().manual_seed(seed)

    def draw(inputs: int, *shape: int) -> Tensor:
        uniform = torch.rand(shape, generator=generator, dtype=torch.float64)
        return ((2 * uniform - 1) / math.sqrt(inputs)).to(dtype)

    network = {}
    if dimension is not None:
        network["projection"] = draw(features, dimension, features)
        network["projection_bias"] = draw(features, dimension)
    width = dimension or features
    network["scorer"] = draw(width, width)
    network["coef"] = draw(width, classes, width)
    network["intercept"] = draw(width, classes)
    return network


def objective(network: Network, terms: Terms, h: Tensor, y: Tensor) -> Tensor:
    """Return the scalar objective L of normalised features h (n, d) and class indices y (n,)."""
    z = h
    if "projection" in network:
        z = linear(h, network["projection"], network["projection_bias"])
    # In logarithms, as a weight that underflows to 0 would make the divergence 0 log 0.
    log_weights = torch.log_softmax(terms.alpha * (z @ network["scorer"]), dim=0)
    weights = log_weights.exp()
    losses = cross_entropy(linear(z, network["coef"], network["intercept"]), y, reduction="none")
    divergence = (weights * (log_weights + math.log(len(y)))).sum()
    theta = [tensor for name, tensor in network.items() if name != "scorer"]
    penalty = torch.stack([tensor.square().sum() for tensor in theta]).sum()
    task = ((weights.detach() if terms.stop_gradient else weights) * losses).sum()
    return task + terms.l2 * penalty + terms.kl * divergence


def train(
    network: Network, terms: Terms, schedule: Schedule, batch: Batch, samples: int
) -> list[float]:
    """Minimise the objective, changing the network in place; return the course of the objective.

    samples: how many there are in all. With L-BFGS the course is the value at the start and after
    each iteration, of which there are at most `schedule.epochs`. With Adam it is the mean over the
    batches of each epoch, each taken before its step.

    Raises A2pipeError if the objective is no longer finite.
    """
    for tensor in network.values():
        tensor.requires_grad_()
    if schedule.optimizer == "lbfgs":
        course = _lbfgs(network, terms, schedule, *batch(None))
    else:
        course = list(_adam(network, terms, schedule, batch, samples))
    if not np.isfinite(course).all():
        raise A2pipeError(
            "The visifin head's training diverged, its objective is not finite any more: lower "
            "learning_rate, or standardise the features."
        )
    return course


def _lbfgs(network: Network, terms: Terms, schedule: Schedule, h: Tensor, y: Tensor) -> list[float]:
    """Minimise with SciPy's L-BFGS, which sees the parameters as one vector of doubles."""
    tensors = list(network.values())
    like = tensors[0]

    def load(vector: NDArray[np.float64]) -> None:
        vector_to_parameters(torch.tensor(vector, dtype=like.dtype, device=like.device), tensors)

    def evaluate(vector: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        load(vector)
        value = objective(network, terms, h, y)
        gradients = torch.autograd.grad(value, tensors, allow_unused=True, materialize_grads=True)
        return float(value.detach()), _double(gradients)

    start = _double([tensor.detach() for tensor in tensors])
    course = [evaluate(start)[0]]

    def note(intermediate_result: OptimizeResult) -> None:
        course.append(float(intermediate_result.fun))

    # Below the precision of the features the objective is noise, so that is where a fit ends.
    options = {"maxiter": schedule.epochs, "gtol": schedule.tol, "maxls": 50}
    options["ftol"] = torch.finfo(like.dtype).eps
    found = minimize(evaluate, start, jac=True, method="L-BFGS-B", callback=note, options=options)
    load(found.x)
    return course


def _double(tensors: Any) -> NDArray[np.float64]:
    """Return tensors as one vector of doubles on the CPU."""
    vector = parameters_to_vector([tensor.contiguous() for tensor in tensors])
    return np.asarray(vector.cpu().double().numpy())


def _adam(
    network: Network, terms: Terms, schedule: Schedule, batch: Batch, samples: int
) -> Iterator[float]:
    """Minimise with Adam; yield the mean objective of each epoch."""
    optimizer = torch.optim.Adam(list(network.values()), lr=schedule.learning_rate)
    generator = np.random.default_rng(schedule.seed)
    every = batch(None) if schedule.batch_size is None else None
    for _ in range(schedule.epochs):
        values = []
        for rows in _batches(generator, samples, schedule.batch_size):
            value = objective(network, terms, *(every or batch(rows)))
            optimizer.zero_grad()
            # The course takes the value that the gradient needs anyway: no second pass an epoch.
            value.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            values.append(float(value.detach()))
        yield float(np.mean(values))


def _batches(
    generator: np.random.Generator, samples: int, size: int | None
) -> Iterator[NDArray[np.int64] | None]:
    """Yield the rows of each batch of an epoch, in a random order; None for all samples at once."""
    if size is None:
        yield None
        return
    order = generator.permutation(samples)
    for start in range(0, samples, size):
        yield order[start : start + size]


def find_device(name: str) -> torch.device:
    """Return the device of that name; raise UsageError if it is not on this machine."""
    try:
        device = torch.device(name)
        # A name alone is accepted for a device that is absent: only using it tells.
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(
            f"The visifin head's device {name!r} is not on this machine: use 'cpu'."
        ) from error
    return device
