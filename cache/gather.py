"""Rows of a fingerprint are reused from its other row folders, found there by image digest."""

from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import A2pipeError, DamagedError, NotCachedError
from .artifact import Artifact
from .layout import ArrayField, Layout
from .status import OK, PENDING
from .stores.protocol import Arrays

Rows = NDArray[np.int64]

KEPT_BYTES = 1 << 30
"""So much of what is read from other row folders stays in memory, unless said otherwise."""


class Gathered:
    """A Gathered finds and reads rows of images in other row folders of the same fingerprint.

    Rows that are bad there are not offered: they are tried again. A shard is read and checked once,
    and kept while the shards kept sum up to less than `kept_bytes`, so that rows wanted shard after
    shard do not have it read again and again.

    siblings: the other artifacts. images: the digests of the rows that are wanted.
    """

    def __init__(
        self, siblings: Sequence[Artifact], images: Sequence[str], kept_bytes: int = KEPT_BYTES
    ) -> None:
        self._siblings = _alike(siblings)
        self._images = tuple(images)
        self._sibling, self._row = _find(self._siblings, self._images)
        self._kept: OrderedDict[tuple[int, int], Arrays] = OrderedDict()
        self._room = kept_bytes
        self._damaged: set[tuple[int, int]] = set()

    @property
    def offered(self) -> NDArray[np.bool_]:
        """Return whether the row of each image asked for is available, (n,)."""
        return self._row >= 0

    @cached_property
    def available(self) -> frozenset[str]:
        """Return the images whose good row lies in a finished shard elsewhere."""
        return frozenset(self._positions)

    @cached_property
    def _positions(self) -> dict[str, int]:
        """Return the place of each available image among those asked for."""
        return {self._images[i]: i for i in np.flatnonzero(self.offered).tolist()}

    @property
    def fields(self) -> tuple[ArrayField, ...]:
        """Return the fields of the rows offered; none if there is no other row folder."""
        return self._siblings[0].fields if self._siblings else ()

    def read(self, images: Sequence[str]) -> tuple[Arrays, Any]:
        """Return rows of `images` in their order, (len(images), ...) by field, and their status.

        The status is (len(images),) uint8. A row that is OK was verified as it was read. One that
        is PENDING holds the fill value and has to be computed: it is not available, or where it lay
        turned out to be damaged or gone.
        """
        status = np.full(len(images), PENDING, np.uint8)
        arrays = {f.name: np.full((len(images), *f.shape), f.fill, f.dtype) for f in self.fields}
        for key, places in self._grouped(images).items():
            shard = self._shard(key)
            if shard is None:
                continue
            to, at = np.array(places).T
            good = shard["status"][at] == OK
            status[to[good]] = OK
            for name, array in arrays.items():
                array[to[good]] = shard[name][at[good]]
        return arrays, status

    def _grouped(self, images: Sequence[str]) -> dict[tuple[int, int], list[tuple[int, int]]]:
        """Group images by the sibling and shard of their rows: their positions, and rows there."""
        groups = defaultdict(list)
        for position, image in enumerate(images):
            at = self._positions.get(image)
            if at is not None:
                sibling, row = int(self._sibling[at]), int(self._row[at])
                shard, within = divmod(row, self._siblings[sibling].cut.shard_size)
                groups[sibling, shard].append((position, within))
        return groups

    def _shard(self, key: tuple[int, int]) -> Arrays | None:
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        if key in self._damaged:
            return None
        try:
            arrays = self._siblings[key[0]].read_shard(key[1])
        except (DamagedError, NotCachedError):  # another process may have dropped it meanwhile
            self._damaged.add(key)
            return None
        # Kept, while those that were used the longest ago are dropped to make room.
        self._kept[key] = arrays
        self._room -= _nbytes(arrays)
        while self._room < 0 and self._kept:
            self._room += _nbytes(self._kept.popitem(last=False)[1])
        return arrays


def _nbytes(arrays: Arrays) -> int:
    return sum(array.nbytes for array in arrays.values())


def _alike(siblings: Sequence[Artifact]) -> list[Artifact]:
    return [sibling for sibling in siblings if sibling.fields == siblings[0].fields]


def _find(siblings: Sequence[Artifact], images: tuple[str, ...]) -> tuple[Rows, Rows]:
    """Return for each image the first artifact that offers it and its row there, -1 where none."""
    which = np.full(len(images), -1, np.int64)
    rows = which.copy()
    for number, sibling in enumerate(siblings):
        there = _rows_in(sibling.layout, images)
        usable = (rows < 0) & (there >= 0)
        if usable.any():
            usable[usable] = _is_good(sibling)[there[usable]]
            which[usable], rows[usable] = number, there[usable]
    return which, rows


@lru_cache(maxsize=4)
def _rows_in(layout: Layout, images: tuple[str, ...]) -> Rows:
    """Return the row of each image in a layout, -1 where it has none.

    It is cached, as artifacts mostly share layouts, and to look a million images up takes half a
    second.
    """
    row_of = layout.row_of
    return np.fromiter((row_of.get(image, -1) for image in images), np.int64, len(images))


def _is_good(sibling: Artifact) -> NDArray[np.bool_]:
    """Return which rows are done and not bad; none where the markers may not be listed."""
    good = np.zeros(sibling.cut.rows, bool)
    row_of = sibling.layout.row_of
    with suppress(A2pipeError):
        for shard, marker in sibling.markers().items():
            good[sibling.cut.rows_of(shard)] = True
            good[[row_of[bad.image] for bad in marker.bad if bad.image in row_of]] = False
    return good
