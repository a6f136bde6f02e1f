"""Distributions of numbers that are read in parts are those of NumPy over all of them."""

import numpy as np
import pytest

from a2pipe.metrics.patches.distribution import BINS, QUANTILES, describe


def parts(values, size=97, name="all"):
    """Read values in parts of a size."""
    flat = np.asarray(values, np.float32)
    return lambda: ({name: flat[at : at + size]} for at in range(0, len(flat), size))


RNG = np.random.default_rng(3)
NUMBERS = {
    "norms": RNG.gamma(4, 12, 5_000),
    "shares": RNG.random(1_001),
    "one": [3.25],
    "equal": np.full(50, 7.0),
    "zeros": np.zeros(9),
    "minus zero": [-0.0, 0.0, 1.0],
    "few": [0.0, 1e-30, 2.5, 1e30],
    "near": 1 + RNG.random(999) * 1e-6,
}


@pytest.mark.parametrize("values", NUMBERS.values(), ids=NUMBERS)
def test_everything_is_what_numpy_says_of_all_numbers_together(values):
    exact = np.asarray(values, np.float32).astype(np.float64)
    found = describe(parts(values), cut=2.5)["all"]
    assert found.n == len(exact)
    assert found.mean == pytest.approx(exact.mean(), rel=1e-12)
    for name, share in QUANTILES.items():
        assert getattr(found, name) == pytest.approx(np.quantile(exact, share), rel=1e-12)
    assert (found.smallest, found.largest) == (exact.min(), exact.max())
    assert found.above == (exact > 2.5).mean()
    assert sum(found.counts) == len(exact)


def test_the_histogram_is_numpys_of_the_span_or_between_smallest_and_largest():
    values = NUMBERS["norms"].astype(np.float32).astype(np.float64)
    free = describe(parts(values))["all"]
    assert (free.low, free.high, len(free.counts)) == (values.min(), values.max(), BINS)
    assert list(free.counts) == np.histogram(values, BINS)[0].tolist()
    bound = describe(parts(values), span=(0, 1000))["all"]
    assert list(bound.counts) == np.histogram(values, BINS, (0, 1000))[0].tolist()


def test_the_density_is_numpys_and_is_smoothed_with_zeros_beyond_the_ends():
    values = NUMBERS["shares"].astype(np.float32).astype(np.float64)
    found = describe(parts(values), span=(0.0, 1.0))["all"]
    density = np.histogram(values, BINS, (0, 1), density=True)[0]
    np.testing.assert_allclose(found.density(smoothed=False), density, rtol=1e-12)
    around = np.concatenate([[0, 0], density, [0, 0]])
    by_hand = [
        sum(w * around[i + k] for k, w in enumerate((1, 2, 3, 2, 1))) / 9 for i in range(BINS)
    ]
    np.testing.assert_allclose(found.density(smoothed=True), by_hand, rtol=1e-12)


def test_groups_are_described_apart_and_an_empty_one_not_at_all():
    def read():
        yield {"a": np.array([1, 2], np.float32), "b": np.array([], np.float32)}
        yield {"a": np.array([[3], [4]], np.float32), "c": np.array([5], np.float32)}

    found = describe(read)
    assert {(each.low, each.high) for each in found.values()} == {(1, 5)}
    assert {name: (each.n, each.median, each.above) for name, each in found.items()} == {
        "a": (4, 2.5, None),
        "c": (1, 5.0, None),
    }


@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf])
def test_numbers_that_have_no_place_are_refused(wrong):
    with pytest.raises(ValueError, match="all holds a number that is negative or not finite"):
        describe(parts([1.0, wrong]))
