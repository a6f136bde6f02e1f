"""The record of a run: what it says and where it lies."""

import json
import platform

from a2pipe.pipeline.results.run_record import RunRecord
from a2pipe.pipeline.shards.bad_images import BadImage
from a2pipe.version import __version__


def test_it_says_what_was_computed_and_what_could_not_be_used():
    record = RunRecord(started=0, images=3, samples_left_out=2)
    record.stats.forward_passes = {"a": 2, "b": 1}
    record.bad = [BadImage("x.png", "d", "It is torn.")]
    record.seconds["heads"] = 1.23456
    content = record.content()
    assert content["started"] == "1970-01-01T00:00:00+00:00"
    assert (content["images"], content["samples_left_out"]) == (3, 2)
    assert content["forward_passes_total"] == 3
    assert content["bad_images"] == [{"path": "x.png", "reason": "It is torn."}]
    assert content["seconds"]["heads"] == 1.235
    assert content["seconds"]["total"] > content["seconds"]["heads"]
    assert (content["device"], content["throughput"]) == ("none needed", None)


def test_it_names_the_versions_that_decide_bits():
    content = RunRecord().content()
    assert content["a2pipe"] == __version__
    assert content["versions"]["python"] == platform.python_version()
    assert {"torch", "timm", "numpy", "scikit-learn", "pillow"} <= content["versions"].keys()


def test_it_is_written_below_runs_under_a_name_of_its_own(tmp_path):
    records = [RunRecord(images=number) for number in (1, 2)]
    paths = [record.save(tmp_path) for record in records]
    assert sorted((tmp_path / "runs").iterdir()) == sorted(paths)
    assert [json.loads(path.read_text())["images"] for path in paths] == [1, 2]
