"""Masked passes: right embeddings, addresses, and nothing computed twice."""

import json
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

from a2pipe.cache.fingerprint import fingerprint
from a2pipe.cache.references import Reference, uses_of
from a2pipe.errors import UsageError
from a2pipe.models.backbone import load_backbone
from a2pipe.pipeline.results.masking import passes as module
from a2pipe.pipeline.results.masking.passes import (
    check_passes,
    compute_passes,
    masked_counts,
    probed_samples,
)
from a2pipe.pipeline.session import open_session
from a2pipe.pipeline.shards.bad_images import BadImagesError
from a2pipe.pipeline.shards.gpus.opening import opened as opened_there
from a2pipe.pipeline.shards.gpus.opening import told
from a2pipe.pipeline.shards.task import prepare

from ...conftest import tiny_experiment, write_images, write_manifest

MODEL, PATCHES, TRAIN, TEST = "demo_localizer_s", 36, 10, 6


@pytest.fixture
def experiment(tmp_path):
    """The tiny experiment on 16 images, of which 10 are for training."""
    write_manifest(tmp_path / "images", write_images(tmp_path / "images", 16))
    return partial(tiny_experiment, tmp_path / "images")


def opened(experiment, cache, **masking):
    masking = {"score": "patch-score", "step": 12, "head": "nearest-mean", **masking}
    return open_session(experiment(embedding={"models": [MODEL]}, masking=masking), cache)


def computed(experiment, cache, **masking):
    """The passes, and how many images went through the model for them."""
    session = opened(experiment, cache, **masking)
    return compute_passes(session, MODEL), session.stats.forward_passes.get(MODEL, 0)


