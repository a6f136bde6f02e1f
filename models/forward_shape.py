"""A table tells how many images go through a model in one pass, by its size and the device.

Matrix products round differently for another number of rows. So every pass of a model at a size
has one shape, and neither the batch that an image came in nor its place there changes a bit of its
result. The number is never found by a timing, which would give another one on another day.
"""

import math

MOST = 128
CUDA = {1024: 64, 1536: 32}
"""Images a pass of TOKENS tokens, by the least width of the models that it holds for. Twice as many
would fill up over 2 % of a run over a benchmark of 11,788 images."""
TOKENS = 256
FEWEST_ON_CUDA = 8
# Only these numbers of images: the rows of the products for the CLS token are images, and MKL's
# AVX2 kernels round rows differently by their place among 7, 8, 32, 64 or 128 (not among 2 to 6, 12
# or 16). Its AVX-512 kernels round all alike.
CPU = {170: 16, 600: 4, 2400: 2}
"""Images a pass on a CPU, by the most tokens of an image that they hold for; beyond, one."""


def images_a_pass(width: int, tokens: int, device: str) -> int:
    """Return how many images of one size a model takes in each pass, a power of two.

    width: of the model's tokens. tokens: of an image, with CLS and registers. device: the kind,
    "cpu", "cuda" or "mps".
    """
    if device == "cuda":
        return _on_cuda(width, tokens)
    if device == "mps":
        # Integrated GPUs have about an eighth of the cores of those that the table is made for.
        return _on_cuda(width, tokens) // 8
    # The least that costs under 2 % of the best rate, so that one image does not wait for many.
    return next((images for most, images in CPU.items() if tokens <= most), 1)


def _on_cuda(width: int, tokens: int) -> int:
    """Return as many images as keep a large GPU busy, whose memory may turn out to be too small."""
    full = next((images for least, images in reversed(CUDA.items()) if width >= least), MOST)
    return min(MOST, max(FEWEST_ON_CUDA, nearest_power(full * TOKENS / tokens)))


def nearest_power(value: float) -> int:
    """Return the power of two that is nearest to a value by its logarithm, at least 1."""
    return 1 << max(0, round(math.log2(value)))
