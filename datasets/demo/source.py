"""Make the demo's images: digits as alpha masks, pasted on two photographs.

Both come with scikit-learn: `load_digits` and `load_sample_images`.

Pretraining of the demo's models and their evaluation share neither a digit instance nor a photo
half. A fixed permutation gives the first 898 digits to pretraining and the other 899 to evaluation;
the right half of each photo is for pretraining, the left half for evaluation.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Half: TypeAlias = Literal["left", "right"]
Box: TypeAlias = tuple[int, int, int, int]

# Another value of any of these makes another collection, and other models than those that ship.
PHOTOS = ("china", "flower")
SCALES = (0.6, 0.8, 1.0)
MASK_SIZE = 32
PRETRAIN_DIGITS = 898
TRAIN_DIGITS = 539
RESERVATION_SEED = 20240
BOX_ALPHA = 0.3


@dataclass(frozen=True)
class DigitMasks:
    """DigitMasks are n digit instances.

    alpha: float32, (n, 32, 32), in [0, 1].
    label: int64, (n,), the digit, 0 to 9.
    """

    alpha: NDArray[np.float32]
    label: NDArray[np.int64]


@dataclass(frozen=True)
class DigitSplit:
    """A DigitSplit has the evaluation digits by split, as int64 indices into `digit_masks()`.

    train: those that a head is fitted on.
    test: those that it is scored on.
    """

    train: NDArray[np.int64]
    test: NDArray[np.int64]


@dataclass(frozen=True)
class CompositeRecipe:
    """A CompositeRecipe says how a glyph is pasted.

    image_size: side of the image in pixels.
    glyph_sizes: smallest and largest side of the glyph in pixels.
    offset: least distance between the glyph's centre and the middle of the image, as a fraction of
        `image_size`.
    contrast: least Euclidean distance in RGB, of values in [0, 1], from the mean of the pixels that
        the glyph covers.
    opacity: smallest and largest weight of the glyph's colour, in [0, 1].
    """

    image_size: int = 96
    glyph_sizes: tuple[int, int] = (26, 40)
    offset: float = 0.2
    contrast: float = 0.4
    opacity: tuple[float, float] = (0.8, 1.0)


@dataclass(frozen=True)
class Composite:
    """A Composite is a rendered image.

    image: uint8 RGB, (size, size, 3).
    box: the tight box (x0, y0, x1, y1) of its glyph in pixels, half-open.
    """

    image: NDArray[np.uint8]
    box: Box


@cache
def digit_masks() -> DigitMasks:
    """Return all 1,797 digits of `sklearn.datasets.load_digits`, in its order, as alpha masks."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    alpha = np.stack([_alpha_mask(image) for image in digits.images])
    return DigitMasks(alpha, digits.target.astype(np.int64))


def pretrain_digits() -> NDArray[np.int64]:
    """Return the indices of the 898 instances that only pretraining and its validation may use."""
    return _reservation()[:PRETRAIN_DIGITS]


def evaluation_digits() -> NDArray[np.int64]:
    """Return the indices of the 899 instances that only the evaluation collection may use."""
    return _reservation()[PRETRAIN_DIGITS:]


def split_digits(split_seed: int) -> DigitSplit:
    """Deal the evaluation instances to 539 for training a head and 360 for testing it."""
    dealt = np.random.default_rng(split_seed).permutation(evaluation_digits())
    return DigitSplit(dealt[:TRAIN_DIGITS], dealt[TRAIN_DIGITS:])


@cache
def photo_half(
    photo: str, half: Half, scales: tuple[float, ...] = SCALES
) -> tuple[NDArray[np.uint8], ...]:
    """Return one half of `china` or `flower` at each scale, uint8 RGB, (height, width, 3)."""
    from sklearn.datasets import load_sample_images

    whole = load_sample_images().images[PHOTOS.index(photo)]
    middle = whole.shape[1] // 2
    part = Image.fromarray(whole[:, :middle] if half == "left" else whole[:, middle:])
    return tuple(_rescale(part, scale) for scale in scales)


