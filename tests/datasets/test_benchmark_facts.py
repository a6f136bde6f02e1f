"""What was published about a benchmark, and the errors that name it."""

from pathlib import Path

import pytest

from a2pipe.datasets.benchmark_facts import BenchmarkFacts, benchmark_root, not_found
from a2pipe.errors import UsageError

FACTS = BenchmarkFacts("Birds", "A. Author, Birds, arXiv 1", "its authors", {"test": {"all": 1}})


def test_an_error_names_what_is_missing_and_its_source() -> None:
    assert str(not_found("birds", "there is no /d/metadata.csv", FACTS)) == (
        "Dataset birds: there is no /d/metadata.csv; Birds is published by its authors "
        "(A. Author, Birds, arXiv 1)."
    )


def test_the_root_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "birds").mkdir()
    monkeypatch.chdir(tmp_path)
    assert benchmark_root("birds", Path("birds"), FACTS) == tmp_path / "birds"


def test_a_root_that_is_not_given_or_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give the folder it lies in as its root"):
        benchmark_root("birds", None, FACTS)
    with pytest.raises(UsageError, match=r"there is no folder .*none; Birds is published"):
        benchmark_root("birds", tmp_path / "none", FACTS)
