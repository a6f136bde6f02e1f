"""What is stored is never computed again: forward passes are counted."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from a2pipe.cache.catalog import Cache
from a2pipe.cache.gc import gc
from a2pipe.cache.records import Records
from a2pipe.models.weights.hub import SHIPPED
from a2pipe.models.zoo.families import TABLE
from a2pipe.pipeline.results.matrix import MatrixRun, build_matrix
from a2pipe.pipeline.results.study import make_study
from a2pipe.pipeline.session import open_session
from a2pipe.stages.specs import FitSpec

from ..conftest import write_images, write_manifest

RANDOM, TRAINED = "demo_localizer_s_random", "demo_localizer_s"


def passes(experiment, cache: Path) -> dict[str, int]:
    """Forward passes of one run, by model."""
    return build_matrix(open_session(experiment, cache)).record.stats.forward_passes


def as_json(run: MatrixRun) -> list[dict[str, Any]]:
    """The cells as plain values, which compare equal where a group is empty."""
    return run.matrix.to_json()["cells"]


def test_a_first_run_sends_each_image_once_per_role(experiment, tmp_path):
    assert passes(experiment(), tmp_path / "cache") == {RANDOM: 80 + 80}


def test_a_second_run_computes_nothing(experiment, tmp_path):
    first = build_matrix(open_session(experiment(), tmp_path / "cache"))
    second = build_matrix(open_session(experiment(), tmp_path / "cache"))
    assert second.record.stats.forward_passes == {}
    assert second.record.stats.decoded == 0
    assert as_json(second) == as_json(first)


def test_one_more_embedding_model_computes_one_column(experiment, tmp_path):
    passes(experiment(), tmp_path / "cache")
    more = experiment(embedding={"models": [RANDOM, TRAINED]})
    assert passes(more, tmp_path / "cache") == {TRAINED: 80}


def test_one_more_crop_computes_that_crop(experiment, tmp_path):
    passes(experiment(), tmp_path / "cache")
    more = experiment(crops={"sizes": [16, 8]})
    assert passes(more, tmp_path / "cache") == {RANDOM: 80}


def test_a_common_prefix_of_crop_lists_is_shared(experiment, tmp_path):
    lists = experiment(crops={"sizes": [[16], [16, 16], [16, 16, 8]]})
    assert passes(lists, tmp_path / "cache") == {RANDOM: 80 + 3 * 80}


def test_one_more_attention_model_computes_one_row(experiment, tmp_path):
    passes(experiment(), tmp_path / "cache")
    more = experiment(attention={"models": [RANDOM, TRAINED]})
    assert passes(more, tmp_path / "cache") == {TRAINED: 80, RANDOM: 80}


def test_smoothing_needs_no_new_attention(experiment, tmp_path):
    passes(experiment(), tmp_path / "cache")
    more = experiment(crops={"sizes": [16], "smooth": [1, 3]})
    assert passes(more, tmp_path / "cache") == {RANDOM: 80}


def test_an_aggregator_or_a_reading_needs_no_new_attention(experiment, tmp_path):
    passes(experiment(), tmp_path / "cache")
    attention = {"models": [RANDOM], "heads": ["mean", "max"]}
    assert passes(experiment(attention=attention), tmp_path / "cache") == {RANDOM: 80}
    attention["reading"] = ["slice", "patch-softmax"]
    assert passes(experiment(attention=attention), tmp_path / "cache") == {RANDOM: 2 * 80}
    again = [*attention["heads"], "max", "mean"]
    assert passes(experiment(attention={**attention, "heads": again}), tmp_path / "cache") == {}


def test_localising_by_aggregators_needs_no_model(experiment, tmp_path):
    make_study(open_session(experiment(), tmp_path / "cache"))
    heads = ["mean", "max", "entropy_weighted", "lowest_entropy_k:2", "topk:2", "head_pruned"]
    readings = ["slice", "patch-softmax"]
    attention = {"models": [RANDOM], "heads": heads, "reading": readings}
    session = open_session(experiment(attention=attention), tmp_path / "cache")
    assert len(make_study(session).lines) == len(heads) * len(readings)
    assert session.stats.forward_passes == {}
    assert session.stats.decoded == 0


def test_a_new_head_needs_no_pixels(experiment, tmp_path):
    passes(experiment(), tmp_path / "cache")
    more = experiment(head=[{"kind": "logistic"}, {"kind": "logistic", "name": "C 10", "C": 10}])
    assert passes(more, tmp_path / "cache") == {}


def test_a_grown_dataset_computes_the_new_images(experiment, images, tmp_path):
    passes(experiment(), tmp_path / "cache")
    write_manifest(images, write_images(images, 100))
    assert passes(experiment(), tmp_path / "cache") == {RANDOM: 20 + 20}


def test_another_collection_reuses_shared_images(experiment, images, tmp_path):
    first = open_session(experiment(), tmp_path / "cache")
    build_matrix(first)
    rows = write_images(images, 60, start=30)
    other = experiment(dataset={"name": str(write_manifest(images, rows, "other.csv"))})
    session = open_session(other, tmp_path / "cache")
    run = build_matrix(session)
    assert run.record.stats.forward_passes == {RANDOM: 10 + 10}
    spec = session.plan.attention[0]
    shared = list(session.collection.images[:50])
    np.testing.assert_array_equal(session.read(spec, shared), first.read(spec, shared))


def test_another_shard_size_reuses_every_row(experiment, tmp_path):
    passes(experiment(), tmp_path / "cache")
    other = experiment(run={"batch_size": 16, "shard_size": 50, "device": "cpu"})
    assert passes(other, tmp_path / "cache") == {}


def test_another_backend_reuses_every_row(experiment, tmp_path):
    passes(experiment(), tmp_path / "cache")
    hdf5 = {"batch_size": 16, "shard_size": 32, "device": "cpu", "backend": "hdf5"}
    assert passes(experiment(run=hdf5), tmp_path / "cache") == {}


@pytest.mark.parametrize("stage", ["attention", "embeddings"])
def test_a_removed_marker_recomputes_one_shard(experiment, tmp_path, stage):
    passes(experiment(), tmp_path / "cache")
    (marker,) = (tmp_path / "cache" / stage).glob("*/*/done/000001.json")
    marker.unlink()
    assert passes(experiment(), tmp_path / "cache") == {RANDOM: 32}


def test_flipped_bytes_are_recomputed_from_the_read_that_finds_them(experiment, tmp_path):
    first = build_matrix(open_session(experiment(), tmp_path / "cache"))
    (chunk,) = (tmp_path / "cache" / "attention").glob("*/*/data.zarr/attention/c.1.0.0")
    chunk.write_bytes(bytes(255 - value for value in chunk.read_bytes()))
    (marker,) = (tmp_path / "cache" / "boxes").glob("*/*/done/000001.json")
    marker.unlink()
    second = build_matrix(open_session(experiment(), tmp_path / "cache"))
    assert second.record.stats.forward_passes == {RANDOM: 32}
    assert as_json(second) == as_json(first)


def test_flipped_embeddings_are_recomputed_when_a_head_reads_them(experiment, tmp_path):
    first = build_matrix(open_session(experiment(), tmp_path / "cache"))
    (chunk,) = (tmp_path / "cache" / "embeddings").glob("*/*/data.zarr/embedding/c.1.0")
    chunk.write_bytes(bytes(255 - value for value in chunk.read_bytes()))
    two = experiment(head=[{"kind": "logistic"}, {"kind": "logistic", "name": "C 10", "C": 10}])
    second = build_matrix(open_session(two, tmp_path / "cache"))
    assert as_json(second)[0] == as_json(first)[0]
    assert second.record.stats.forward_passes == {RANDOM: 32}


def test_limit_takes_a_part_that_the_whole_reuses(experiment, tmp_path):
    part = {"batch_size": 16, "shard_size": 32, "device": "cpu", "limit": 40}
    assert passes(experiment(run=part), tmp_path / "cache") == {RANDOM: 80}
    assert passes(experiment(), tmp_path / "cache") == {RANDOM: 80}


def test_gc_spares_the_whole_after_a_run_under_a_limit(experiment, tmp_path):
    passes(experiment(), tmp_path / "cache")
    part = {"batch_size": 16, "shard_size": 32, "device": "cpu", "limit": 40}
    passes(experiment(run=part), tmp_path / "cache")
    gc(Cache(tmp_path / "cache"), apply=True)
    assert passes(experiment(), tmp_path / "cache") == {}


def test_one_model_under_two_names_is_computed_once(experiment, tmp_path, monkeypatch):
    twin = replace(
        TABLE[TRAINED], name="twin", aliases=(), file=str(SHIPPED / f"{TRAINED}.safetensors")
    )
    monkeypatch.setitem(TABLE, "twin", twin)
    both = experiment(attention={"models": [TRAINED, "twin"]}, embedding={"models": [TRAINED]})
    assert passes(both, tmp_path / "cache") == {TRAINED: 80 + 80}


def test_records_of_an_interrupted_matrix_survive_gc(experiment, tmp_path, monkeypatch):
    """Each is written as soon as its fit is done, and from then on in use."""
    whole = experiment(head=[{"kind": "logistic"}, {"kind": "nearest-mean"}])
    write, written = Records.write, []

    def stopped(records, spec, *record):
        if isinstance(spec, FitSpec) and any(isinstance(each, FitSpec) for each in written):
            raise KeyboardInterrupt
        written.append(spec)
        return write(records, spec, *record)

    monkeypatch.setattr(Records, "write", stopped)
    with pytest.raises(KeyboardInterrupt):
        build_matrix(open_session(whole, tmp_path / "cache"))
    assert gc(Cache(tmp_path / "cache"), apply=True) == []
    records = Records(tmp_path / "cache")
    assert written
    assert all(records.read(spec) is not None for spec in written)
