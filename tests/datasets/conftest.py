"""Image files for the tests of the loaders."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a small image under the test's folder; its content depends on its path unless given."""

    def at(path: str, size: tuple[int, int] = (4, 3), content: str | None = None) -> Path:
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        seed = list((content or path).encode())
        pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
        Image.fromarray(pixels).save(target)
        return target

    return at
