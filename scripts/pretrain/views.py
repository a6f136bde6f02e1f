"""Training views: glyphs pasted on photo windows, a whole batch at once in torch."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from a2pipe.datasets.demo.source import PHOTOS, digit_masks, photo_half, pretrain_digits

from .glyphs import procedural_glyphs

PROCEDURAL_GLYPHS = 2500
COLOUR_CANDIDATES = 12


@dataclass(frozen=True)
class Sources:
    """What views are made of.

    `masks` is float (n, 1, 32, 32), the first `digits` of them digits; `photos` is uint8
    (t, h, w, 3), padded; `extents` is (t, 2), the true height and width of each.
    """

    masks: Tensor
    digits: int
    photos: Tensor
    extents: Tensor


@dataclass(frozen=True)
class ViewRecipe:
    """How views are drawn: lengths in pixels, rotation in radians, colours in [0, 1].

    `overhang` is how far a glyph may leave the canvas, as a fraction of its size.
    """

    canvas: int = 48
    glyph_sizes: tuple[float, float] = (26.0, 46.0)
    overhang: float = 0.0
    rotation: float = 0.15
    digit_share: float = 0.3
    photo_contrast: float = 1.0
    colour_distance: float = 0.4
    colour_jitter: float = 0.06


@dataclass(frozen=True)
class Layer:
    """One batch of backgrounds (b, 3, c, c) with the alpha of its glyphs (b, 1, c, c)."""

    photo: Tensor
    alpha: Tensor


def load_sources(scales: tuple[float, ...], device: torch.device) -> Sources:
    """Pretraining material only: reserved digits, procedural glyphs, right photo halves."""
    digits = digit_masks().alpha[pretrain_digits()]
    masks = np.concatenate([digits, procedural_glyphs(PROCEDURAL_GLYPHS)])
    halves = [image for photo in PHOTOS for image in photo_half(photo, "right", scales)]
    extents = torch.tensor([image.shape[:2] for image in halves])
    photos = torch.zeros(len(halves), *extents.amax(0).tolist(), 3, dtype=torch.uint8)
    for padded, image in zip(photos, halves, strict=True):
        padded[: image.shape[0], : image.shape[1]] = torch.from_numpy(image.copy())
    stacked = torch.from_numpy(masks)[:, None]
    return Sources(stacked.to(device), len(digits), photos.to(device), extents.to(device))


def draw_masks(sources: Sources, count: int, share: float, rng: torch.Generator) -> Tensor:
    """Glyph masks (count, 1, 32, 32), each a digit with probability `share`."""
    total, digits = len(sources.masks), sources.digits
    chance = _uniform((3, count), sources.masks.device, rng)
    digit = (chance[0] * digits).long()
    other = digits + (chance[1] * (total - digits)).long()
    return sources.masks[torch.where(chance[2] < share, digit, other)]


def draw_layer(sources: Sources, masks: Tensor, recipe: ViewRecipe, rng: torch.Generator) -> Layer:
    """A fresh background, and a fresh place, size and rotation for each glyph."""
    photo = photo_windows(sources, len(masks), recipe.canvas, rng)
    photo = 0.5 + recipe.photo_contrast * (photo - 0.5)
    return Layer(photo, place_glyphs(masks, recipe, rng))


def photo_windows(sources: Sources, count: int, canvas: int, rng: torch.Generator) -> Tensor:
    """Random squares of the photo halves, mirrored or not: (count, 3, canvas, canvas) in [0, 1]."""
    chance = _uniform((4, count), sources.photos.device, rng)
    which = (chance[0] * len(sources.photos)).long()
    corner = (chance[1:3].T * (sources.extents[which] - canvas + 1)).long()
    steps = torch.arange(canvas, device=which.device)
    columns = torch.where(chance[3, :, None] < 0.5, steps, steps.flip(0)) + corner[:, 1:]
    rows = steps + corner[:, :1]
    window = sources.photos[which[:, None, None], rows[:, :, None], columns[:, None, :]]
    return window.permute(0, 3, 1, 2).float() / 255


def place_glyphs(masks: Tensor, recipe: ViewRecipe, rng: torch.Generator) -> Tensor:
    """Alpha (b, 1, canvas, canvas) of glyphs under a random similarity transform."""
    chance = _uniform((4, len(masks)), masks.device, rng)
    low, high = recipe.glyph_sizes
    size = low + (high - low) * chance[0]
    reach = (recipe.canvas - size).abs() / 2 + recipe.overhang * size
    shift = (2 * chance[1:3] - 1) * reach * 2 / recipe.canvas
    angle = (2 * chance[3] - 1) * recipe.rotation
    theta = _inverse_similarity(size / recipe.canvas, angle, shift)
    shape = [len(masks), 1, recipe.canvas, recipe.canvas]
    grid = functional.affine_grid(theta, shape, align_corners=False)
    return functional.grid_sample(masks, grid, align_corners=False)


def contrasting_colours(layers: list[Layer], distance: float, rng: torch.Generator) -> Tensor:
    """Colours (b, 3) in [0, 1] at least `distance` from what the glyph covers in every layer.

    Where no candidate is that far, the farthest.
    """
    batch, device = len(layers[0].photo), layers[0].photo.device
    candidates = _uniform((batch, COLOUR_CANDIDATES, 3), device, rng)
    covered = torch.stack([_covered_mean(layer) for layer in layers], 1)
    nearest = torch.cdist(candidates, covered).amin(2)
    first_to_pass = nearest.clamp(max=distance).argmax(1)
    return candidates[torch.arange(batch, device=device), first_to_pass]


def paste(layer: Layer, colours: Tensor, jitter: float, rng: torch.Generator) -> Tensor:
    """Views (b, 3, c, c) in [-1, 1]; each glyph's colour is jittered, its opacity 0.8 to 1."""
    batch, device = len(colours), colours.device
    noise = torch.randn((batch, 3), generator=rng, device=device) * jitter
    opacity = 0.8 + 0.2 * _uniform((batch, 1, 1, 1), device, rng)
    weight = layer.alpha * opacity
    colour = (colours + noise).clamp(0, 1)[:, :, None, None]
    return (layer.photo * (1 - weight) + colour * weight) * 2 - 1


def _covered_mean(layer: Layer) -> Tensor:
    """Mean photo colour (b, 3) under the glyph."""
    weight = layer.alpha / layer.alpha.sum((2, 3), keepdim=True).clamp(min=1e-3)
    return (layer.photo * weight).sum((2, 3))


def _inverse_similarity(scale: Tensor, angle: Tensor, shift: Tensor) -> Tensor:
    """Affine maps (b, 2, 3) from view to mask coordinates, both in [-1, 1]."""
    cosine, sine = angle.cos() / scale, angle.sin() / scale
    x, y = shift
    rows = [cosine, -sine, sine * y - cosine * x, sine, cosine, -sine * x - cosine * y]
    return torch.stack(rows, 1).reshape(-1, 2, 3)


def _uniform(shape: tuple[int, ...], device: torch.device, rng: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=rng, device=device)
