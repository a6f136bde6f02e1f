"""Several processes on one cache: no locks, the same bits."""

import json
import re

import pytest

from a2pipe.cache.catalog import Cache

from .conftest import markers


@pytest.mark.parametrize("backend", ["zarr"], indirect=True)
def test_two_processes_on_one_experiment_give_the_same_bits(launch, study, tmp_path):
    cache, outs = tmp_path / "cache", [tmp_path / "out1", tmp_path / "out2"]
    build = ("build-matrix", study.experiment, "--quiet", "--cache", cache)
    commands = [launch(*build, "--out", out) for out in outs]
    assert [(command.wait(), command.err) for command in commands] == [(0, "")] * 2
    for out in outs:
        study.assert_given(cache, out)


@pytest.mark.parametrize("backend", ["hdf5"], indirect=True)
def test_eight_processes_on_one_experiment_give_the_same_bits(launch, study, tmp_path):
    run = ("run", study.experiment, "--cache", tmp_path)
    commands = [launch(*run) for _ in range(8)]
    assert [command.wait() for command in commands] == [0] * 8
    study.assert_given(tmp_path)
    records = [json.loads(path.read_text()) for path in tmp_path.glob("runs/*.json")]
    in_vain = [record["rows_in_vain"] for record in records]
    said = [rows for command in commands for rows in re.findall(r"([\d,]+) rows, in", command.err)]
    assert sorted(said) == sorted(f"{rows:,}" for rows in in_vain if rows)
    needed = sum(artifact.cut.rows for artifact in Cache(tmp_path).artifacts())
    assert max(in_vain) <= needed
    assert any(in_vain), "eight processes that begin at once get in each other's way"


@pytest.mark.parametrize(("size", "backend"), [(3, "zarr")], indirect=["backend"])
def test_ranks_make_up_the_whole(launch, study, tmp_path, size):
    cache, out = tmp_path / "cache", tmp_path / "out"
    run = ("run", study.experiment, "--cache", cache, "--world-size", size)
    ranks = [launch(*run, "--rank", rank) for rank in range(size)]
    assert [rank.wait() for rank in ranks] == [0] * size
    study.assert_given(cache)
    build = launch("build-matrix", study.experiment, "--cache", cache, "--out", out)
    assert build.wait() == 0
    study.assert_given(cache, out)
    record = json.loads((out / "matrix.json").read_text())["run"]
    assert record["forward_passes"] == {}
    assert (record["images_decoded"], record["shards_computed"]) == (0, 0)


@pytest.mark.parametrize("backend", ["zarr"], indirect=True)
def test_a_rank_alone_does_its_share_and_says_so(launch, study, tmp_path):
    cache = tmp_path / "cache"
    alone = ("run", study.experiment, "--cache", cache, "--rank", 1, "--world-size", 3)
    first = launch(*alone, "--json")
    assert first.wait() == 0
    lines = json.loads(first.out)
    assert {(line["stage"], line["shards"]) for line in lines} == {("embeddings", "3/8")}
    assert "images: 12 of 12" in first.err
    assert markers(cache) == study.markers * 3 // 8
    again = launch(*alone)
    assert again.wait() == 0
    assert "3/8" in again.out
    assert "images" not in again.err


def test_another_number_of_ranks_takes_over(launch, small, tmp_path):
    run = ("run", small.experiment, "--cache", tmp_path)
    assert launch(*run, "--rank", 0, "--world-size", 2).wait() == 0
    assert markers(tmp_path) == 3
    rest = launch(*run)
    assert rest.wait() == 0
    assert "images: 4 of 4" in rest.err
    small.assert_given(tmp_path)
