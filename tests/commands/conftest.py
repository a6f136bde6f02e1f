"""A tiny folder of images, and a command line on it."""

from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from a2pipe.cli import cli

COMPUTING = ("extract-attn", "extract-patches", "select-crops", "embed-crops", "run")
COMPUTING += ("build-matrix", "localize")


def command_of(words: str) -> click.Command:
    """The command that these words name, such as "paper run"."""
    found: click.Command = cli
    for word in words.split():
        assert isinstance(found, click.Group)
        found = found.commands[word]
    return found


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train/ and test/ with two classes of twelve and six images."""
    root = tmp_path_factory.mktemp("pets")
    rng = np.random.default_rng(0)
    for split, count in (("train", 12), ("test", 6)):
        for name, brightness in (("cat", 40), ("dog", 160)):
            (root / split / name).mkdir(parents=True)
            for index in range(count):
                pixels = rng.integers(0, 80, (24, 32, 3)) + brightness
                image = Image.fromarray(pixels.astype(np.uint8))
                image.save(root / split / name / f"{index}.png")
    return root


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all these tests, so that attention is computed once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def run(
    folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Result]:
    """Run a command in an empty folder, on the tiny images unless `dataset` is off."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, dataset: bool = True) -> Result:
        flags = [] if arguments[0] == "experiment" else ["--cache", str(cache)]
        if dataset:
            flags += ["--dataset", str(folder), "--image-size", "48"]
        if arguments[0] in COMPUTING:
            flags += ["--device", "cpu", "-q"]
        return CliRunner(catch_exceptions=False).invoke(cli, [*arguments, *flags])

    return call
