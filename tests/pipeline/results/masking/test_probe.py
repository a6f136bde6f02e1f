"""A masking probe from the command to its files."""

import json
from functools import partial

import numpy as np
import pytest

from a2pipe.errors import UsageError
from a2pipe.metrics.binomial import share_limits
from a2pipe.pipeline.results.masking.passes import compute_passes, probed_samples
from a2pipe.pipeline.results.masking.predictors import predictors
from a2pipe.pipeline.results.masking.probe import make_probe
from a2pipe.pipeline.session import open_session
from a2pipe.reports.masking.probe import read_probe

from ...conftest import tiny_experiment, write_images, write_manifest

MODEL, TEST = "demo_localizer_s", 6


@pytest.fixture
def experiment(tmp_path):
    """The tiny experiment on 16 images, of which 10 are for training."""
    write_manifest(tmp_path / "images", write_images(tmp_path / "images", 16))
    return partial(tiny_experiment, tmp_path / "images")


def opened(experiment, cache, **masking):
    masking = {"step": 18, "head": "nearest-mean", **masking}
    return open_session(experiment(embedding={"models": [MODEL]}, masking=masking), cache)


def test_accuracies_are_shares_of_right_predictions(experiment, cache):
    session = opened(experiment, cache, score=["attention", "patch-score"], fill=["zero", "blur"])
    probe = make_probe(session)
    passes = compute_passes(session, MODEL)
    (predictor,) = predictors(session, passes)
    test = probed_samples(passes.collection)
    digests, labels = (
        [passes.collection.digests[index] for index in test],
        passes.collection.labels[test],
    )
    assert len(probe.curves) == 2 * 2 * 3
    for curve in probe.curves:
        assert [point.masked for point in curve.points] == [0, 18, 36]
        score = next(
            each for each in passes.scores if curve.score.startswith(each.attention.source)
        )
        for point in curve.points:
            features = passes.embed_masked(
                "cls", digests, score, curve.order, point.masked, curve.fill
            )
            right = int((predictor.predict(features) == labels).sum())
            assert (point.n, point.accuracy) == (TEST, right / TEST)
            limits = share_limits(right, TEST, 0.025)
            assert (point.low, point.high) == pytest.approx([float(each) for each in limits])


@pytest.mark.parametrize(
    ("layers", "names"),
    [
        ("last", ["attention", "votes:4"]),
        ([3, 4], ["attention block 3", "attention block 4", "votes:4"]),
    ],
)
def test_curves_say_what_ranks_the_patches(experiment, cache, layers, names):
    scores = ["attention", "votes:4"]
    tree = experiment(
        embedding={"models": [MODEL]},
        attention={"layers": layers},
        masking={"step": 18, "head": "nearest-mean", "order": "lowest", "score": scores},
    )
    found = make_probe(open_session(tree, cache))
    assert [curve.score for curve in found.curves] == names


def test_a_second_probe_passes_nothing_and_says_the_same(experiment, cache):
    first = make_probe(opened(experiment, cache, fill="blur"))
    session = opened(experiment, cache, fill="blur")
    second = make_probe(session)
    assert session.stats.forward_passes == {}
    assert second.curves == first.curves
    assert second.run["forward_passes_total"] == 0


def test_a_model_has_to_be_named(experiment, cache):
    session = open_session(experiment(embedding={"models": []}), cache)
    with pytest.raises(UsageError, match="Name at least one model"):
        make_probe(session)


def test_what_cannot_be_probed_is_refused_before_anything_is_computed(experiment, cache):
    with pytest.raises(UsageError, match="has no head of its own"):
        make_probe(opened(experiment, cache, head=["nearest-mean", "own"]))
    with pytest.raises(UsageError, match="step of 40 patches"):
        make_probe(opened(experiment, cache, step=40))
    assert not (cache / "embeddings").exists()


def test_the_command_prints_a_table_and_writes_files(experiment, tmp_path, cache, command):
    manifest = experiment()["dataset"]["name"]
    words = ["probe-masking", "--dataset", manifest, "--image-size", "48", "--model", MODEL]
    words += ["--step", "18", "--head", "nearest-mean", "--order", "lowest", "--device", "cpu"]
    words += ["--cache", str(cache), "--out", str(tmp_path / "out"), "--quiet"]
    found = command(*words)
    assert (found.code, found.err) == (0, "")
    assert found.out.splitlines()[0].split() == ["model", "order", "n", "0", "18", "36"]
    probe = read_probe(tmp_path / "out" / "masking.json")
    assert [curve.order for curve in probe.curves] == ["lowest"]
    assert (tmp_path / "out" / "masking.png").read_bytes()[1:4] == b"PNG"
    again = json.loads(command(*words, "--json").out)
    assert again["curves"] == json.loads((tmp_path / "out" / "masking.json").read_text())["curves"]
    assert np.isfinite(again["curves"][0]["points"][1]["accuracy"])


def test_a_wrong_value_is_one_sentence(experiment, cache, command):
    found = command(
        *("probe-masking", "--dataset", experiment()["dataset"]["name"], "--model", MODEL),
        *("--fill", "black", "--cache", str(cache)),
    )
    assert (found.code, found.out) == (2, "")
    assert "'zero', 'image-mean' or 'blur', not 'black'" in found.err
