"""What a run was and did: versions, machine, command, seconds, forward passes, bad images."""

from __future__ import annotations

import datetime
import json
import os
import platform
import socket
import sys
import time
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ...files import atomic_write_bytes, make_folder
from ...version import __version__
from ..shards.bad_images import BadImage
from ..shards.stats import RunStats

PACKAGES = ("torch", "timm", "numpy", "scikit-learn", "zarr", "h5py", "pillow")


@dataclass
class RunRecord:
    """Collected while a command runs; seconds of activities that overlap do not add up."""

    started: float = field(default_factory=time.time)
    stats: RunStats = field(default_factory=RunStats)
    seconds: dict[str, float] = field(default_factory=dict)
    bad: list[BadImage] = field(default_factory=list)
    images: int = 0
    samples_left_out: int = 0

    def content(self) -> dict[str, Any]:
        """The record as plain JSON values."""
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
            "forward_passes": self.stats.forward_passes,
            "forward_passes_total": sum(self.stats.forward_passes.values()),
            "shards_computed": self.stats.shards,
            "shards_in_vain": self.stats.shards_in_vain,
            "rows_in_vain": self.stats.rows_in_vain,
            "throughput": self.stats.throughput.to_json() if self.stats.throughput.images else None,
            "seconds": {name: round(value, 3) for name, value in seconds.items()},
            "bad_images": [{"path": bad.path, "reason": bad.reason} for bad in self.bad],
            "samples_left_out": self.samples_left_out,
            "versions": {"python": platform.python_version(), **_versions()},
            "platform": f"{platform.platform()}, {os.cpu_count()} CPUs",
        }

    def save(self, cache_root: Path) -> Path:
        """Write the record under the cache's runs/ and return its path, or raise A2pipeError."""
        stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        path = cache_root / "runs" / f"{stamp}-{socket.gethostname()}-{os.getpid()}.json"
        make_folder(path.parent)
        atomic_write_bytes(path, json.dumps(self.content(), indent=2).encode())
        return path


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
