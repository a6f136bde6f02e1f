"""Each channel selects the patches whose value is most stable under a filter (LaSt-ViT, section 4).

A patch's values are filtered along the channels by a Gaussian of frequency, whose deviation is
sqrt(D) frequencies for D channels. A stability score compares what was filtered with what was not,
and each channel selects the K patches of largest score; of equal ones those that come first.

Three forms of the score are in use. "released" is that of the training code, x / |f - x|, with x
the value and f the filtered one; "paper" is equation 5, f / (|f - x| + 1e-6); "plot-paper" is that
of the authors' plotting script, f / (f - x + 1e-6), and equals neither.

Two kernels are in use. "centred" has its peak at frequency 0. "released" has it at frequency -1 for
an even D, as the released code does; since values are real, that equals its even part.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SMALLEST = 1e-6
"""No denominator of a score is smaller."""


def pool_selected(channels: Tensor, selected: Tensor) -> Tensor:
    """Return the mean of the selected values in each channel, float (B, D).

    channels: float (B, D, N), the values of patches. selected: bool (B, D, N), as many in each
    channel. If all are selected the result is that of `pool_mean`, bit for bit.
    """
    count = selected[0, 0].sum()
    return torch.where(selected, channels, 0).sum(dim=-1) / count


def pool_mean(channels: Tensor) -> Tensor:
    """Return the mean over patches of each channel: float (B, D, N) to (B, D)."""
    return pool_selected(channels, torch.ones_like(channels, dtype=torch.bool))


def count_votes(selected: Tensor) -> Tensor:
    """Return how many channels select each patch: bool (B, D, N) to int64 (B, N)."""
    return selected.sum(dim=1)


def select(scores: Tensor, counts: Sequence[int]) -> Iterator[Tensor]:
    """Yield which patches each channel selects, for each count: bool (B, D, N).

    scores: float (B, N, D). counts: K, from 1 to N. The K patches of largest score are selected; of
    equal scores those of lower index.
    """
    # The K-th largest score is the same whatever a device does with equal scores. A selection by
    # the indices that a sort returns would differ between devices.
    channels = scores.detach().transpose(1, 2).contiguous()
    ascending = _sort(channels)
    for count in counts:
        least = ascending[..., -count, None]
        # Where the first score that is not selected is smaller, nothing stands to choose. A GPU is
        # not asked, as that would wait for all that is queued on it.
        if channels.is_cpu and not _is_tied(ascending, count):
            yield channels >= least
            continue
        above, equal = channels > least, channels == least
        missing = count - above.sum(dim=-1, keepdim=True, dtype=torch.int32)
        yield above | (equal & (equal.cumsum(dim=-1, dtype=torch.int32) <= missing))


def _is_tied(ascending: Tensor, count: int) -> bool:
    """Tell whether in any channel the last selected score equals the first that is not."""
    if count == ascending.shape[-1]:
        return False
    return bool((ascending[..., -count] == ascending[..., -count - 1]).any())


def _sort(values: Tensor) -> Tensor:
    """Sort along the last axis, ascending."""
    if values.is_cpu:
        # NumPy's sort is vectorised: on a processor with AVX-512 it took a twentieth of the time
        # of PyTorch 2.14's for rows of 256, and a seventh of `topk` for a single K of 49.
        return torch.from_numpy(np.sort(values.numpy(), axis=-1))
    return values.sort(dim=-1).values


def stability(tokens: Tensor, form: str = "released", kernel: str = "released") -> Tensor:
    """Return the stability scores of patches, float (B, N, D), none of which is NaN.

    tokens: float (B, N, D), patches after the final norm. form, kernel: as the top of this file
    explains them.
    """
    # In place where it can be, as most of the time goes into memory.
    filtered = smooth_channels(tokens, kernel)
    if form == "released":
        # The released code divides by what may be zero.
        scores = tokens / filtered.sub_(tokens).abs_().clamp_(min=SMALLEST)
    elif form == "paper":
        scores = filtered / (filtered - tokens).abs_().add_(SMALLEST)
    else:
        scores = filtered / (filtered - tokens).add_(SMALLEST)
    return scores.nan_to_num_(nan=torch.inf, posinf=torch.inf, neginf=-torch.inf)


def smooth_channels(tokens: Tensor, kernel: str = "released") -> Tensor:
    """Filter patches (B, N, D) along their channels by a Gaussian of frequency."""
    channels = tokens.shape[-1]
    gains = _gains_on(tokens.device, tokens.dtype, channels, kernel)
    filtered: Tensor = torch.fft.irfft(torch.fft.rfft(tokens) * gains, n=channels)
    return filtered


@lru_cache(maxsize=16)
def _gains_on(device: torch.device, dtype: torch.dtype, channels: int, kernel: str) -> Tensor:
    """Return `frequency_gains` as a tensor on a device."""
    # Kept, as a copy to CUDA waits for all that is queued there; and made as an ordinary tensor,
    # as one that is made in inference mode would be of no use in training.
    with torch.inference_mode(False):
        return torch.from_numpy(frequency_gains(channels, kernel)).to(device, dtype)


def frequency_gains(channels: int, kernel: str) -> NDArray[np.float64]:
    """Return by what each frequency is multiplied, float64 (channels // 2 + 1,), from 0 on.

    kernel: "centred" or "released", whose even part this is.
    """
    frequencies = np.arange(channels // 2 + 1, dtype=np.float64)

    def gaussian(offset: int) -> NDArray[np.float64]:
        return np.exp(-((frequencies + offset) ** 2) / (2 * channels))

    if kernel == "centred" or channels % 2:
        return gaussian(0)
    gains = (gaussian(1) + gaussian(-1)) / 2
    # The highest frequency of an even number stands alone, as -channels / 2.
    gains[-1] = gaussian(-1)[-1]
    return gains
