"""A folder of tiny images with two classes, and an experiment that trains on them in a second."""

from pathlib import Path
from typing import Any

import pytest

from a2pipe.pipeline.experiment.load import load_experiment
from a2pipe.pipeline.experiment.schema import Experiment
from a2pipe.pipeline.shards.progress import SilentProgress

from ..pipeline.conftest import write_images, write_manifest


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """32 images of two classes with boxes, in train and test."""
    folder = tmp_path_factory.mktemp("photos")
    write_manifest(folder, write_images(folder, 32))
    return folder


@pytest.fixture
def experiment(photos: Path) -> Any:
    """Make a tiny experiment; keyword arguments are keys of its training section."""

    def make(**training: Any) -> Experiment:
        small = {"patch": 8, "dim": 16, "depth": 1, "heads": 2, "batch": 4, "epochs": 1.2}
        given = {**small, "split": "test", "every": 2, "masked": [0.5], **training}
        return load_experiment(
            {
                "name": "tiny",
                "dataset": {"name": str(photos / "manifest.csv")},
                "image": {"size": 24},
                "training": given,
                "run": {"device": "cpu", "workers": 1},
            }
        )

    return make


@pytest.fixture
def progress() -> SilentProgress:
    """A progress that prints nothing."""
    return SilentProgress()
