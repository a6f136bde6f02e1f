"""Options that commands share: headings of the help, the experiment file, switches."""

import json
from collections.abc import Iterator
from typing import Any

import click
import pytest
from click.testing import CliRunner

from a2pipe.cli import cli
from a2pipe.commands.flags import flags
from a2pipe.commands.options import key_flags

from .conftest import command_of


def leaves(group: click.Group, before: str = "") -> Iterator[str]:
    """Every command that is no group, by its words."""
    for name, command in group.commands.items():
        words = f"{before} {name}".strip()
        yield from leaves(command, words) if isinstance(command, click.Group) else [words]


def headings_of(words: str) -> list[str]:
    command = command_of(words)
    text = command.get_help(click.Context(command))
    return [line[:-1] for line in text.splitlines() if line.endswith(":") and line[0] != " "]


FEATURES = ["Dataset", "Image", "Attention", "Patches", "Crops", "Embedding"]


HEADINGS = {
    "extract-attn": ["Dataset", "Image", "Attention", "Run"],
    "extract-patches": ["Dataset", "Image", "Attention", "Patches", "Run"],
    "select-crops": ["Dataset", "Image", "Attention", "Patches", "Crops", "Run"],
    "embed-crops": [*FEATURES, "Run"],
    "run": [*FEATURES, "Run"],
    "localize": ["Dataset", "Image", "Attention", "Patches", "Crops", "Localization", "Run"],
    "discover": ["Dataset", "Image", "Attention", "Patches", "Crops", "Localization", "Run"],
    "patches": ["Dataset", "Image", "Attention", "Patches", "Localization", "Run"],
    "plan": [*FEATURES, "Run"],
    "status": [*FEATURES, "Run"],
    "fit-heads": [*FEATURES, "Heads", "Localization", "Run"],
    "report": [*FEATURES, "Heads", "Localization", "Run"],
    "build-matrix": [*FEATURES, "Heads", "Localization", "Run"],
    "submit": [*FEATURES, "Heads", "Localization", "Run"],
    "finish": [*FEATURES, "Heads", "Localization", "Run"],
    "save-head": [*FEATURES, "Heads", "Run"],
    "paper choose-crops": [*FEATURES, "Heads", "Run"],
    "experiment show": [*FEATURES, "Heads", "Localization", "Masking", "Training", "Run"],
    "probe-masking": ["Dataset", "Image", "Attention", "Crops", "Embedding", "Masking", "Run"],
    "train lastvit": ["Dataset", "Image", "Training", "Run"],
    "logs": ["Dataset"],
    "datasets show": ["Dataset"],
    "datasets check": ["Dataset", "Image", "Run"],
    "paper run": ["Dataset", "Attention", "Embedding", "Run"],
}
"""Groups of flags by command; every other command has options of its own alone."""


@pytest.mark.parametrize("words", [*leaves(cli)])
def test_a_command_shows_its_groups_of_flags_under_headings(words):
    assert headings_of(words) == ["Options", *HEADINGS.get(words, [])]


@pytest.mark.parametrize("words", [*leaves(cli)])
def test_a_command_shows_no_name_of_a_type_where_a_value_goes(words):
    command = command_of(words)
    assert "RANGE" not in command.get_help(click.Context(command))


def test_an_experiment_file_is_given_once(command, tmp_path):
    refused = command("plan", tmp_path / "a.toml", "--config", tmp_path / "b.toml")
    assert refused.code == 2
    assert "Give the experiment file once" in refused.err


@click.command()
@key_flags(flags("image.size", "image.draft", "attention.models"), short={"image.size": "--size"})
def said(overrides: dict[str, Any]) -> None:
    """Print what the flags say."""
    click.echo(json.dumps(overrides))


@pytest.mark.parametrize(
    ("words", "overrides"),
    [
        ([], {}),
        (["--draft"], {"image.draft": True}),
        (["--size", "48"], {"image.size": 48}),
        (["--attention-model=a", "--attention-model=b"], {"attention.models": ["a", "b"]}),
    ],
)
def test_only_flags_that_are_given_are_overrides(words, overrides):
    """A switch that is not given leaves the file as it is."""
    assert json.loads(CliRunner().invoke(said, words).stdout) == overrides


def test_the_help_says_what_may_be_repeated_and_the_default():
    text = " ".join(CliRunner().invoke(said, ["--help"]).stdout.split())
    assert "--attention-model NAME Model that says where to look. May be repeated." in text
    assert "--image-size, --size PX Side of the canvas in pixels. [224]" in text
