"""95 % intervals hold the truth in 92 to 98 % of test sets: benchmarks/coverage.py, reduced."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

import a2pipe

SETS = 4000
HARD = {"groups of 20": 0.995}
"""So few samples make the interval of WGA too careful, and never the reverse."""


def benchmark() -> ModuleType:
    path = Path(a2pipe.__file__).parent / "benchmarks" / "coverage.py"
    spec = importlib.util.spec_from_file_location("coverage_benchmark", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


COVERAGE = benchmark()


@pytest.mark.parametrize("setting", COVERAGE.SETTINGS, ids=lambda setting: setting.name)
def test_intervals_hold_the_truth_as_often_as_they_say(setting):
    found = COVERAGE.coverage(setting, SETS)
    assert 0.92 <= found.wga <= HARD.get(setting.name, 0.98)
    assert 0.92 <= found.accuracy <= 0.98


def test_shared_images_are_allowed_for():
    found = COVERAGE.shared_coverage(COVERAGE.SHARED, 400, by_image=True)
    assert 0.92 <= found.wga <= 0.985
    assert 0.92 <= found.accuracy <= 0.98


def test_and_have_to_be():
    found = COVERAGE.shared_coverage(COVERAGE.SHARED, 400, by_image=False)
    assert found.accuracy < 0.88


def test_the_percentile_bootstrap_fails_where_groups_are_equally_bad():
    """Why it is not the default."""
    setting = next(each for each in COVERAGE.SETTINGS if each.name == "demo, all equal")
    assert COVERAGE.percentile_coverage(setting, 100).wga < 0.85
