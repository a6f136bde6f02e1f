"""A complete cache that may only be read gives everything but a place to note things."""

from pathlib import Path

import pytest

from .conftest import results


def set_modes(folder: Path, folders: int, files: int) -> None:
    for path in [folder, *folder.rglob("*")]:
        path.chmod(folders if path.is_dir() else files)


def state(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.fixture(scope="session")
def cache(small):
    """The complete cache of a small study; nothing in it may be written."""
    folder = small.experiment.parent / "cache"
    set_modes(folder, 0o555, 0o444)
    yield folder
    set_modes(folder, 0o755, 0o644)


@pytest.mark.parametrize("command", ["build-matrix", "fit-heads", "report"])
def test_the_matrix_comes_out(launch, small, cache, tmp_path, command):
    before = state(cache)
    run = launch(command, small.experiment, "--cache", cache, "--out", tmp_path / "o", bound=True)
    assert (run.wait(), run.err.count("may not be written")) == (0, 1)
    assert results(tmp_path / "o") == small.results
    assert state(cache) == before


def test_another_head_is_fitted(launch, small, cache, tmp_path):
    fit = ("fit-heads", small.experiment, "--head-option", "C=0.5", "--cache", cache)
    run = launch(*fit, "--out", tmp_path / "out", bound=True)
    assert (run.wait(), run.err.count("may not be written")) == (0, 1)
    (cell,) = results(tmp_path / "out")["cells"]
    assert cell["record"] != small.results["cells"][0]["record"]


@pytest.mark.parametrize("command", ["plan", "status", "run", "localize", "discover"])
def test_looking_into_it(launch, small, cache, command):
    run = launch(command, small.experiment, "--cache", cache, bound=True)
    assert run.wait() == 0
    assert run.out


@pytest.mark.parametrize("command", [("ls",), ("verify", "--deep"), ("gc",)])
def test_listing_and_checking_it(launch, cache, command):
    run = launch("cache", *command, "--cache", cache, bound=True)
    assert (run.wait(), run.err) == (0, "")


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [("build-matrix", 1, "may not be written"), ("report", 4, "lacks some or all")],
)
def test_what_is_missing_stays_missing(launch, small, cache, command, code, words):
    more = (command, small.experiment, "--crop-sizes", "16,8", "--cache", cache)
    run = launch(*more, bound=True)
    assert run.wait() == code
    (line,) = run.err.splitlines()
    assert line.startswith("a2pipe: ")
    assert words in line
