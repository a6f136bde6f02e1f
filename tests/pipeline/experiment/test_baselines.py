"""Baselines as an experiment names them."""

import pytest

from a2pipe.errors import UsageError
from a2pipe.pipeline.experiment.baselines import Baseline, parse_baseline


@pytest.mark.parametrize(
    ("text", "baseline"),
    [
        ("full", Baseline("full", "full")),
        ("full@518", Baseline("full@518", "full", input_size=518)),
        ("center:128", Baseline("center:128", "center", "128")),
        ("random", Baseline("random", "random")),
        ("random:3@96", Baseline("random:3@96", "random", "3", 96)),
    ],
)
def test_baselines_are_read(text, baseline):
    assert parse_baseline(text) == baseline


@pytest.mark.parametrize("text", ["", "center", "full:3", "full@", "random:x", "centre:12"])
def test_other_baselines_are_refused(text):
    with pytest.raises(UsageError, match="not understood"):
        parse_baseline(text)
