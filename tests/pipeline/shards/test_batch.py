"""What the pipeline stores, against a plain loop over images that uses none of its machinery."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from a2pipe.models.backbone import load_backbone
from a2pipe.pipeline.results.matrix import build_matrix
from a2pipe.pipeline.session import open_session

from ..conftest import tiny_experiment, tiny_images

MODEL = "demo_localizer_s"


def squares(session, size):
    """Every unique image, decoded and squashed by Pillow alone: float (n, 3, size, size)."""
    paths = [session.collection.path_of[digest] for digest in session.collection.images]
    pixels = [np.array(Image.open(path).convert("RGB").resize((size, size), 2)) for path in paths]
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2) / 255


def crop(image, box, size):
    """One crop, resized by torch."""
    x0, y0, x1, y1 = (int(value) for value in box)
    return torch.nn.functional.interpolate(
        image[None, :, y0:y1, x0:x1], size=(size, size), mode="bilinear", antialias=True
    )


def best_square(attention, size, taken):
    """Exhaustive search, row by row, for the square of largest sum that meets no other."""
    best, chosen = -1.0, (0, 0)
    for y in range(attention.shape[0] - size + 1):
        for x in range(attention.shape[1] - size + 1):
            if any(x < b[2] and b[0] < x + size and y < b[3] and b[1] < y + size for b in taken):
                continue
            total = attention[y : y + size, x : x + size].sum()
            if total > best + 1e-12:
                best, chosen = total, (x, y)
    return [*chosen, chosen[0] + size, chosen[1] + size]


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    """Two crops, two input sizes, all stages done."""
    folder = tmp_path_factory.mktemp("computed")
    content = tiny_experiment(
        tiny_images(folder / "images"),
        attention={"models": [MODEL]},
        crops={"sizes": [16, 8]},
        embedding={"models": [MODEL], "baselines": ["full@96", "center:16"]},
    )
    session = open_session(content, folder / "cache")
    session.compute()
    return session


def test_attention_is_that_of_each_image_alone(computed):
    (spec,) = computed.plan.attention
    backbone = load_backbone(MODEL, device="cpu")
    rows = [backbone.attention(image[None], [4])[0, 0] for image in squares(computed, 48)]
    stored = computed.read(spec, list(computed.collection.images))
    np.testing.assert_allclose(stored, np.stack(rows), atol=1e-6)
    np.testing.assert_allclose(stored.sum(-1), 1, atol=1e-5)


def test_boxes_are_those_of_an_exhaustive_search(computed):
    images = list(computed.collection.images)
    attention = computed.read(computed.plan.attention[0], images).mean(1)[:, 1:]
    first, second = (computed.read(box, images) for box in computed.plan.rows[0].boxes)
    for row in range(0, len(images), 8):
        grid = torch.from_numpy(attention[row].astype(np.float64)).reshape(1, 1, 6, 6)
        pixels = torch.nn.functional.interpolate(grid, size=(48, 48), mode="bilinear")[0, 0].numpy()
        expected = best_square(pixels / pixels.sum(), 16, [])
        assert first[row].tolist() == expected
        assert second[row].tolist() == best_square(pixels / pixels.sum(), 8, [expected])


@pytest.mark.parametrize("row", [0, 1, 2])
def test_embeddings_are_those_of_each_crop_alone(computed, row):
    images = list(computed.collection.images)
    backbone = load_backbone(MODEL, device="cpu")
    for spec in computed.plan.features(computed.plan.rows[row], MODEL):
        boxes = computed.read(spec.box, images)
        crops = [
            crop(image, box, spec.input_size)
            for image, box in zip(squares(computed, 48), boxes, strict=True)
        ]
        alone = np.concatenate([backbone.embed(one) for one in crops])
        np.testing.assert_allclose(computed.read(spec, images), alone, atol=1e-5)


def test_files_of_equal_bytes_share_their_rows(experiment, images, tmp_path):
    rows = (images / "manifest.csv").read_text().splitlines()
    for name in ("00000.png", "00005.png"):
        shutil.copy(images / name, images / f"copy-{name}")
    copies = [f"copy-{row}" for row in rows[1:] if row.startswith(("00000", "00005"))]
    (images / "twice.csv").write_text("\n".join([*rows, *copies]) + "\n")
    twice = experiment(dataset={"name": str(images / "twice.csv")})
    run = build_matrix(open_session(twice, tmp_path / "cache"))
    assert len(run.collection) == 82
    assert sum(run.record.stats.forward_passes.values()) == 160


def test_random_crops_depend_on_the_seed_and_the_image_alone(experiment, tmp_path):
    def boxes(cache, **run):
        sections = {"embedding": {"models": [MODEL], "baselines": ["random:5"]}}
        settings = {"device": "cpu", **run}
        session = open_session(experiment(run=settings, **sections), tmp_path / cache)
        session.compute("boxes")
        return session.read(session.plan.rows[-1].boxes[0], list(session.collection.images))

    once, again = boxes("a", shard_size=32), boxes("b", shard_size=7, batch_size=3)
    np.testing.assert_array_equal(once, again)
    assert len({tuple(box) for box in once.tolist()}) > 40


def test_one_pass_gives_attention_and_embedding_of_the_same_pixels(experiment, tmp_path):
    whole = {"models": [MODEL], "baselines": ["full"]}
    attention, none = {"models": [MODEL]}, {"models": []}

    def computed(name, **sections):
        session = open_session(experiment(crops={"sizes": [16]}, **sections), tmp_path / name)
        session.compute()
        return session

    both = computed("both", attention=attention, embedding=whole)
    assert both.stats.forward_passes == {MODEL: 80 + 80}
    rows = computed("attention", attention=attention, embedding=none)
    features = computed("embeddings", attention=none, embedding=whole)
    images = list(both.collection.images)
    for alone in (rows, features):
        for spec in alone.plan.specs():
            np.testing.assert_array_equal(both.read(spec, images), alone.read(spec, images))


def test_an_embedding_that_is_stored_is_not_asked_for_again(experiment, tmp_path):
    def passes(layers):
        whole = {"models": [MODEL], "baselines": ["full"]}
        attention = {"models": [MODEL], "layers": layers}
        session = open_session(experiment(attention=attention, embedding=whole), tmp_path / "cache")
        return session.compute().forward_passes

    assert passes([4]) == {MODEL: 80 + 80}
    assert passes([3, 4]) == {MODEL: 80 + 80}
