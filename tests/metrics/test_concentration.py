"""Entropy, top shares and token shares: closed forms, bounds and identities."""

import math

import numpy as np
import pytest

from a2pipe.metrics.concentration import normalized_entropy, token_shares, top_shares

GENERATOR = np.random.default_rng(2)


def random_maps(count: int, side: int) -> np.ndarray:
    maps = GENERATOR.gamma(0.3, size=(count, side, side))
    return maps / maps.sum(axis=(1, 2), keepdims=True)


def top_share(maps: np.ndarray, share: float) -> float:
    """The share of one map that its largest cells hold."""
    return float(top_shares(maps, [share])[0, 0])


@pytest.mark.parametrize("side", [16, 224])
def test_uniform_attention_has_entropy_one_and_top_q_of_q(side):
    maps = np.full((1, side, side), 1 / side**2)
    assert normalized_entropy(maps) == pytest.approx(1)
    for share in (0.1, 0.25):
        assert top_share(maps, share) == pytest.approx(round(share * side**2) / side**2)


def test_one_cell_has_entropy_zero_and_holds_all():
    maps = np.zeros((1, 5, 5))
    maps[0, 2, 3] = 1
    assert normalized_entropy(maps) == 0
    assert top_share(maps, 0.04) == 1


def test_two_equal_cells_have_the_entropy_of_a_coin():
    maps = np.array([[[0.5, 0], [0, 0.5]]])
    assert normalized_entropy(maps) == pytest.approx(math.log(2) / math.log(4))


def test_top_share_sums_the_largest_cells_rounded_to_the_nearest():
    maps = np.array([[[0.4, 0.1], [0.3, 0.2]]])
    assert top_share(maps, 0.25) == pytest.approx(0.4)
    assert top_share(maps, 0.625) == pytest.approx(0.9)  # 2.5 cells: three
    assert top_share(maps, 0.05) == 0
    assert top_share(maps, 1.0) == pytest.approx(1)


def test_top_shares_agree_with_sorting_in_whatever_order_they_are_asked():
    maps = random_maps(20, 24)
    ordered = -np.sort(-maps.reshape(20, -1), axis=1)
    for shares in ([0.1, 0.25], [0.25, 0.1], [0.5, 0.0, 1.0, 0.1]):
        expected = [ordered[:, : math.floor(576 * q + 0.5)].sum(axis=1) for q in shares]
        assert np.allclose(top_shares(maps, shares), np.stack(expected, axis=1), atol=1e-12)


def test_entropy_is_bounded_by_the_divergence_of_the_top_shares():
    maps = random_maps(50, 30)
    top, next_top = top_shares(maps, [0.1, 0.25]).T
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
