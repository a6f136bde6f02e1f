"""Heads of a masking probe: a model's own, and those fitted on whole images."""

from functools import partial

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from a2pipe.errors import UsageError
from a2pipe.heads.registry import make_head
from a2pipe.pipeline.results.masking.passes import compute_passes, probed_samples
from a2pipe.pipeline.results.masking.predictors import check_heads, predictors
from a2pipe.pipeline.session import open_session
from a2pipe.stages.fits.samples import samples_of_collection

from ...conftest import tiny_experiment, write_images, write_manifest

MODEL, CLASSIFIER = "demo_localizer_s", "vit_tiny_patch16_224"


@pytest.fixture
def experiment(tmp_path):
    """The tiny experiment on 16 images, of which 10 are for training."""
    write_manifest(tmp_path / "images", write_images(tmp_path / "images", 16))
    return partial(tiny_experiment, tmp_path / "images")


@pytest.fixture
def classifier(tmp_path):
    """A network of timm with two classes, and the file of its weights."""
    torch.manual_seed(1)
    network = timm.create_model(CLASSIFIER, num_classes=2).eval()
    network.head.weight.data.normal_()
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    return network, tmp_path / "w.safetensors"


def opened(experiment, cache, model=MODEL, run=None, image=None, pool="cls", **masking):
    tree = experiment(
        embedding={"models": [model], "pool": pool},
        masking={"order": "highest", "step": 98 if model == CLASSIFIER else 18, **masking},
        run={"device": "cpu", **(run or {})},
        image={"size": 48, **(image or {})},
    )
    return open_session(tree, cache)


def test_fitted_heads_are_those_of_whole_training_images(experiment, cache):
    session = opened(experiment, cache, pool=["cls", "mean"])
    passes = compute_passes(session, MODEL)
    linear, of_means, nearest, _ = predictors(session, passes)
    assert (linear.head, linear.pool, of_means.pool, nearest.head) == (
        *("linear", "cls", "mean"),
        "nearest-mean",
    )
    samples, digests = samples_of_collection(passes.collection), passes.collection.digests
    train = samples.part("train")
    features = passes.embed("cls", [digests[index] for index in samples.index[train]])
    labels = samples.labels[train]
    test = [digests[index] for index in probed_samples(passes.collection)]
    masked = passes.embed_masked("cls", test, passes.scores[0], "highest", 18, "zero")

    oracle = make_head("logistic", {}).fit(features, labels)
    assert linear.predict(masked).tolist() == oracle.predict(masked).tolist()
    directions = features / np.linalg.norm(features, axis=1, keepdims=True)
    means = [directions[labels == label].mean(axis=0) for label in (0, 1)]
    cosines = [masked @ mean / np.linalg.norm(mean) for mean in means]
    assert nearest.predict(masked).tolist() == np.argmax(cosines, axis=0).tolist()


def test_the_own_head_predicts_what_timm_does(experiment, cache, classifier):
    network, file = classifier
    session = opened(
        experiment, cache, CLASSIFIER, {"weights": {CLASSIFIER: str(file)}}, {"size": 224},
        head="own",
    )  # fmt: skip
    check_heads(session, CLASSIFIER)
    passes = compute_passes(session, CLASSIFIER)
    (own,) = predictors(session, passes)
    test = probed_samples(passes.collection)
    digests = [passes.collection.digests[index] for index in test]
    expected = []
    for index in test:
        image = Image.open(passes.collection.paths[index])
        pixels = np.asarray(image.resize((224, 224), Image.Resampling.BILINEAR), np.float32) / 255
        normal = (pixels - np.array(passes.info.mean)) / np.array(passes.info.std)
        with torch.no_grad():
            logits = network(torch.from_numpy(normal.transpose(2, 0, 1)[None]).float())
        expected.append(int(logits.argmax()))
    features = passes.embed_masked("native", digests, passes.scores[0], "highest", 0, "zero")
    assert own.predict(features).tolist() == expected
    assert session.stats.forward_passes[CLASSIFIER] == len(test) * 3  # whole, 98 and all masked


def test_a_head_for_other_classes_and_a_model_without_one_are_refused(
    experiment, cache, tmp_path, classifier
):
    del classifier
    network = timm.create_model(CLASSIFIER, num_classes=5)
    save_file(network.state_dict(), tmp_path / "five.safetensors")
    weights = {"weights": {CLASSIFIER: str(tmp_path / "five.safetensors")}}
    session = opened(experiment, cache, CLASSIFIER, weights, {"size": 224}, head="own")
    with pytest.raises(UsageError, match="tells 5 classes apart, and manifest has 2: choose"):
        check_heads(session, CLASSIFIER)
    with pytest.raises(UsageError, match="demo_localizer_s has no head of its own"):
        check_heads(opened(experiment, cache, head="own"), MODEL)


def test_fitted_heads_need_training_images(tmp_path, cache):
    rows = [{**row, "split": "test"} for row in write_images(tmp_path / "test", 8)]
    write_manifest(tmp_path / "test", rows)
    session = opened(partial(tiny_experiment, tmp_path / "test"), cache)
    with pytest.raises(UsageError, match="train"):
        check_heads(session, MODEL)