def by_hand(paths, scores, order, count, fill):
    """Embeddings of images masked one by one, by a loop over patches."""
    backbone = load_backbone(MODEL, device="cpu")
    found = []
    for path, values in zip(paths, scores, strict=True):
        square = Image.open(path).resize((48, 48), Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.array(square)).permute(2, 0, 1)[None] / 255
        stands = torch.tensor(backbone.info.mean) if fill == "zero" else pixels.mean((0, 2, 3))
        sign = -1 if order == "highest" else 1
        ranked = sorted(range(PATCHES), key=lambda patch: (sign * values[patch], patch))
        for patch in ranked[:count]:
            y, x = 8 * (patch // 6), 8 * (patch % 6)
            pixels[0, :, y : y + 8, x : x + 8] = stands[:, None, None]
        found.append(backbone.embed(pixels)[0])
    return np.array(found)


@pytest.mark.parametrize("fill", ["zero", "image-mean"])
def test_embeddings_are_those_of_images_masked_by_hand(experiment, cache, fill):
    passes, _ = computed(experiment, cache, fill=fill)
    test = probed_samples(passes.collection)[:4]
    digests = [passes.collection.digests[index] for index in test]
    paths = [passes.collection.paths[index] for index in test]
    (score,) = passes.scores
    values = passes.masked.read(score.attention, digests)
    for order, count in (("highest", 12), ("lowest", 24), ("highest", 36)):
        found = passes.embed_masked("cls", digests, score, order, count, fill)
        expected = by_hand(paths, values, order, count, fill)
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_none_and_all_masked_are_computed_once_for_all_orders(experiment, cache):
    passes, count = computed(experiment, cache)
    # Of a test image the whole, all masked, and three orders of 12 and 24; of the others the whole.
    assert count == TEST * (1 + 1 + 3 * 2) + TRAIN
    digests = [passes.collection.digests[i] for i in probed_samples(passes.collection)]
    (score,) = passes.scores
    for order in ("highest", "lowest", "random"):
        none = passes.embed_masked("cls", digests, score, order, 0, "zero")
        np.testing.assert_array_equal(none, passes.embed("cls", digests))
        every = passes.embed_masked("cls", digests, score, order, PATCHES, "zero")
        np.testing.assert_array_equal(
            every, passes.embed_masked("cls", digests, score, "random", PATCHES, "zero")
        )
    assert np.ptp(every, axis=0).max() < 1e-6


def test_a_second_run_passes_nothing_and_a_longer_curve_what_is_new(experiment, cache):
    computed(experiment, cache)
    assert computed(experiment, cache)[1] == 0
    assert computed(experiment, cache, step=6)[1] == TEST * 3 * 3  # 6, 18 and 30
    assert computed(experiment, cache, fill="blur")[1] == TEST * 7
    assert computed(experiment, cache, seed=1)[1] == TEST * 2
    # Another score: its pass, and two orders; that at random has none.
    assert computed(experiment, cache, score="votes:4")[1] == TEST * (1 + 2 * 2)
    assert computed(experiment, cache, score=["patch-score", "votes:4"], step=6)[1] == TEST * 3 * 2


def test_several_scores_share_the_pass_of_the_whole_image(experiment, cache):
    scores = ["patch-score", "attention", "votes:4"]
    _, count = computed(experiment, cache, score=scores, order="lowest")
    assert count == TEST * (1 + 1 + 3 * 2) + TRAIN


def test_a_random_order_alone_needs_no_score(experiment, cache):
    passes, count = computed(experiment, cache, order="random")
    assert passes.scores == []
    assert count == TEST * (1 + 1 + 2) + TRAIN
    assert not (cache / "patches").exists()


def test_every_masked_pass_has_an_address_of_its_own(experiment, cache):
    passes, _ = computed(experiment, cache, fill=["zero", "blur"], score="attention")
    masked = passes.masked.plan.specs_of(["embeddings"])
    # The whole image, and for each fill all masked and three orders of 12 and 24.
    assert len({*map(fingerprint, masked)}) == len(masked) == 1 + 2 * (1 + 3 * 2)


def test_a_head_of_the_models_own_needs_test_images_alone(experiment, cache):
    session = opened(experiment, cache, head="own")
    compute_passes(session, MODEL)
    assert session.stats.forward_passes[MODEL] == TEST * 8


def test_what_a_probe_uses_is_kept_from_gc(experiment, cache):
    passes, _ = computed(experiment, cache)
    session = passes.masked
    uses = uses_of(cache, Reference("tiny", session.experiment.origin, "masking"))
    folders = {session.stored(spec).folder for spec in session.plan.specs()}
    assert {str(folder) for folder in folders} <= {str(cache / use) for use in uses}


def test_another_process_is_told_the_same_passes(experiment, cache):
    plan = (session := computed(experiment, cache)[0].masked).plan
    request = json.loads(json.dumps(told(prepare(plan, session.cache, plan.specs()), 1)))
    assert set(opened_there(request, "cpu").asked_for) == set(plan.specs())


def test_points_are_a_seventh_of_all_patches_apart(experiment, cache):
    session = opened(experiment, cache)
    info, section = session.plan.backbones[MODEL], session.experiment.masking
    plain = section.model_copy(update={"step": None})
    assert masked_counts(info, 112, plain) == [0, 28, 56, 84, 112, 140, 168, 196]
    assert masked_counts(info, 8, plain) == [0, 1]
    assert masked_counts(info, 48, section) == [0, 12, 24, 36]
    assert masked_counts(info, 48, section.model_copy(update={"step": 35})) == [0, 35, 36]


def test_masks_that_cannot_be_made_are_refused_before_anything(experiment, cache):
    with pytest.raises(UsageError, match="The step of 37 patches is longer than the 36 that demo"):
        check_passes(opened(experiment, cache, step=37), MODEL)
    check_passes(opened(experiment, cache, step=36), MODEL)
    uneven = partial(experiment, image={"size": 50})
    with pytest.raises(UsageError, match="patches of 8 px, which do not divide an input of 50 px"):
        check_passes(opened(uneven, cache), MODEL)


def test_a_bad_image_is_told_and_left_out(tmp_path, cache):
    rows = write_images(tmp_path / "images", 40)
    write_manifest(tmp_path / "images", rows)
    (tmp_path / "images" / "00006.png").write_bytes(b"\x89PNG")  # of the test split

    def probed(**run):
        tree = tiny_experiment(
            tmp_path / "images",
            embedding={"models": [MODEL]},
            masking={"step": 18, "head": "nearest-mean"},
            run={"device": "cpu", **run},
        )
        return compute_passes(open_session(tree, cache), MODEL)

    with pytest.raises(BadImagesError, match=r"00006\.png"):
        probed()
    passes = probed(skip_bad_images=True)
    assert [image.path[-9:] for image in passes.bad] == ["00006.png"]
    assert len(passes.collection) == 39
    assert len(probed_samples(passes.collection)) == 14


def test_probed_samples_are_labelled_and_of_the_test_split(experiment, cache):
    collection = opened(experiment, cache).collection
    assert (collection.splits[probed_samples(collection)] == "test").all()
    unsplit = module.replace(collection, splits=np.full(len(collection), ""))
    assert len(probed_samples(unsplit)) == len(collection)
    unlabelled = module.replace(collection, labels=np.full(len(collection), -1))
    with pytest.raises(UsageError, match="has no labelled test image"):
        probed_samples(unlabelled)
