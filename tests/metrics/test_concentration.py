"""Entropy, top shares and token shares: closed forms, bounds and identities."""

import math

import numpy as np
import pytest

from a2pipe.metrics.concentration import normalized_entropy, token_shares, top_share

GENERATOR = np.random.default_rng(2)


def random_maps(count: int, side: int) -> np.ndarray:
    maps = GENERATOR.gamma(0.3, size=(count, side, side))
    return maps / maps.sum(axis=(1, 2), keepdims=True)


def test_uniform_attention_has_entropy_one_and_top_q_of_q():
    maps = np.full((1, 20, 20), 1 / 400)
    assert normalized_entropy(maps) == pytest.approx(1)
    assert top_share(maps, 0.1) == pytest.approx(0.1)


def test_one_cell_has_entropy_zero_and_holds_all():
    maps = np.zeros((1, 5, 5))
    maps[0, 2, 3] = 1
    assert normalized_entropy(maps) == 0
    assert top_share(maps, 0.04) == 1


def test_top_share_sums_the_largest_cells_rounded_to_the_nearest():
    maps = np.array([[[0.4, 0.1], [0.3, 0.2]]])
    assert top_share(maps, 0.25) == pytest.approx(0.4)
    assert top_share(maps, 0.625) == pytest.approx(0.9)  # 2.5 cells: three
    assert top_share(maps, 0.05) == 0
    assert top_share(maps, 1.0) == pytest.approx(1)


def test_entropy_is_bounded_by_the_divergence_of_the_top_shares():
    maps = random_maps(50, 30)
    top, next_top = top_share(maps, 0.1), top_share(maps, 0.25)
    bins = np.stack([top, next_top - top, 1 - next_top])
    divergence = (bins * np.log(bins / np.array([[0.1], [0.15], [0.75]]))).sum(axis=0)
    assert (normalized_entropy(maps) <= 1 - divergence / math.log(900) + 1e-12).all()


def test_token_shares_add_to_one():
    rows = GENERATOR.dirichlet(np.ones(1 + 4 + 9), size=(3, 2)).astype(np.float32)
    shares = token_shares(rows, prefix=5)
    assert shares.shape == (3, 3)
    assert np.allclose(shares.sum(axis=1), 1, atol=1e-6)
    assert np.allclose(shares[:, 1], rows[:, :, 1:5].sum(axis=2).mean(axis=1), rtol=1e-6)


def test_without_registers_their_share_is_zero():
    rows = np.full((1, 1, 5), 0.2)
    assert np.allclose(token_shares(rows, prefix=1), [[0.2, 0, 0.8]])
