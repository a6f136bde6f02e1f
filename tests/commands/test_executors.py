"""Flags that say where shards are computed."""

from itertools import combinations

import pytest

from a2pipe.pipeline.shards.gpus import devices
from a2pipe.pipeline.shards.local import LocalExecutor

FLAGS = ("--scheduler=tcp://127.0.0.1:1", "--local-workers=2", "--cluster=cluster.toml")


@pytest.mark.parametrize("flag", FLAGS)
def test_dask_and_the_gpus_of_this_machine_are_two_places(command, flag):
    refused = command("run", "--dataset", "demo-01", "--gpus", "all", flag)
    assert refused.code == 2
    assert "--gpus is for the GPUs of this machine: leave it out, or" in refused.err


@pytest.mark.parametrize("flag", FLAGS)
def test_so_they_are_where_the_file_names_gpus(command, tmp_path, flag, monkeypatch):
    monkeypatch.setattr("a2pipe.pipeline.cluster.choose.make_executor", lambda **_: LocalExecutor())
    file = tmp_path / "birds.toml"
    file.write_text("dataset = { name = 'demo-01' }\nrun = { gpus = 2 }\n")
    refused = command("run", file, flag)
    assert refused.code == 2
    assert "takes GPUs of this machine by run.gpus (--gpus)" in refused.err


@pytest.mark.parametrize(
    "name", ["run", "build-matrix", "extract-attn", "select-crops", "embed-crops", "localize"]
)
def test_gpus_that_are_not_there_are_refused_before_the_dataset_is_read(command, name, monkeypatch):
    monkeypatch.setattr(devices, "visible_gpus", lambda: 2)
    refused = command(name, "--dataset", "/nowhere", "--gpus", "0,2")
    assert refused.code == 2
    assert refused.err == "a2pipe: There is no GPU 2; this process sees 0 to 1.\n"


@pytest.mark.parametrize(
    ("gpus", "said"),
    [("1,1", "names GPU 1 twice"), ("some", 'write "all", a number of GPUs or a list')],
)
def test_what_names_no_gpus_is_refused(command, gpus, said):
    refused = command("run", "--dataset", "demo-01", "--gpus", gpus)
    assert refused.code == 2
    assert said in refused.err


def test_gpus_and_the_cpu_are_two_devices(command):
    refused = command("run", "--dataset", "demo-01", "--gpus", "all", "--device", "cpu")
    assert refused.code == 2
    assert "run.gpus (--gpus) and run.device (--device) = 'cpu' both say" in refused.err


@pytest.mark.parametrize("two", [*combinations(FLAGS, 2)])
def test_shards_are_computed_in_one_place(command, two):
    refused = command("run", "--dataset", "demo-01", *two)
    assert refused.code == 2
    assert "Give one of --scheduler, --local-workers and --cluster." in refused.err
