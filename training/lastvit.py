"""Train a classifier from scratch by LaSt-ViT's recipe (arXiv 2602.22394)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ..models.classifiers.network import Classifier
from ..models.classifiers.saving import backbone_bytes, head_bytes
from ..models.preprocessing import normalize
from ..models.zoo.model_entry import IMAGENET
from .batches import Augmentation, Images, augmented_batches
from .measuring import Shown, measure
from .writing import write_file

BACKBONE, HEAD = "backbone.safetensors", "head.safetensors"


@dataclass(frozen=True)
class LastViT:
    """A LastViT is the training of one classifier with cross-entropy; the loop runs it.

    classifier: on the device that computes. images: that it is trained on. shown: those that it is
    measured on. classes: their names. batch: images a step. area: least share of an image that is
    cropped from it. seed: of order and augmentation. workers: processes that prepare batches.
    """

    classifier: Classifier
    images: Images
    shown: Shown
    classes: tuple[str, ...]
    batch: int
    area: float
    seed: int
    workers: int

    @property
    def learnt(self) -> nn.Module:
        """Return the classifier."""
        return self.classifier

    def batches(self, start: int, stop: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield augmented images, uint8 (batch, 3, side, side), and labels of each step."""
        way = Augmentation(self.classifier.design.side, self.area)
        steps = range(start, stop)
        yield from augmented_batches(self.images, way, self.batch, self.seed, steps, self.workers)

    def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Return the cross-entropy of a batch."""
        images, labels = (each.to(self._device, non_blocking=True) for each in batch)
        return cross_entropy(self.classifier(normalize(images.float() / 255, *IMAGENET)), labels)

    def measure(self, may_stop: Callable[[], None]) -> Mapping[str, float]:
        """Return what `measuring.measure` finds."""
        return measure(self.classifier, self.shown, may_stop)

    def export(self, folder: Path) -> None:
        """Write the trunk as weights of a backbone, and the head beside it."""
        write_file(folder / BACKBONE, backbone_bytes(self.classifier))
        write_file(folder / HEAD, head_bytes(self.classifier, self.classes))

    @property
    def _device(self) -> torch.device:
        return self.classifier.head.weight.device
