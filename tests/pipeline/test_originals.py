"""Crops from originals: right pixels, few decodes, the same promises as crops from the canvas."""

from math import ceil, floor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from a2pipe.cache.catalog import Cache
from a2pipe.cache.fingerprint import fingerprint
from a2pipe.errors import A2pipeError
from a2pipe.models.backbone import load_backbone
from a2pipe.models.preprocessing import to_device, to_unit
from a2pipe.pipeline.session import Session, open_session
from a2pipe.pipeline.shards import local
from a2pipe.pipeline.shards.prefetch import Room
from a2pipe.stages.specs import EmbeddingSpec, FullBox

RANDOM, TRAINED = "demo_localizer_s_random", "demo_localizer_s"
ORIGINAL = {"sizes": [16], "source": "original"}
BOTH = {"models": [RANDOM], "baselines": ["full@96", "center:16", "random"]}


def arrays(cache: Path) -> dict[str, bytes]:
    """Every array of every artifact, status among them."""
    return {
        f"{artifact.fingerprint}/{name}": artifact.read(name).tobytes()
        for artifact in Cache(cache).artifacts()
        for name in (*(field.name for field in artifact.fields), "status")
    }


def computed(experiment, cache: Path, **sections) -> Session:
    """A session whose stages are all done."""
    session = open_session(experiment(**sections), cache)
    session.compute()
    return session


def shown(geometry: str, width: int, height: int) -> tuple[float, float, float, float]:
    """Left, top and the pixels of the original in one pixel of a canvas of 48."""
    if geometry == "squash":
        return 0, 0, width / 48, height / 48
    side = min(width, height)
    return (width - side) / 2, (height - side) / 2, side / 48, side / 48


def by_hand(path: str, box: np.ndarray, size: int, geometry: str) -> np.ndarray:
    """A crop by Pillow alone: the pixels around it, then the part of them that it shows."""
    image = Image.open(path).convert("RGB")
    left, top, across, down = shown(geometry, *image.size)
    part = [
        left + box[0] * across,
        top + box[1] * down,
        left + box[2] * across,
        top + box[3] * down,
    ]
    around = (floor(part[0]), floor(part[1]), ceil(part[2]), ceil(part[3]))
    inner = [edge - around[axis % 2] for axis, edge in enumerate(part)]
    return np.array(image.crop(around).resize((size, size), Image.Resampling.BILINEAR, inner))


@pytest.mark.parametrize("geometry", ["squash", "center-crop"])
def test_embeddings_are_those_of_crops_by_hand(experiment, tmp_path, geometry):
    sections = {"image": {"size": 48, "geometry": geometry}, "crops": ORIGINAL, "embedding": BOTH}
    session = computed(experiment, tmp_path / "cache", **sections)
    backbone = load_backbone(RANDOM, device="cpu")
    collection, images = session.collection, list(session.collection.images)
    for row in session.plan.rows:
        (spec,) = session.plan.features(row, RANDOM)
        assert spec.source == "original"
        boxes, found = session.read(spec.box, images), session.read(spec, images)
        for number in range(0, len(images), 9):
            path = collection.path_of[images[number]]
            crop = by_hand(path, boxes[number], spec.input_size, geometry)
            alone = backbone.embed(to_unit(crop[None]))[0]
            np.testing.assert_allclose(found[number], alone, atol=1e-5)


def test_an_image_is_decoded_once_for_its_boxes_and_once_for_its_crops(experiment, tmp_path):
    crops = {"sizes": [[16], [16, 8]], "source": "original"}
    session = computed(experiment, tmp_path / "cache", crops=crops, embedding=BOTH)
    assert session.stats.decoded == 80 + 80
    assert session.stats.forward_passes == {RANDOM: 80 + (2 + 1 + 1 + 2) * 80}


@pytest.mark.parametrize(("source", "decodes", "copies"), [("resized", 1, 1), ("original", 2, 5)])
def test_all_models_share_what_is_decoded_and_what_lies_on_the_device(
    experiment, tmp_path, monkeypatch, source, decodes, copies
):
    """A batch's canvas is copied to the device once, and so is each crop, whoever reads it."""
    copied = []

    def copy(pixels, device):
        copied.append(pixels.shape)
        return to_device(pixels, device)

    monkeypatch.setattr("a2pipe.pipeline.shards.batch.to_device", copy)
    models = {"models": [RANDOM, TRAINED]}
    session = computed(
        experiment,
        tmp_path / "cache",
        attention=models,
        crops={"sizes": [16], "source": source},
        embedding={**models, "baselines": ["center:16", "random"]},
        run={"device": "cpu", "batch_size": 80, "shard_size": 80},
    )
    assert session.stats.decoded == decodes * 80
    assert len(copied) == copies
    assert session.stats.forward_passes == {RANDOM: 5 * 80, TRAINED: 5 * 80}