def photo_crop(photo: str, half: Half, size: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a random square of a photo's half at a random scale, mirrored half of the time.

    It is float32, (size, size, 3), in [0, 1].
    """
    # The order of the draws is part of every demo collection: other pixels would follow from any
    # other order.
    source = photo_half(photo, half)[rng.integers(len(SCALES))]
    top = rng.integers(source.shape[0] - size + 1)
    left = rng.integers(source.shape[1] - size + 1)
    square = source[top : top + size, left : left + size]
    flipped = square[:, ::-1] if rng.random() < 0.5 else square
    return flipped.astype(np.float32) / np.float32(255)


def composite(
    mask: NDArray[np.float32],
    background: NDArray[np.float32],
    rng: np.random.Generator,
    recipe: CompositeRecipe | None = None,
) -> Composite:
    """Paste a glyph, off-centre and in a contrasting colour, on a background.

    mask: the glyph's alpha, float32, square, in [0, 1].
    background: float32, (size, size, 3), in [0, 1].
    recipe: how to paste; the default recipe if it is None.
    """
    recipe = recipe or CompositeRecipe()
    glyph = resize_mask(mask, int(rng.integers(recipe.glyph_sizes[0], recipe.glyph_sizes[1] + 1)))
    alpha = _place(glyph, rng, recipe)
    colour = _contrasting_colour(background, alpha, rng, recipe.contrast)
    weight = alpha[..., None] * np.float32(rng.uniform(*recipe.opacity))
    pasted = background * (1 - weight) + colour * weight
    return Composite(np.round(pasted * 255).astype(np.uint8), tight_box(alpha))


def resize_mask(mask: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Return a mask at another size, float32, (size, size), in [0, 1], by bicubic interpolation."""
    resized = Image.fromarray(mask).resize((size, size), Image.Resampling.BICUBIC)
    # Bicubic interpolation overshoots at edges.
    return np.clip(np.asarray(resized, np.float32), 0, 1)


def tight_box(alpha: NDArray[np.float32]) -> Box:
    """Return the smallest half-open box (x0, y0, x1, y1) with every pixel of alpha above 0.3."""
    rows, columns = np.nonzero(alpha > BOX_ALPHA)
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def _alpha_mask(image: NDArray[np.float64]) -> NDArray[np.float32]:
    """Turn 8 x 8 grey levels from 0 to 16 into a mask of 32 x 32 with a margin and soft edges."""
    padded = np.pad(image, 1).astype(np.float32) / np.float32(16)
    sharpened = (resize_mask(padded, MASK_SIZE) - 0.25) / 0.35
    return np.asarray(np.clip(sharpened, 0, 1), np.float32)


@cache
def _reservation() -> NDArray[np.int64]:
    count = len(digit_masks().label)
    order: NDArray[np.int64] = np.random.default_rng(RESERVATION_SEED).permutation(count)
    return order


def _rescale(image: Image.Image, scale: float) -> NDArray[np.uint8]:
    size = round(image.width * scale), round(image.height * scale)
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS), np.uint8)


def _place(
    glyph: NDArray[np.float32], rng: np.random.Generator, recipe: CompositeRecipe
) -> NDArray[np.float32]:
    """Return the glyph on an empty canvas, off-centre as the recipe asks."""
    size, side = recipe.image_size, len(glyph)
    while True:
        x, y = rng.integers(size - side + 1, size=2)
        centre = np.array([x, y]) + side / 2
        if np.linalg.norm(centre - size / 2) >= recipe.offset * size:
            break
    alpha = np.zeros((size, size), np.float32)
    alpha[y : y + side, x : x + side] = glyph
    return alpha


def _contrasting_colour(
    background: NDArray[np.float32],
    alpha: NDArray[np.float32],
    rng: np.random.Generator,
    contrast: float,
) -> NDArray[np.float32]:
    """Draw an RGB colour at least `contrast` from the mean of what the glyph will cover."""
    covered = np.average(background.reshape(-1, 3), axis=0, weights=alpha.ravel())
    while True:
        colour = rng.random(3, dtype=np.float32)
        if np.linalg.norm(colour - covered) >= contrast:
            return colour
