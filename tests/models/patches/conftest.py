"""Oracles in float64 numpy, written from the published procedure alone."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def positions(channels: int, kernel: str) -> NDArray[np.int64]:
    """The places at which the Gaussian is taken, against the spectrum with 0 in the middle."""
    if kernel == "released":
        return np.arange(-channels // 2 + 1, channels // 2 + 1)
    return np.arange(-(channels // 2), (channels + 1) // 2)


def by_fft(tokens: Floats, kernel: str) -> Floats:
    """The filter step by step: transform, shift, multiply, shift back, transform back, real."""
    channels = tokens.shape[-1]
    gains = np.exp(-(positions(channels, kernel) ** 2) / (2 * channels))
    spectrum = np.fft.fftshift(np.fft.fft(tokens, axis=-1), axes=-1) * gains
    return np.fft.ifft(np.fft.ifftshift(spectrum, axes=-1), axis=-1).real


def circulant(channels: int, kernel: str) -> Floats:
    """The filter as one D x D matrix, whose entries are sums of cosines and no FFT."""
    frequencies = np.arange(-(channels // 2), (channels + 1) // 2)
    gains = np.exp(-(positions(channels, kernel) ** 2) / (2 * channels))
    apart = np.arange(channels)[:, None] - np.arange(channels)[None]
    turns = np.exp(2j * np.pi * frequencies * apart[..., None] / channels)
    return (turns @ gains).real / channels


def scores(tokens: Floats, form: str, kernel: str) -> Floats:
    """The stability scores (..., N, D), by the circulant matrix."""
    filtered = tokens @ circulant(tokens.shape[-1], kernel).T
    if form == "released":
        return tokens / np.maximum(np.abs(filtered - tokens), 1e-6)
    if form == "paper":
        return filtered / (np.abs(filtered - tokens) + 1e-6)
    return filtered / (filtered - tokens + 1e-6)


def selected(values: Floats, count: int) -> NDArray[np.bool_]:
    """Which of (B, N, D) are among the `count` first of a stable sort over N, largest first."""
    order = np.argsort(-values, axis=1, kind="stable")[:, :count]
    chosen = np.zeros(values.shape, bool)
    np.put_along_axis(chosen, order, True, axis=1)
    return chosen


def cosine(tokens: Floats, vector: Floats) -> Floats:
    """The cosine of (B, N, D) with (B, D): (B, N)."""
    lengths = np.linalg.norm(tokens, axis=-1) * np.linalg.norm(vector, axis=-1)[:, None]
    return np.einsum("bnd,bd->bn", tokens, vector) / lengths


@pytest.fixture
def oracle() -> SimpleNamespace:
    """The functions of this file."""
    return SimpleNamespace(
        by_fft=by_fft, circulant=circulant, scores=scores, selected=selected, cosine=cosine
    )


@pytest.fixture(params=["released", "paper", "plot-paper"])
def form(request: pytest.FixtureRequest) -> str:
    """Every form of the score in turn."""
    return str(request.param)


@pytest.fixture(params=["released", "centred"])
def kernel(request: pytest.FixtureRequest) -> str:
    """Every kernel in turn."""
    return str(request.param)
