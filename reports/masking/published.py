"""The published curves of the masking probe, read off the figure (LaSt-ViT, arXiv 2602.22394)."""

from .probe import Curve, MaskingProbe

MASKED = (0, 28, 56, 84, 112, 140, 168)
READ_OFF = {
    "highest": (81.1, 81.0, 81.0, 80.9, 80.9, 79.0, 62.0),
    "random": (81.1, 81.0, 80.0, 75.7, 68.1, 56.5, 34.9),
    "lowest": (81.1, 59.2, 48.5, 30.6, 15.8, 8.6, 3.9),
}
"""It has the top-1 accuracy in % by order, read off to about half a point, of a supervised ViT-B/16
on ImageNet's validation images with so many of 196 patches masked."""
CLAIM = (
    "The paper's claim for a supervised ViT-B/16 is that masking up to 70 % of the patches, those "
    "of the highest score first, does not hurt accuracy and even can improve it; its curves are "
    "read off the figure to about 0.5 points, and what it fills masked patches with is not said."
)


def is_published(probe: MaskingProbe, curve: Curve) -> bool:
    """Tell whether a curve is of the setting that the paper's figure is of."""
    return (
        probe.dataset.startswith("imagenet")
        and (probe.image_size, probe.geometry) == (224, "short-256")
        and (curve.patches, curve.head, curve.score) == (196, "own", "patch-score:cls")
        and curve.model.startswith("vit_base_patch16_224")
        and not any(word in curve.model for word in ("clip", "dino", "mae", "siglip"))
    )
