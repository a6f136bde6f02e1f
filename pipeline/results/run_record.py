"""The record of a run has versions, machine, command, seconds, forward passes and bad images."""

from __future__ import annotations

import datetime
import json
import os
import platform
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...cache.ledger import now
from ...datasets.collection import Collection
from ...files import atomic_write_bytes, make_folder
from ...machine import versions
from ...stages.localization import effective_split
from ...version import __version__
from ..session import Session
from ..shards.bad_images import BadImage
from ..shards.stats import RunStats

PACKAGES = ("torch", "timm", "numpy", "scikit-learn", "zarr", "h5py", "pillow")


def study_facts(session: Session, collection: Collection, record: RunRecord) -> dict[str, Any]:
    """Return what every study of the images of `localize.split` says of itself, by field.

    collection: the session's without its bad images. record: of the run that made the study.
    """
    experiment = session.experiment
    return {
        "name": experiment.name,
        "dataset": collection.name,
        "collection": collection.digest,
        "split": effective_split(collection, experiment.localize.split),
        "image_size": experiment.image.size,
        "geometry": experiment.image.geometry,
        "created": now(),
        "version": __version__,
        "notes": experiment.notes,
        "run": record.content(),
    }


@dataclass
class RunRecord:
    """A RunRecord collects what a command did while it runs.

    started: seconds since the epoch. stats: what was computed. seconds: time of each activity
    besides those in `stats`; activities overlap, so these do not add up to the total. bad: images
    that could not be used. images: unique images of the collection. samples_left_out: samples that
    no head was fitted on, as their images are bad.
    """

    started: float = field(default_factory=time.time)
    stats: RunStats = field(default_factory=RunStats)
    seconds: dict[str, float] = field(default_factory=dict)
    bad: list[BadImage] = field(default_factory=list)
    images: int = 0
    samples_left_out: int = 0

    def content(self) -> dict[str, Any]:
        """Return the record as plain JSON values, with the time up to now as its total."""
        seconds = {**self.stats.seconds, **self.seconds, "total": time.time() - self.started}
        return {
            "a2pipe": __version__,
            "command": " ".join(sys.argv),
            "started": datetime.datetime.fromtimestamp(self.started, datetime.UTC).isoformat(
                timespec="seconds"
            ),
            "host": socket.gethostname(),
            "device": self.stats.device or "none needed",
            "images": self.images,
            "images_decoded": self.stats.decoded,
            "images_left_to_pillow": self.stats.left_to_pillow,
            "forward_passes": self.stats.forward_passes,
            "forward_passes_total": sum(self.stats.forward_passes.values()),
            "shards_computed": self.stats.shards,
            "shards_in_vain": self.stats.shards_in_vain,
            "rows_in_vain": self.stats.rows_in_vain,
            "throughput": self.stats.throughput.to_json() if self.stats.throughput.images else None,
            "seconds": {name: round(value, 3) for name, value in seconds.items()},
            "bad_images": [{"path": bad.path, "reason": bad.reason} for bad in self.bad],
            "samples_left_out": self.samples_left_out,
            "versions": versions(PACKAGES),
            "platform": f"{platform.platform()}, {os.cpu_count()} CPUs",
        }

    def save(self, cache_root: Path) -> Path:
        """Write the record into the cache's folder runs/ and return its path.

        Raises:
            UnwritableError: the cache may only be read.
            A2pipeError: the record cannot be written for another reason.
        """
        # Several ranks may write at once: moment, host and process tell their records apart.
        stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        path = cache_root / "runs" / f"{stamp}-{socket.gethostname()}-{os.getpid()}.json"
        make_folder(path.parent)
        atomic_write_bytes(path, json.dumps(self.content(), indent=2).encode())
        return path
