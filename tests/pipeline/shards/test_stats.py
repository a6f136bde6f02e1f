"""Where the time of a run went: shares of one thread's time, and one remark."""

import io
import json

import pytest

from a2pipe.pipeline.results.run_record import RunRecord
from a2pipe.pipeline.session import open_session
from a2pipe.pipeline.shards.progress import PlainProgress
from a2pipe.pipeline.shards.stats import (
    DECODE,
    DEVICE,
    DISK,
    HOST,
    RESULTS,
    SHARES,
    RunStats,
    Throughput,
)


def throughput(device=0.0, decode=0.0, disk=0.0, results=0.0, launching=0.0, idle=0.0):
    """A run of ten seconds and 400 images; idle: seconds in which nothing was decoded."""
    waited = {DECODE: decode, DISK: disk, RESULTS: results}
    return Throughput(10.0, 400, device, waited, launching, idle)


@pytest.mark.parametrize(
    ("spent", "cause", "remedy"),
    [
        (throughput(decode=7, device=2, launching=2), DECODE, "--workers"),
        # Twice as many decoders would help here, though the device worked for most of the time.
        (throughput(device=6, decode=4, launching=6), DECODE, "--workers"),
        (throughput(device=9, decode=1, launching=9, idle=3), DEVICE, "--precision bf16"),
        (throughput(device=9, results=9, idle=8), DEVICE, "--gpus"),
        (throughput(device=5, decode=5, launching=5, idle=5), DECODE, "smaller --batch-size"),
        (throughput(device=4, disk=5, launching=4), DISK, "faster disk"),
        # A device that had work for a fifth of the time, while its thread was hardly ever waiting.
        (throughput(device=2, decode=0.1, results=0.5, launching=0.2), HOST, "smaller --workers"),
    ],
)
def test_what_the_device_waits_for_longest_is_the_bottleneck(spent, cause, remedy):
    assert spent.bottleneck == cause
    assert "is the bottleneck" in spent.advice()
    assert remedy in spent.advice()


def test_waits_while_the_device_works_hold_nothing_up():
    """The thread waited for images half of the time, but had queued work for all of it."""
    spent = throughput(device=10, decode=5, results=5)
    assert [spent.share(what) for what in SHARES] == [1, 0, 0, 0]


def test_the_shares_add_up_to_one():
    spent = throughput(device=3, decode=2, disk=1, launching=3)
    assert [spent.share(what) for what in SHARES] == pytest.approx([0.3, 0.2, 0.1, 0.4])


def test_the_words_say_what_the_device_did():
    spent = throughput(device=1.5, decode=1.5, disk=1.5, launching=1.5)
    assert spent.words().startswith(
        "40 images/s; the device worked 15% of the time, and waited 15% for decoding, 15% for the"
        " disk, 55% for this process: the process that feeds the device"
    )


def test_a_run_of_no_time_divides_by_nothing():
    assert Throughput().to_json()["images_per_second"] == 0
    assert Throughput().words().startswith("0 images/s")


def test_a_run_says_where_its_time_went_and_records_it(experiment, tmp_path):
    stream = io.StringIO()
    session = open_session(experiment(), tmp_path / "cache", PlainProgress(stream))
    stats = session.compute()
    assert "images/s; the device worked" in stream.getvalue().splitlines()[-1]
    recorded = json.loads(json.dumps(RunRecord(stats=stats).content()))["throughput"]
    assert recorded["images"] == 80
    shares = [recorded[f"share_{what}"] for what in SHARES]
    assert min(shares) >= 0
    assert sum(shares) == pytest.approx(1, abs=1e-3)
    assert stats.throughput.busy == pytest.approx(stats.seconds["compute"])


def test_a_run_that_computes_nothing_has_no_throughput(experiment, tmp_path):
    open_session(experiment(), tmp_path / "cache").compute()
    again = open_session(experiment(), tmp_path / "cache").compute()
    assert RunRecord(stats=again).content()["throughput"] is None


def test_every_field_of_two_runs_is_merged():
    """Numbers add up, mappings key by key, and the first device that is named stays."""
    one = RunStats(
        3, 1, 40, 7, {"a": 5}, {"write": 1.5}, "", Throughput(2.0, 7, 1.0, {DECODE: 0.5}), 1
    )
    two = RunStats(2, 1, 2, 3, {"a": 1, "b": 2}, {"boxes": 0.5}, "cpu", throughput(device=4), 2)
    one.add(two)
    merged = RunStats(5, 2, 42, 10, {"a": 6, "b": 2}, {"write": 1.5, "boxes": 0.5}, "cpu")
    merged.left_to_pillow = 3
    merged.throughput = Throughput(12.0, 407, 5.0, {DECODE: 0.5, DISK: 0, RESULTS: 0})
    assert one == merged
    two.add(RunStats(device="cuda:0"))
    assert two.device == "cpu"
