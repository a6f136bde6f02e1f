"""A cluster's description: defaults, and one sentence for what is wrong."""

import pytest

from a2pipe.errors import UsageError
from a2pipe.pipeline.cluster.description import Cluster, load_cluster


def written(folder, text):
    path = folder / "cluster.toml"
    path.write_text(text)
    return path


def test_everything_has_a_default(tmp_path):
    assert load_cluster(written(tmp_path, "")) == Cluster()


def test_keys_are_read(tmp_path):
    text = 'system = "pbs"\nqueue = "gpu"\ntime = "1-12:00:00"\ngpus = 1\nsetup = ["module load x"]'
    found = load_cluster(written(tmp_path, text))
    assert (found.system, found.queue, found.time, found.gpus) == ("pbs", "gpu", "1-12:00:00", 1)
    assert found.setup == ("module load x",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("systen = 'slurm'", "Unknown key 'systen' in .*cluster.toml; did you mean 'system'"),
        ("system = 'cron'", "'system' in .* should be 'slurm'"),
        ("time = '4h'", "'time' in .* should match pattern"),
        ("gpus = -1", "'gpus' in .* should be greater than or equal to 0"),
        ("=", "is not valid TOML"),
    ],
)
def test_what_is_wrong_is_one_sentence(text, problem, tmp_path):
    with pytest.raises(UsageError, match=problem):
        load_cluster(written(tmp_path, text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        load_cluster(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("time", "seconds", "clock"),
    [
        ("04:00:00", 14_400, "04:00:00"),
        ("4:05:06", 14_706, "04:05:06"),
        ("2-00:00:30", 172_830, "48:00:30"),
        ("10-23:59:59", 950_399, "263:59:59"),
    ],
)
def test_the_time_of_a_job_in_seconds_and_without_days(time, seconds, clock):
    cluster = Cluster(time=time)
    assert (cluster.seconds, cluster.clock) == (seconds, clock)


@pytest.mark.parametrize("stop_before", [120, 121])
def test_a_job_needs_time_before_it_stops(stop_before, tmp_path):
    with pytest.raises(UsageError, match="has no time left to work"):
        load_cluster(written(tmp_path, f'time = "00:02:00"\nstop_before = {stop_before}'))
