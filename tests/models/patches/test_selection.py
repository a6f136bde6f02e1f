"""The filter, the scores and the selection against float64 numpy, and where they are known."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from a2pipe.models.patches.selection import (
    count_votes,
    frequency_gains,
    pool_mean,
    pool_selected,
    select,
    smooth_channels,
    stability,
)

EVEN_AND_ODD = [1, 2, 3, 48, 49, 384]


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    """Normal numbers, float64."""
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


# --- the filter ---------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", EVEN_AND_ODD)
def test_the_filter_is_the_released_procedure_and_one_circulant_matrix(channels, kernel, oracle):
    tokens = draw(2, 5, channels)
    found = smooth_channels(tokens, kernel).numpy()
    np.testing.assert_allclose(found, oracle.by_fft(tokens.numpy(), kernel), atol=1e-12)
    matrix = oracle.circulant(channels, kernel)
    np.testing.assert_allclose(found, tokens.numpy() @ matrix.T, atol=1e-12)
    single = smooth_channels(tokens.float(), kernel)
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single, found, atol=1e-6)


@pytest.mark.parametrize("channels", EVEN_AND_ODD)
def test_the_released_kernel_is_centred_for_an_odd_number_of_channels_alone(channels):
    same = np.array_equal(
        frequency_gains(channels, "released"), frequency_gains(channels, "centred")
    )
    assert same == bool(channels % 2)


@pytest.mark.parametrize("channels", [4, 48, 768])
def test_the_released_gain_is_the_even_part_of_the_shifted_gaussian(channels):
    gains = frequency_gains(channels, "released")[:-1]
    frequencies = np.arange(len(gains))
    closed = np.exp(-(frequencies**2 + 1) / (2 * channels)) * np.cosh(frequencies / channels)
    np.testing.assert_allclose(gains, closed, rtol=1e-13)


def test_the_two_kernels_of_768_channels_differ_as_published():
    released, centred = (frequency_gains(768, kernel) for kernel in ("released", "centred"))
    assert released[0] == pytest.approx(np.exp(-1 / 1536))
    assert np.abs(released - centred).max() == pytest.approx(6.5e-4, abs=5e-6)


@pytest.mark.parametrize("channels", [48, 49])
@pytest.mark.parametrize("turns", [0, 1, 5, 23])
def test_a_pure_cosine_is_scaled_by_the_gain_of_its_frequency(channels, turns, kernel):
    angle = 2 * np.pi * turns * np.arange(channels) / channels
    wave = torch.from_numpy(np.cos(angle + (0.7 if turns else 0)))[None, None]
    gain = np.exp(-(turns**2) / (2 * channels))
    if kernel == "released" and channels % 2 == 0:
        gain = np.exp(-(turns**2 + 1) / (2 * channels)) * np.cosh(turns / channels)
    np.testing.assert_allclose(smooth_channels(wave, kernel), gain * wave, atol=1e-12)


def test_the_highest_frequency_of_an_even_number_stands_alone():
    wave = torch.from_numpy((-1.0) ** np.arange(8))[None, None]
    released, centred = (smooth_channels(wave, kernel) for kernel in ("released", "centred"))
    np.testing.assert_allclose(released, np.exp(-9 / 16) * wave, atol=1e-12)
    np.testing.assert_allclose(centred, np.exp(-16 / 16) * wave, atol=1e-12)


def test_a_filter_that_a_frozen_model_used_first_serves_one_that_is_trained():
    with torch.inference_mode():
        smooth_channels(draw(1, 2, 26))
    tokens = draw(1, 2, 26).requires_grad_()
    smooth_channels(tokens).square().sum().backward()
    assert tokens.grad.isfinite().all()


# --- the scores ---------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [48, 49])
def test_scores_are_those_of_the_oracle(channels, form, kernel, oracle):
    tokens = draw(3, 20, channels)
    expected = oracle.scores(tokens.numpy(), form, kernel)
    np.testing.assert_allclose(stability(tokens, form, kernel), expected, rtol=1e-8)


def test_single_precision_scores_are_near_where_no_denominator_is(form, kernel, oracle):
    tokens = draw(3, 20, 48).float()
    exact = tokens.double().numpy()
    apart = np.abs(oracle.by_fft(exact, kernel) - exact)
    # The filter is right to 1e-6, so a quotient is right to 1e-6 / |f - x| of itself: near a zero
    # denominator float32 says nothing. Those quotients are checked in float64 above.
    clear = apart > 0.1
    assert clear.mean() > 0.8
    found = stability(tokens, form, kernel).numpy()
    expected = oracle.scores(exact, form, kernel)
    np.testing.assert_allclose(found[clear], expected[clear], rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_no_score_is_nan(value, form):
    tokens = draw(1, 4, 8)
    tokens[0, 2] = value
    assert not stability(tokens, form).isnan().any()


def test_a_denominator_of_zero_gives_a_finite_score(form):
    assert stability(torch.zeros(1, 3, 8), form).eq(0).all()


# --- the selection ------------------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 5), st.data())
def test_of_equal_scores_those_of_lower_index_are_selected(seed, patches, levels, data):
    steps = np.random.default_rng(seed).integers(-levels, levels + 1, (2, patches, 6))
    scores = np.where(steps == levels, np.inf, np.where(steps == -levels, -np.inf, steps))
    counts = data.draw(st.lists(st.integers(1, patches), min_size=1, max_size=3))
    for count, found in zip(counts, select(torch.from_numpy(scores), counts), strict=True):
        order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
        expected = np.zeros(scores.shape, bool)
        np.put_along_axis(expected, order, True, axis=1)
        np.testing.assert_array_equal(found.transpose(1, 2), expected)


@pytest.mark.parametrize("count", [1, 7, 20, 35])
@pytest.mark.parametrize("channels", [48, 49])
def test_the_selection_is_that_of_a_stable_sort(count, channels, form, kernel, oracle):
    tokens = draw(3, 35, channels)
    expected = oracle.selected(oracle.scores(tokens.numpy(), form, kernel), count)
    (found,) = select(stability(tokens, form, kernel), [count])
    np.testing.assert_array_equal(found.transpose(1, 2), expected)
    votes = count_votes(found)
    np.testing.assert_array_equal(votes, expected.sum(axis=2))
    assert votes.sum(dim=1).eq(count * channels).all()
    assert votes.max() <= channels
    pooled = pool_selected(tokens.transpose(1, 2), found)
    means = (tokens.numpy() * expected).sum(axis=1) / count
    np.testing.assert_allclose(pooled, means, atol=1e-12)


def test_all_patches_are_the_mean_bit_for_bit(form, kernel):
    tokens = draw(2, 37, 48).float()
    channels = tokens.transpose(1, 2).contiguous()
    (found,) = select(stability(tokens, form, kernel), [37])
    assert torch.equal(pool_selected(channels, found), pool_mean(channels))
    assert count_votes(found).eq(48).all()
    np.testing.assert_allclose(pool_mean(channels), tokens.double().mean(dim=1), atol=1e-6)


@pytest.mark.parametrize("fill", [0.0, None], ids=["all zero", "all alike"])
def test_an_image_of_equal_patches_gives_the_votes_to_the_first(fill, form, kernel):
    # Of 37 and 150 patches, so that vectorised code has a rest whose bits might differ.
    for patches in (37, 150):
        one = draw(48, seed=patches).float() if fill is None else torch.full((48,), fill)
        tokens = one.expand(2, patches, 48).contiguous()
        (found,) = select(stability(tokens, form, kernel), [5])
        assert count_votes(found).tolist() == [[48] * 5 + [0] * (patches - 5)] * 2
        pooled = pool_selected(tokens.transpose(1, 2).contiguous(), found)
        np.testing.assert_allclose(pooled, tokens[:, 0], atol=1e-6)


def test_an_infinite_score_comes_first_and_a_negative_one_last():
    scores = torch.tensor([0.0, torch.inf, -torch.inf, 3.0, torch.inf])[None, :, None]
    found = [mask[0, 0].tolist() for mask in select(scores, [1, 2, 4])]
    assert found[0] == [False, True, False, False, False]
    assert found[1] == [False, True, False, False, True]
    assert found[2] == [True, True, False, True, True]