def test_where_boxes_are_known_it_is_decoded_once(experiment, tmp_path):
    computed(experiment, tmp_path / "cache")
    session = computed(experiment, tmp_path / "cache", crops=ORIGINAL)
    assert session.stats.decoded == 80
    assert session.stats.forward_passes == {RANDOM: 80}


def test_baselines_alone_are_decoded_once(experiment, tmp_path):
    sections = {"crops": ORIGINAL, "embedding": BOTH, "attention": {"models": []}}
    assert computed(experiment, tmp_path / "cache", **sections).stats.decoded == 80


def test_another_source_moves_embeddings_alone(experiment, tmp_path):
    first = computed(experiment, tmp_path / "cache", embedding=BOTH)
    other = open_session(experiment(crops=ORIGINAL, embedding=BOTH), tmp_path / "cache")
    for one, two in zip(first.plan.specs(), other.plan.specs(), strict=True):
        same = fingerprint(one) == fingerprint(two)
        assert same == (not isinstance(one, EmbeddingSpec))
    other.compute()
    again = computed(experiment, tmp_path / "cache", embedding=BOTH)
    assert (again.stats.decoded, again.stats.forward_passes) == (0, {})


def test_a_whole_canvas_in_its_own_size_serves_both_sources(experiment, tmp_path):
    sections = {"attention": {"models": []}, "embedding": {"models": [RANDOM], "baselines": "full"}}
    computed(experiment, tmp_path / "cache", **sections)
    session = computed(experiment, tmp_path / "cache", crops=ORIGINAL, **sections)
    assert session.stats.forward_passes == {}
    assert [row.label for row in session.plan.rows] == ["full image"]


@pytest.mark.parametrize("geometry", ["center-crop", "letterbox", "short-256", "open-clip"])
def test_another_geometry_computes_everything_once(experiment, tmp_path, geometry):
    computed(experiment, tmp_path / "cache", embedding=BOTH)
    image = {"size": 48, "geometry": geometry}
    other = computed(experiment, tmp_path / "cache", image=image, embedding=BOTH)
    assert other.stats.forward_passes == {RANDOM: 80 + 4 * 80}
    again = computed(experiment, tmp_path / "cache", image=image, embedding=BOTH)
    back = computed(experiment, tmp_path / "cache", embedding=BOTH)
    assert again.stats.forward_passes == back.stats.forward_passes == {}


def test_of_square_images_every_geometry_gives_the_same_rows(experiment, images, tmp_path):
    for path in images.glob("*.png"):
        Image.open(path).resize((40, 40)).save(path)

    def rows(geometry):
        image = {"size": 48, "geometry": geometry}
        session = computed(experiment, tmp_path / "cache", image=image, crops=ORIGINAL)
        return [session.read(s, list(session.collection.images)) for s in session.plan.specs()]

    squashed = rows("squash")
    for geometry in ("center-crop", "letterbox"):
        for one, other in zip(squashed, rows(geometry), strict=True):
            np.testing.assert_array_equal(one, other)


def test_an_interrupted_run_goes_on_to_the_same_bytes(experiment, tmp_path, monkeypatch):
    sections = {"crops": {"sizes": [16, 8], "source": "original"}, "embedding": BOTH}
    computed(experiment, tmp_path / "whole", **sections)
    embed, batches = local.embed_crops, []

    def interrupt(batch, backbones):
        batches.append(batch)
        if len(batches) == 4:
            raise KeyboardInterrupt
        embed(batch, backbones)

    monkeypatch.setattr(local, "embed_crops", interrupt)
    with pytest.raises(KeyboardInterrupt):
        computed(experiment, tmp_path / "parts", **sections)
    monkeypatch.undo()
    session = computed(experiment, tmp_path / "parts", **sections)
    assert 0 < session.stats.forward_passes[RANDOM] < 80 * 6
    assert arrays(tmp_path / "parts") == arrays(tmp_path / "whole")


