"""S² and combined rows: what they are made of, against plain loops, and what they reuse."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import interpolate

from a2pipe.errors import UsageError
from a2pipe.models.backbone import load_backbone
from a2pipe.pipeline.api import open_features
from a2pipe.pipeline.planning.rows import find_row
from a2pipe.pipeline.results.cells import feature_block
from a2pipe.pipeline.results.matrix import build_matrix
from a2pipe.pipeline.session import open_session

from ..conftest import tiny_experiment, tiny_images

MODEL = "demo_localizer_s_random"
ROW = f"{MODEL}/block4/16/smooth1"


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Eighty images and their manifest."""
    return tiny_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """One cache for all tests."""
    return tmp_path_factory.mktemp("cache")


def source(images, *baselines, **sections):
    """The tiny experiment with these baselines."""
    embedding = {"models": [MODEL], "baselines": list(baselines)}
    return tiny_experiment(images, **{"embedding": embedding, **sections})


def opened(images, cache, *baselines, **sections):
    """A session in which everything is computed."""
    session = open_session(source(images, *baselines, **sections), cache)
    session.compute()
    return session


def features(session, name):
    """Features of all samples in a row."""
    row = find_row(session.plan.rows, name)
    block = feature_block(session, session.collection, row, MODEL)
    found = block.read(np.arange(len(session.collection)))
    assert found.shape == (len(session.collection), block.width)
    return found


def loop_over_tiles(session, side):
    """CLS of the whole image and the mean CLS of its four tiles, one image and tile at a time."""
    backbone = load_backbone(MODEL)
    rows = []
    for path in session.collection.paths:
        small = Image.open(path).convert("RGB").resize((side, side), Image.Resampling.BILINEAR)
        whole = torch.tensor(np.array(small)).permute(2, 0, 1)[None].float() / 255
        double = interpolate(whole, scale_factor=2, mode="bicubic", align_corners=False)
        tiles = [
            backbone.embed(double[:, :, y : y + side, x : x + side])[0]
            for y in (0, side)
            for x in (0, side)
        ]
        rows.append(np.concatenate([backbone.embed(whole)[0], np.mean(tiles, axis=0)]))
    return np.stack(rows)


def test_s2_is_the_whole_image_and_the_mean_of_four_tiles(images, cache):
    session = opened(images, cache, "s2")
    expected = loop_over_tiles(session, 48)
    np.testing.assert_allclose(features(session, "s2"), expected, atol=2e-5, rtol=1e-5)


def test_s2_shares_the_whole_image_with_the_full_baseline(images, cache):
    opened(images, cache, "s2")
    session = opened(images, cache, "s2", "full")
    assert sum(session.stats.forward_passes.values()) == 0


def test_a_combination_has_the_features_of_its_rows_in_order(images, cache):
    combine = [{"name": "both", "rows": ["full", MODEL]}]
    session = opened(images, cache, "full", combine=combine)
    parts = [features(session, "full"), features(session, ROW)]
    np.testing.assert_array_equal(features(session, "both"), np.concatenate(parts, axis=1))


def test_a_combination_is_a_row_of_the_matrix_and_computes_nothing_new(images, cache):
    opened(images, cache, "full")
    combine = [{"rows": [MODEL, "full"]}]
    session = open_session(source(images, "full", combine=combine), cache)
    matrix = build_matrix(session).matrix
    assert [row.kind for row in matrix.rows] == ["control", "baseline", "combination"]
    assert matrix.rows[2].label == f"{MODEL}, 16 px + full image"
    assert matrix.cell(matrix.rows[2].key, MODEL, "logistic") is not None
    assert session.stats.forward_passes == {}


@pytest.mark.parametrize("form", ["numpy", "dask"])
def test_features_are_seen_from_python(images, cache, form):
    session = opened(images, cache, "s2", "full", combine=[{"name": "x", "rows": ["s2", "full"]}])
    for row in ("s2", "x"):
        view = open_features(
            source(images, "s2", "full", combine=[{"name": "x", "rows": ["s2", "full"]}]),
            row=row,
            cache=cache,
            form=form,
        )
        values = np.asarray(view.values)[view.row_of_sample]
        np.testing.assert_array_equal(values, features(session, row))


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (["full", "centre"], "There is no row 'centre'; choose one of"),
        ([MODEL, "full"], f"Several rows fit '{MODEL}'; name one of"),
    ],
)
def test_a_combination_names_each_row_without_doubt(images, cache, rows, problem):
    sections = {"crops": {"sizes": [[16], [8]]}, "combine": [{"rows": rows}]}
    with pytest.raises(UsageError, match=problem):
        open_session(source(images, "full", **sections), cache)


def test_tiles_are_whole_pixels(images, cache):
    embedding = {"models": [MODEL], "baselines": ["s2"], "input_size": 48}
    sections = {"image": {"size": 47}, "attention": {}, "embedding": embedding}
    with pytest.raises(UsageError, match="cannot be cut into 2 x 2 equal tiles"):
        open_session(source(images, **sections), cache)


def test_what_a_gpu_decodes_has_rows_and_addresses_of_its_own(images, cache):
    plain = open_session(source(images, "full"), cache).plan
    image = {"size": 48, "geometry": "letterbox", "decode": "nvjpeg"}
    other = open_session(source(images, "full", image=image), cache).plan
    assert [row.key for row in other.rows] == [
        f"{MODEL}/block4/16/smooth1/letterbox/nvjpeg", "full@48/letterbox/nvjpeg",
    ]  # fmt: skip
    assert {row.label.endswith(", letterboxed, decoded by nvJPEG") for row in other.rows} == {True}
    assert {spec.pixels.decoder for spec in other.specs() if spec.pixels} == {"nvjpeg"}
    assert not set(plain.specs()) & set(other.specs())


def test_crops_from_originals_are_left_to_pillow_whatever_the_canvas(images, cache):
    sections = {"crops": {"sizes": [16], "source": "original"}}
    session = source(images, **sections, image={"size": 48, "decode": "nvjpeg"})
    embeddings = [spec for spec in open_session(session, cache).plan.specs() if spec.reads_original]
    assert {spec.decoder for spec in embeddings} == {"pillow"}
