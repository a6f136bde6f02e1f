"""What is measured of a network, against loops."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from a2pipe.models.classifiers.design import Design
from a2pipe.models.classifiers.network import build_classifier
from a2pipe.models.preprocessing import normalize, to_unit
from a2pipe.models.zoo.model_entry import IMAGENET
from a2pipe.training import measuring
from a2pipe.training.data import Boxed
from a2pipe.training.measuring import Shown, masking_curves, measure, read

DESIGN = Design("vit", "selective:2", 3, 16, 4, 24, 1, 2)
BOX = np.array([[4.0, 8.0, 12.0, 16.0]])


@pytest.fixture
def shown() -> Shown:
    pixels = np.random.default_rng(0).integers(0, 255, (5, 16, 16, 3)).astype(np.uint8)
    boxed = Boxed(np.array([0, 2]), (BOX, BOX))
    return Shown(pixels, np.array([0, 1, 2, 0, 1]), tuple("abcde"), boxed, "centre", (0.5,))


def nothing() -> None:
    pass


def network(pool: str = "selective:2"):
    return build_classifier(replace(DESIGN, pool=pool), 0).eval()


@pytest.mark.parametrize("pool", ["cls", "mean", "selective:2"])
def test_numbers_are_those_of_loops(shown, pool, monkeypatch):
    monkeypatch.setattr(measuring, "AT_ONCE", 2)
    classifier = network(pool)
    with torch.no_grad():
        found = measure(classifier, shown, nothing)
        images = normalize(to_unit(shown.pixels), *IMAGENET)
        tokens = classifier.tokens(images)
        logits = classifier(images)
    assert found["accuracy"] == np.mean(logits.argmax(1).numpy() == shown.labels)
    norms = np.linalg.norm(tokens.patches.double().numpy(), axis=2)
    assert found["norm_max"] == pytest.approx(norms.max(axis=1).mean(), rel=1e-6)
    assert found["norm_q99"] == pytest.approx(np.quantile(norms, 0.99), rel=1e-6)

    # The box holds the centres of rows 2 and 3 and columns 1 and 2 of 4 x 4 patches.
    inside = {9, 10, 13, 14}
    patches, cls = tokens.patches.double().numpy(), tokens.cls.double().numpy()
    hits = []
    for image in (0, 2):
        lengths = np.linalg.norm(patches[image], axis=1) * np.linalg.norm(cls[image])
        hits.append(int((patches[image] @ cls[image] / lengths).argmax()) in inside)
    assert found["pib_cls"] == np.mean(hits)
    assert found["inside"] == 0.25


def test_the_ranked_map_is_that_of_what_the_head_reads(shown):
    with torch.no_grad():
        assert read(network("cls"), shown, nothing).ranked == "cls"
        assert read(network(), shown, nothing).ranked == "pooled"
        votes = read(network(), shown, nothing).maps["votes"]
    assert votes.sum(dim=1).tolist() == [24.0] * 5


def test_patches_are_masked_by_rank_in_the_input(shown, monkeypatch):
    seen = []

    def remember(images):
        seen.append(images.clone())
        return torch.zeros(len(images), 3)

    classifier = network()
    monkeypatch.setattr(classifier, "forward", remember)
    scores = torch.arange(16.0).repeat(5, 1)
    found = masking_curves(classifier, shown, scores, nothing)
    assert {*found} == {f"accuracy_{order}_50" for order in measuring.ORDERS}
    highest, lowest, random = seen
    plain = normalize(to_unit(shown.pixels), *IMAGENET)
    assert torch.equal(highest[:, :, :8], plain[:, :, :8])
    assert not highest[:, :, 8:].any()
    assert torch.equal(lowest[:, :, 8:], plain[:, :, 8:])
    assert not lowest[:, :, :8].any()
    masked = (random == 0).all(dim=1).reshape(5, 4, 4, 4, 4).all(dim=4).all(dim=2)
    assert masked.sum(dim=(1, 2)).tolist() == [8] * 5
    assert not (masked == masked[:1]).all()


def test_of_equal_scores_the_first_leads():
    ranks = measuring._ranks(torch.zeros(1, 4), ("a",), "highest")
    assert ranks.tolist() == [[0, 1, 2, 3]]


def test_without_boxes_nothing_is_said_of_them(shown):
    bare = replace(shown, boxed=Boxed(np.zeros(0, np.int64), ()))
    with torch.no_grad():
        found = measure(network(), bare, nothing)
    assert not [name for name in found if name.startswith(("pib", "inside"))]


def test_the_released_rule_counts_touched_patches(shown):
    with torch.no_grad():
        found = measure(network(), replace(shown, rule="point-in-box"), nothing)
    # Both ends are inclusive: columns 1 to 3 of rows 2 and 3.
    assert found["inside"] == 6 / 16


def test_a_resnet_is_measured_without_cls(shown):
    classifier = build_classifier(Design("resnet18", "mean", 3, 64), 0).eval()
    pixels = np.random.default_rng(0).integers(0, 255, (2, 64, 64, 3)).astype(np.uint8)
    boxed = Boxed(np.array([0]), (BOX,))
    two = replace(shown, pixels=pixels, labels=np.zeros(2, np.int64), digests=("a", "b"))
    with torch.no_grad():
        found = measure(classifier, replace(two, boxed=boxed), nothing)
    assert {name for name in found if name.startswith("pib")} == {"pib_pooled", "pib_votes"}
