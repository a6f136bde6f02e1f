"""The time of a run, from a few decodes and passes."""

import pytest

from a2pipe.machine import cores
from a2pipe.pipeline.inspect.estimate import estimate
from a2pipe.pipeline.inspect.probe import Probe, probe
from a2pipe.pipeline.session import open_session

RANDOM = "demo_localizer_s_random"


def test_an_estimate_writes_nothing_and_a_probe_stores_nothing(experiment, tmp_path):
    session = open_session(experiment(), tmp_path / "cache")
    before = sorted((tmp_path / "cache").rglob("*"))
    timed = probe(session, estimate(session.plan, session.cache))
    assert sorted((tmp_path / "cache").rglob("*")) == before
    assert set(timed.passes) == {f"{RANDOM} at 48 px, attention", f"{RANDOM} at 48 px, embeddings"}
    workers = max(1, cores() - 1)
    expected = 80 * timed.decode / workers + 80 * sum(timed.passes.values())
    assert timed.total == pytest.approx(expected)


def test_statistics_of_patches_are_timed_by_themselves(experiment, tmp_path):
    source = {"models": [RANDOM], "source": "votes:9"}
    session = open_session(experiment(attention=source), tmp_path / "cache")
    timed = probe(session, estimate(session.plan, session.cache))
    assert set(timed.passes) == {f"{RANDOM} at 48 px, patches", f"{RANDOM} at 48 px, embeddings"}


@pytest.mark.parametrize(
    ("seconds", "words"), [(119, "119 s"), (120, "2 min"), (7199, "120 min"), (7200, "2.0 h")]
)
def test_times_are_told_in_the_unit_that_fits(seconds, words):
    lines = Probe(0.002, {"m at 48 px, attention": 0.5}, seconds).words()
    assert lines == [
        "decoding takes 2.00 ms an image and process",
        "m at 48 px, attention takes 500.00 ms an image",
        f"all that is missing takes about {words}",
    ]
