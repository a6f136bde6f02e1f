"""Row reuse: rows of the same fingerprint that lie in other row folders, found by image digest."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import DamagedError, NotCachedError
from .artifact import Artifact
from .layout import ArrayField
from .status import OK, PENDING
from .store import Arrays

_Place = tuple[int, int, int]  # sibling, shard, row within the shard

KEPT_BYTES = 1 << 30


class Gathered:
    """Where each image's row can be taken from. Rows that were bad there are not offered.

    A sibling shard is read and checked once, and kept while the shards kept sum up to less than
    `kept_bytes`, so reading shard after shard does not read it again.
    """

    def __init__(
        self, siblings: Sequence[Artifact], images: Sequence[str], kept_bytes: int = KEPT_BYTES
    ) -> None:
        self._siblings = _alike(siblings)
        self._places = _find(self._siblings, images)
        self._kept: OrderedDict[tuple[int, int], Arrays] = OrderedDict()
        self._room = kept_bytes
        self._damaged: set[tuple[int, int]] = set()

    @property
    def available(self) -> frozenset[str]:
        """The images whose row lies in a sibling's finished shard."""
        return frozenset(self._places)

    @property
    def fields(self) -> tuple[ArrayField, ...]:
        """The fields of the rows offered; none if no sibling exists."""
        return self._siblings[0].fields if self._siblings else ()

    def read(self, images: Sequence[str]) -> tuple[Arrays, Any]:
        """Rows of `images` in their order, (len(images), ...) by field, and their status (uint8).

        Every row given is OK and verified. PENDING, with the fill value in the arrays, means that
        it has to be computed: not available, or its sibling turned out to be damaged or gone.
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
        """Position in `images` and row in the sibling's shard, by sibling and shard."""
        groups = defaultdict(list)
        for position, image in enumerate(images):
            if image in self._places:
                sibling, shard, row = self._places[image]
                groups[sibling, shard].append((position, row))
        return groups

    def _shard(self, key: tuple[int, int]) -> Arrays | None:
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        if key in self._damaged:
            return None
        try:
            arrays = self._siblings[key[0]].read_shard(key[1])
        except (DamagedError, NotCachedError):
            self._damaged.add(key)
            return None
        self._keep(key, arrays)
        return arrays

    def _keep(self, key: tuple[int, int], arrays: Arrays) -> None:
        self._kept[key] = arrays
        self._room -= _nbytes(arrays)
        while self._room < 0 and self._kept:
            self._room += _nbytes(self._kept.popitem(last=False)[1])


def _nbytes(arrays: Arrays) -> int:
    return sum(array.nbytes for array in arrays.values())


def _alike(siblings: Sequence[Artifact]) -> list[Artifact]:
    return [sibling for sibling in siblings if sibling.fields == siblings[0].fields]


def _find(siblings: Sequence[Artifact], images: Sequence[str]) -> dict[str, _Place]:
    wanted = set(images)
    places: dict[str, _Place] = {}
    for number, sibling in enumerate(siblings):
        for shard, row, image in _good_rows(sibling):
            if image in wanted:
                places.setdefault(image, (number, shard, row))
    return places


def _good_rows(sibling: Artifact) -> Iterator[tuple[int, int, str]]:
    for shard, marker in sibling.markers().items():
        bad = {row.image for row in marker.bad}
        for row, image in enumerate(sibling.layout.images[sibling.cut.rows_of(shard)]):
            if image not in bad:
                yield shard, row, image