def test_batches_and_workers_change_no_crop(experiment, tmp_path):
    def rows(name, **run):
        crops = {"sizes": [16, 8], "source": "original"}
        session = computed(experiment, tmp_path / name, crops=crops, run={"device": "cpu", **run})
        return [session.read(s, list(session.collection.images)) for s in session.plan.specs()]

    one = rows("one", batch_size=64, workers=1)
    other = rows("other", batch_size=7, shard_size=31, workers=5)
    for left, right in zip(one, other, strict=True):
        np.testing.assert_array_equal(left, right)


def test_both_decodes_of_an_original_find_room_for_it(experiment, tmp_path, monkeypatch):
    taken, taking = [], Room.taking

    def note(room, wanted):
        taken.append(wanted)
        return taking(room, wanted)

    monkeypatch.setattr(Room, "taking", note)
    run = {"batch_size": 16, "shard_size": 32, "device": "cpu"}
    computed(experiment, tmp_path / "cache", crops=ORIGINAL, run=run)
    # Each process has one original at a time, of the few that it was sent.
    assert set(taken) == {7 * 40 * 30}
    assert len(taken) == 2 * 80 // 16


def test_few_batches_wait_for_their_crops(experiment, tmp_path, monkeypatch):
    place, embed, waiting, most = local.place_crops, local.embed_crops, set(), []

    def placing(batch, backbones):
        waiting.add(id(batch))
        most.append(len(waiting))
        place(batch, backbones)

    def embedding(batch, backbones):
        waiting.discard(id(batch))
        embed(batch, backbones)

    monkeypatch.setattr(local, "place_crops", placing)
    monkeypatch.setattr(local, "embed_crops", embedding)
    run = {"batch_size": 4, "shard_size": 16, "device": "cpu"}
    computed(experiment, tmp_path / "cache", crops=ORIGINAL, run=run)
    assert max(most) == local.BATCHES_BEING_CUT + 1
    most.clear()
    computed(experiment, tmp_path / "resized", run=run)
    assert max(most) == 1


@pytest.mark.parametrize("attention", [[RANDOM], []], ids=["with attention", "baselines alone"])
def test_bad_images_are_the_same_and_decoded_once(experiment, images, tmp_path, attention):
    whole = (images / "00003.png").read_bytes()
    (images / "00003.png").write_bytes(whole[:400])

    def bad(name, **crops):
        sections = {"attention": {"models": attention}, "embedding": BOTH}
        crops = {"sizes": [16], **crops}
        session = computed(experiment, tmp_path / name, crops=crops, **sections)
        return session.bad_images(), session.stats.decoded

    (resized, _), (original, decodes) = bad("resized"), bad("original", source="original")
    assert [Path(image.path).name for image in original] == ["00003.png"]
    assert original == resized
    assert decodes == (80 + 79 if attention else 80)


def test_a_file_that_changes_between_its_decodes_stops_the_run(
    experiment, images, tmp_path, monkeypatch
):
    place = local.place_crops

    def place_and_change(batch, backbones):
        place(batch, backbones)
        (images / "00000.png").write_bytes((images / "00001.png").read_bytes())

    monkeypatch.setattr(local, "place_crops", place_and_change)
    with pytest.raises(A2pipeError, match=r"00000.png has changed since it was indexed"):
        computed(experiment, tmp_path / "cache", crops=ORIGINAL)


def test_rows_and_specs_say_what_crops_are_cut_from(experiment, tmp_path):
    plain = open_session(experiment(embedding=BOTH), tmp_path / "cache").plan
    image = {"size": 48, "geometry": "letterbox"}
    other = open_session(
        experiment(image=image, crops=ORIGINAL, embedding=BOTH), tmp_path / "cache"
    )
    for one, two in zip(plain.rows, other.plan.rows, strict=True):
        assert two.key == f"{one.key}/letterbox/original"
        assert two.label == f"{one.label}, letterboxed, cut from the original"
    for before, after in zip(plain.specs(), other.plan.specs(), strict=True):
        words = ", letterboxed"
        words += ", cut from the original" if isinstance(after, EmbeddingSpec) else ""
        assert after.words == before.words + words


def test_every_spec_of_a_plan_has_its_geometry(experiment, tmp_path):
    image = {"size": 48, "geometry": "letterbox"}
    plain = open_session(experiment(embedding=BOTH), tmp_path / "cache").plan
    plan = open_session(experiment(image=image, embedding=BOTH), tmp_path / "cache").plan
    assert not {*map(fingerprint, plan.specs())} & {*map(fingerprint, plain.specs())}
    assert FullBox(48, "letterbox") in plan.specs()
