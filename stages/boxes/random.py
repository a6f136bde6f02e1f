"""The baseline "random:SEED" places squares at random, as a control for the size of crops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..geometry import Canvas
from . import squares
from .box import Boxes, BoxSpec, NamedBoxes


@dataclass(frozen=True)
class RandomBox(BoxSpec):
    """A RandomBox is a square placed uniformly among the positions off `previous`.

    The draw depends on the seed, the image's digest, the canvas, the size and the number of
    previous boxes alone, so that it is the same in any batch and any order.
    """

    form: ClassVar[str] = "random, random:SEED"
    option: ClassVar[str] = r"\d*"
    needs_sizes: ClassVar[bool] = True

    size: int
    canvas: int
    seed: int
    previous: RandomBox | None = None
    geometry: str = "squash"
    kind: str = "random"

    @classmethod
    def named(cls, option: str, canvas: Canvas, sizes: tuple[int, ...], *_: Any) -> NamedBoxes:
        seed, crops = int(option or 0), "+".join(map(str, sizes))
        chain: list[RandomBox] = []
        for size in sizes:
            previous = chain[-1] if chain else None
            chain.append(cls(size, canvas.side, seed, previous, canvas.geometry))
        label = f"random crops, {crops} px, seed {seed}"
        return NamedBoxes(f"random:{seed}/{crops}", label, tuple(chain), crops=sizes)

    def place(self, images: Sequence[str], previous: NDArray[Any] | None, *_: Any) -> Boxes:
        squares.check_size(self.size, self.canvas)
        taken = squares.by_image(previous, len(images))
        drawn = [self._drawn(*each) for each in zip(images, taken, strict=True)]
        return np.array(drawn, np.int32).reshape(-1, 4)

    @property
    def name(self) -> str:
        return f"random crop {len(self.chain) + 1}, {self.size} px"

    def _drawn(self, image: str, taken: list[squares.Square]) -> squares.Square:
        corners = self.canvas - self.size + 1
        free = np.ones((corners, corners), dtype=np.bool_)
        for square in taken:
            free[squares.intersecting(square, self.size)] = False
        places = np.flatnonzero(free)
        if not len(places):
            raise squares.no_room(self.size, self.canvas, taken, image)
        draw = self._generator(image, len(taken)).integers(len(places))
        return squares.at(int(places[draw]), self.size, self.canvas)

    def _generator(self, image: str, order: int) -> np.random.Generator:
        """Return a generator for one draw alone, seeded by a text that says what is drawn."""
        text = (
            f"random box {order} of {self.size} on {self.canvas}, seed {self.seed}, image {image}"
        )
        entropy = int.from_bytes(sha256(text.encode()).digest(), "big")
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))
