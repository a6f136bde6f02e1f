"""Where the time of a run went: shares of one thread's time, and one remark."""

import io
import json

import pytest

from a2pipe.pipeline.results.run_record import RunRecord
from a2pipe.pipeline.session import open_session
from a2pipe.pipeline.shards.progress import PlainProgress
from a2pipe.pipeline.shards.stats import DECODE, DEVICE, DISK, RunStats, Throughput


def throughput(decode=0.0, device=0.0, disk=0.0):
    """A run of ten seconds and 400 images."""
    return Throughput(10.0, 400, {DECODE: decode, DEVICE: device, DISK: disk})


@pytest.mark.parametrize(
    ("spent", "word", "remedy"),
    [
        (throughput(decode=7, device=2), "decoding", "--workers"),
        (throughput(decode=2, device=7), "device", "--batch-size"),
        (throughput(device=4, disk=5), "disk", "faster disk"),
    ],
)
def test_the_largest_wait_is_the_bottleneck(spent, word, remedy):
    assert f"{word} is the bottleneck" in spent.advice()
    assert remedy in spent.advice()


def test_small_waits_need_no_advice():
    assert throughput(1, 1, 1).advice() == ""
    assert throughput(1, 1, 1).words() == "40 images/s; waited on 10% decode, 10% device, 10% disk"


def test_a_run_of_no_time_divides_by_nothing():
    assert Throughput().to_json()["images_per_second"] == 0
    assert Throughput().words().startswith("0 images/s")


def test_a_run_says_where_its_time_went_and_records_it(experiment, tmp_path):
    stream = io.StringIO()
    session = open_session(experiment(), tmp_path / "cache", PlainProgress(stream))
    stats = session.compute()
    assert "images/s; waited on" in stream.getvalue().splitlines()[-1]
    recorded = json.loads(json.dumps(RunRecord(stats=stats).content()))["throughput"]
    assert recorded["images"] == 80
    shares = [recorded[f"share_{what}"] for what in (DECODE, DEVICE, DISK)]
    assert min(shares) >= 0
    assert sum(shares) <= 1.0001
    assert stats.throughput.waited[DEVICE] == pytest.approx(stats.seconds["compute"])


def test_a_run_that_computes_nothing_has_no_throughput(experiment, tmp_path):
    open_session(experiment(), tmp_path / "cache").compute()
    again = open_session(experiment(), tmp_path / "cache").compute()
    assert RunRecord(stats=again).content()["throughput"] is None


def test_every_field_of_two_runs_is_merged():
    """Numbers add up, mappings key by key, and the first device that is named stays."""
    one = RunStats(3, 1, 40, 7, {"a": 5}, {"write": 1.5}, "", Throughput(2.0, 7, {DECODE: 0.5}))
    two = RunStats(2, 1, 2, 3, {"a": 1, "b": 2}, {"boxes": 0.5}, "cpu", throughput(device=4))
    one.add(two)
    merged = RunStats(5, 2, 42, 10, {"a": 6, "b": 2}, {"write": 1.5, "boxes": 0.5}, "cpu")
    merged.throughput = Throughput(12.0, 407, {DECODE: 0.5, DEVICE: 4.0, DISK: 0.0})
    assert one == merged
    two.add(RunStats(device="cuda:0"))
    assert two.device == "cpu"
