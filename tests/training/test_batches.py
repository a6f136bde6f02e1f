"""Batches are a function of seed and step, whoever prepares them."""

import multiprocessing
import os
import signal

import numpy as np
import pytest
import torch
from PIL import Image

from a2pipe.errors import A2pipeError
from a2pipe.training import batches as module
from a2pipe.training.batches import Augmentation, Images, augmented_batches

WAY = Augmentation(8, 0.08)


@pytest.fixture
def images(tmp_path) -> Images:
    paths = []
    for number in range(6):
        pixels = np.random.default_rng(number).integers(0, 255, (10, 12, 3))
        paths.append(str(tmp_path / f"{number}.png"))
        Image.fromarray(pixels.astype(np.uint8)).save(paths[-1])
    sizes = np.tile(np.array([[12, 10]], np.int64), (6, 1))
    return Images(tuple(paths), np.arange(6) % 2, sizes, ("",) * 6)


def drawn(images, steps, workers=0, seed=0):
    return [*augmented_batches(images, WAY, 4, seed, steps, workers)]


def same(one, other):
    pairs = zip(one, other, strict=True)
    return all(torch.equal(a, b) for left, right in pairs for a, b in zip(left, right, strict=True))


def test_batches_are_bytes_and_labels(images):
    ((pixels, labels), _) = drawn(images, range(2))
    assert (pixels.shape, pixels.dtype) == ((4, 3, 8, 8), torch.uint8)
    assert labels.dtype == torch.int64


def test_a_start_in_the_middle_draws_what_would_have_come(images):
    assert same(drawn(images, range(2, 5)), drawn(images, range(5))[2:])
    assert not same(drawn(images, range(2), seed=1), drawn(images, range(2)))


def test_processes_and_memory_change_no_bit(images, monkeypatch):
    kept = drawn(images, range(4))
    assert same(kept, drawn(images, range(4), workers=2))
    monkeypatch.setattr(module, "MOST_KEPT", 0)
    assert same(kept, drawn(images, range(4)))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_bad_image_is_one_sentence(images, workers):
    for path in images.paths:
        with open(path, "wb") as file:  # noqa: PTH123
            file.write(b"no image")
    with pytest.raises(A2pipeError, match=r"png cannot be trained on: .*; leave it out\.$"):
        drawn(images, range(1), workers)


def test_a_sigterm_to_all_processes_leaves_the_batches_to_the_training(images):
    whole = drawn(images, range(12))
    batches = augmented_batches(images, WAY, 4, 0, range(12), 2)
    found = [next(batches)]
    for process in multiprocessing.active_children():
        os.kill(process.pid, signal.SIGTERM)
    assert same([*found, *batches], whole)
