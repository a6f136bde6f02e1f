"""Batches of augmented images, each of which is a pure function of seed and step."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..errors import A2pipeError, BadImageError
from ..stages.pixels import decode
from .draws import drawing, samples_of_step

MOST_KEPT = 1 << 28
"""Decoded images are kept in memory if all of them together have at most so many bytes."""
GRACE = 20
"""Seconds for which processes that prepare batches go on after a SIGTERM."""

Key = tuple[int, int]
"""The step and the number of the sample."""


@dataclass(frozen=True)
class Images:
    """Images are the samples that a network is trained on.

    paths: of their files. labels: int64 (n,). sizes: int64 (n, 2), width and height in pixels.
    digests: of the files' bytes, or "".
    """

    paths: tuple[str, ...]
    labels: NDArray[np.int64]
    sizes: NDArray[np.int64]
    digests: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.paths)


@dataclass(frozen=True)
class Augmentation:
    """An Augmentation crops an image at random, resizes the crop and flips it half of the time.

    The crop has an aspect ratio of 3/4 to 4/3, and it is resized bilinearly.

    side: of the result in pixels. area: least share of the image's area that the crop has.
    """

    side: int
    area: float


def augmented_batches(
    images: Images, way: Augmentation, batch: int, seed: int, steps: range, workers: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the batches of these steps: uint8 (batch, 3, side, side) and int64 (batch,), labels.

    workers: processes that prepare batches; 0 is this one. It changes no bit. A SIGTERM that they
    get too does not end them before the training that reads them.

    Raises A2pipeError for an image that cannot be read.
    """
    keys = _Keys(len(images), batch, seed, steps)
    loader: DataLoader[Any] = DataLoader(
        _Augmented(images, way, seed),
        batch_sampler=keys,
        num_workers=workers,
        worker_init_fn=_outlive_sigterm,
        collate_fn=_collate,
        pin_memory=torch.cuda.is_available(),
    )
    for found in loader:
        if isinstance(found, str):
            raise A2pipeError(found)
        yield found


def _outlive_sigterm(_: int) -> None:
    """Let a process of the loader end only some seconds after a SIGTERM."""
    # Slurm and `timeout` send it to these processes too. PyTorch (2.14) ends the whole training as
    # soon as one of them is killed, before a checkpoint is written. The signal is not ignored for
    # good, as multiprocessing sends it to what is left at its own end, and waits.
    signal.signal(signal.SIGTERM, lambda *_: signal.alarm(GRACE))


class _Keys:
    """They are the keys of a batch for each step."""

    def __init__(self, count: int, batch: int, seed: int, steps: range) -> None:
        self._count, self._batch, self._seed, self._steps = count, batch, seed, steps

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self) -> Iterator[list[Key]]:
        for step in self._steps:
            samples = samples_of_step(step, self._batch, self._count, self._seed).tolist()
            yield [(step, sample) for sample in samples]


class _Augmented(Dataset[Any]):
    """It gives the images of keys, augmented, with labels; a sentence where one cannot be read.

    An error raised in a process of the loader would come out with a traceback in its message.
    """

    def __init__(self, images: Images, way: Augmentation, seed: int) -> None:
        from torchvision.transforms import v2

        self._images, self._seed = images, seed
        crop = v2.RandomResizedCrop(way.side, scale=(way.area, 1), antialias=True)
        self._augment = v2.Compose([crop, v2.RandomHorizontalFlip()])
        self._kept: dict[int, NDArray[np.uint8]] | None = None
        if 3 * int(images.sizes.prod(axis=1).sum()) <= MOST_KEPT:
            self._kept = {}

    def __getitems__(self, keys: Sequence[Key]) -> list[tuple[Tensor, int] | str]:
        """Return the images of a batch, whose keys are of one step."""
        # Seeding the generator takes as long as a crop, so a batch is drawn at once.
        with drawing("augment", self._seed, keys[0][0]):
            return [self._item(sample) for _, sample in keys]

    def _item(self, sample: int) -> tuple[Tensor, int] | str:
        try:
            pixels = self._pixels(sample)
        except BadImageError as error:
            return f"{self._images.paths[sample]} cannot be trained on: {error}; leave it out."
        except A2pipeError as error:
            return str(error)
        image = self._augment(torch.from_numpy(pixels).permute(2, 0, 1))
        return image, int(self._images.labels[sample])

    def _pixels(self, sample: int) -> NDArray[np.uint8]:
        if self._kept is not None and sample in self._kept:
            return self._kept[sample]
        digest = self._images.digests[sample] or None
        pixels = decode(self._images.paths[sample], digest=digest)
        if self._kept is not None:
            self._kept[sample] = pixels
        return pixels


def _collate(items: Sequence[tuple[Tensor, int] | str]) -> tuple[Tensor, Tensor] | str:
    images, labels = [], []
    for item in items:
        if isinstance(item, str):
            return item
        images.append(item[0])
        labels.append(item[1])
    return torch.stack(images), torch.tensor(labels)
