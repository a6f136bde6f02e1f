"""What is learnt: to know a glyph again on another background, and to draw it clean."""

from typing import Protocol

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional

from .views import Sources, ViewRecipe, contrasting_colours, draw_layer, draw_masks, paste

TEMPERATURE = 0.2
CURRICULUM = 0.5
THUMBNAIL_WEIGHT = 2.0
GLYPH_SIDE = 8
THUMBNAIL_SIDE = 6


class Objective(Protocol):
    """A loss over freshly drawn views; `head` holds what is trained beside the network."""

    sources: Sources
    head: nn.Module
    views_per_step: int

    def loss(self, network: VisionTransformer, progress: float, rng: torch.Generator) -> Tensor:
        """The loss of one batch at `progress` (0..1 of the schedule)."""
        ...


class BackgroundSwap:
    """SimCLR (arXiv:2002.05709, eq. 1) whose paired views share only a glyph and its colour."""

    def __init__(self, sources: Sources, dim: int, pairs: int = 96) -> None:
        self.sources, self.pairs, self.views_per_step = sources, pairs, 2 * pairs
        self.head: nn.Module = nn.Sequential(
            nn.Linear(dim, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 96)
        )

    def loss(self, network: VisionTransformer, progress: float, rng: torch.Generator) -> Tensor:
        """Normalised-temperature cross entropy over the batch; ln(2 pairs - 1) means collapse."""
        recipe = curriculum(progress)
        masks = draw_masks(self.sources, self.pairs, recipe.digit_share, rng)
        layers = [draw_layer(self.sources, masks, recipe, rng) for _ in range(2)]
        colours = contrasting_colours(layers, recipe.colour_distance, rng)
        views = [paste(layer, colours, recipe.colour_jitter, rng) for layer in layers]
        return contrastive_loss(self.head(network(torch.cat(views))))


class CleanGlyph:
    """Denoising: a linear layer on CLS draws the clean 8x8 glyph and a 6x6 thumbnail."""

    def __init__(self, sources: Sources, dim: int, batch: int = 64) -> None:
        self.sources, self.views_per_step = sources, batch
        self.recipe = ViewRecipe(
            glyph_sizes=(12.0, 58.0), overhang=0.1, rotation=0.1, digit_share=0.85
        )
        digits = _shrink(sources.masks[: sources.digits], GLYPH_SIDE)
        self.mean, self.scale = digits.mean(0), digits.var(0).mean().sqrt()
        self.head: nn.Module = nn.Linear(dim, GLYPH_SIDE**2 + 3 * THUMBNAIL_SIDE**2)

    def loss(self, network: VisionTransformer, progress: float, rng: torch.Generator) -> Tensor:
        """Squared error of the glyph in units of digit variance, plus that of the thumbnail."""
        del progress
        masks = draw_masks(self.sources, self.views_per_step, self.recipe.digit_share, rng)
        layer = draw_layer(self.sources, masks, self.recipe, rng)
        colours = contrasting_colours([layer], self.recipe.colour_distance, rng)
        views = paste(layer, colours, self.recipe.colour_jitter, rng)
        drawn = self.head(network(views)).float()
        glyph = (_shrink(masks, GLYPH_SIDE) - self.mean) / self.scale
        thumbnail = 2 * _shrink(views, THUMBNAIL_SIDE)
        return functional.mse_loss(drawn[:, : GLYPH_SIDE**2], glyph) + (
            THUMBNAIL_WEIGHT * functional.mse_loss(drawn[:, GLYPH_SIDE**2 :], thumbnail)
        )


def curriculum(progress: float) -> ViewRecipe:
    """From large steady glyphs on grey to the full task, over the first half of the schedule."""
    ramp = min(1.0, progress / CURRICULUM)
    return ViewRecipe(
        glyph_sizes=(40.0 - 14.0 * ramp, 46.0),
        rotation=0.15 * ramp,
        photo_contrast=0.1 + 0.9 * ramp,
        colour_jitter=0.06 * ramp,
    )


def contrastive_loss(projected: Tensor) -> Tensor:
    """NT-Xent of 2n projections (2n, d), row i paired with row i + n."""
    unit = functional.normalize(projected.float(), dim=1)
    similarity = unit @ unit.T / TEMPERATURE
    similarity.fill_diagonal_(-torch.inf)
    pair = torch.arange(len(unit), device=unit.device).roll(len(unit) // 2)
    return functional.cross_entropy(similarity, pair)


def _shrink(images: Tensor, side: int) -> Tensor:
    """Block means, flattened to (b, channels * side * side)."""
    return functional.adaptive_avg_pool2d(images, side).flatten(1)
