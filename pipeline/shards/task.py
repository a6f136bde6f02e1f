"""A task lists which shards of a plan lack rows, before anything is computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...cache.artifact import Artifact
from ...cache.catalog import Cache
from ...cache.fingerprint import fingerprint
from ...cache.gather import KEPT_BYTES, Gathered
from ...stages.specs import ModelSpec
from ..planning.plan import Plan, Spec, Stored
from .disk import require_room


@dataclass(frozen=True)
class Task:
    """A task is a list of shards to compute.

    plan: what they are shards of. cache: where they are stored.
    artifacts: the row folder of each spec, upstream first, canvases that are stored among them.
    missing: the shards that each of them lacks, those of other ranks too.
    gathered: rows that other row folders have, of each spec that lacks some.
    shards: numbers of the shards to compute here, ascending.
    """

    plan: Plan
    cache: Cache
    artifacts: Mapping[Stored, Artifact]
    missing: Mapping[Stored, set[int]]
    gathered: Mapping[Stored, Gathered]
    shards: Sequence[int]

    @cached_property
    def pixels(self) -> NDArray[np.int64]:
        """Return the number of pixels of each image's original: int64 (rows,), 0 where unknown."""
        collection = self.plan.collection
        first: dict[str, int] = {}
        for sample, digest in enumerate(collection.digests):
            first.setdefault(digest, sample)
        first.pop("", None)
        counts: NDArray[np.int64] = collection.sizes[list(first.values())].prod(axis=1)
        return counts

    def images(self, shards: Iterable[int]) -> int:
        """Return how many images these shards have."""
        cut = next(iter(self.artifacts.values())).cut
        return sum(cut.length_of(number) for number in shards)

    @property
    def asked_for(self) -> list[Stored]:
        """Return the specs whose rows are asked for: all but those that are stored on the way."""
        return [spec for spec in self.artifacts if not spec.only_when_read]

    @property
    def unfinished(self) -> list[Stored]:
        """Return the specs of which rows are missing in the shards to compute, upstream first."""
        return [s for s, shards in self.missing.items() if not shards.isdisjoint(self.shards)]

    @property
    def models(self) -> list[ModelSpec]:
        """Return the models that compute rows here, each once, in the order of their first use.

        Models of specs of which rows may be taken over from other row folders are left out: perhaps
        nothing has to be computed.
        """
        passes = [s.forward_pass for s in self.unfinished if not self._may_take_over(s)]
        return list(dict.fromkeys(each.model for each in passes if each))

    def _may_take_over(self, spec: Stored) -> bool:
        return spec in self.gathered and bool(self.gathered[spec].offered.any())

    def only(self, shards: Iterable[int]) -> Task:
        """Return the part of this task that these shards are, without what is done by now."""
        missing = {
            spec: {number for number in shards if not artifact.has(number)}
            for spec, artifact in self.artifacts.items()
        }
        lacking = set().union(*(missing[spec] for spec in self.asked_for))
        return replace(self, missing=missing, shards=sorted(lacking))


def prepare(
    plan: Plan,
    cache: Cache,
    specs: Sequence[Spec],
    rank: int = 0,
    world_size: int = 1,
    processes: int = 1,
) -> Task:
    """Create the row folders that are not there yet and list the shards that lack rows.

    specs: what is to be stored; where the experiment stores pixels, the canvases that they read are
    added. rank, world_size: shard s is this rank's if s % world_size == rank. That depends on
    nothing that other ranks do, so ranks need not talk to each other, and the next run may have
    another world_size. processes: how many processes share this rank's part; it is then that of the
    ranks rank * processes + p of world_size * processes, for every p below `processes`.

    Raises:
        A2pipeError: the disk has no room for the shards of all ranks, or may not be written.
    """
    run, images = plan.experiment.run, plan.collection.images
    artifacts: dict[Stored, Artifact] = {
        spec: cache.create(spec, [plan.field(spec)], images, run.shard_size, run.backend)
        for spec in (*plan.pixels(specs), *specs)
    }
    missing = {spec: set(artifact.missing()) for spec, artifact in artifacts.items()}
    # A canvas alone is no reason to compute a shard: it is stored when a model reads it.
    lacking = set().union(*(missing[spec] for spec in specs))
    gathered = {
        spec: cache.gather(
            fingerprint(spec),
            _lacking(artifacts[spec], numbers),
            artifacts[spec].folder,
            KEPT_BYTES // len(artifacts),  # one allowance of memory, shared by all specs
        )
        for spec, numbers in missing.items()
        if numbers
    }
    # Asked before anything is computed: a disk that fills up later costs the shards in flight.
    require_room(cache.root, _bytes_to_write(artifacts, missing, lacking))
    dealt = [number for number in sorted(lacking) if number // processes % world_size == rank]
    return Task(plan, cache, artifacts, missing, gathered, dealt)


def _bytes_to_write(
    artifacts: Mapping[Stored, Artifact], missing: Mapping[Stored, set[int]], shards: set[int]
) -> int:
    """Return how many bytes all ranks will write, as they share the disk."""
    return sum(
        len(missing[spec] & shards) * artifact.nbytes // artifact.cut.shards
        for spec, artifact in artifacts.items()
    )


def _lacking(artifact: Artifact, shards: set[int]) -> list[str]:
    """Return the images of these shards."""
    layout = artifact.layout
    return [image for number in sorted(shards) for image in layout.images[layout.rows_of(number)]]
