"""The Python API: cached arrays in every form and on both backends, and who computes a matrix."""

import numpy as np
import pytest

import a2pipe
from a2pipe.errors import NotCachedError, UsageError
from a2pipe.pipeline.session import open_session

from .conftest import tiny_experiment, tiny_images

MODEL = "demo_localizer_s_random"


@pytest.fixture(params=["zarr", "hdf5"], scope="module")
def source(request, tmp_path_factory):
    """A computed experiment of two crops and a baseline, and its cache."""
    folder = tmp_path_factory.mktemp("views")
    content = tiny_experiment(
        tiny_images(folder / "images"),
        crops={"sizes": [16, 8]},
        embedding={"models": [MODEL], "baselines": ["full"]},
        patches={"statistics": ["votes:N/4", "norm"]},
        run={"shard_size": 32, "backend": request.param, "device": "cpu"},
    )
    open_session(content, folder / "cache").compute()
    return content, folder / "cache"


def test_attention_has_a_row_an_image_and_sums_to_one(source):
    content, cache = source
    view = a2pipe.open_attention(content, cache=cache)
    assert view.values.shape == (80, 3, 37)
    np.testing.assert_allclose(view.values.sum(-1), 1, atol=1e-5)
    assert (view.status == 1).all()


def test_a_statistic_of_patches_is_named_as_in_the_experiment(source):
    content, cache = source
    votes = a2pipe.open_patches(content, "votes:N/4", cache=cache).values
    assert (votes.shape, votes.dtype) == ((80, 36), np.uint16)
    assert (votes.sum(axis=1) == 9 * 96).all()
    again = a2pipe.open_patches(content, "votes:9", MODEL, form="dask", cache=cache)
    np.testing.assert_array_equal(again.values.compute(), votes)


@pytest.mark.parametrize("form", ["numpy", "dask", "zarr"])
def test_every_form_holds_the_same_numbers(source, form):
    content, cache = source
    expected = a2pipe.open_features(content, "full image", cache=cache).values
    found = a2pipe.open_features(content, "full image", form=form, cache=cache).values
    np.testing.assert_array_equal(np.asarray(found[:]), expected)


def test_features_of_several_crops_are_concatenated(source):
    content, cache = source
    whole = a2pipe.open_features(content, MODEL, form="dask", cache=cache)
    assert whole.values.shape == (80, 192)
    plain = a2pipe.open_features(content, MODEL, cache=cache)
    np.testing.assert_array_equal(whole.values.compute(), plain.values)


def test_rows_are_found_for_samples(source):
    content, cache = source
    view = a2pipe.open_boxes(content, MODEL, crop=1, cache=cache)
    assert [view.images[row] for row in view.row_of_sample] == list(view.collection.digests)
    assert (view.values[:, 2] - view.values[:, 0] == 8).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c, k: a2pipe.open_features(c, cache=k), "Several rows fit"),
        (lambda c, k: a2pipe.open_features(c, "no row", cache=k), "no row 'no row'"),
        (lambda c, k: a2pipe.open_features(c, MODEL, "x", cache=k), "no such model"),
        (lambda c, k: a2pipe.open_features(c, MODEL, form="zarr", cache=k), "Several crops"),
        (lambda c, k: a2pipe.open_features(c, MODEL, form="csv", cache=k), "no form 'csv'"),
        (lambda c, k: a2pipe.open_boxes(c, MODEL, crop=2, cache=k), "crops 0 to 1"),
        (lambda c, k: a2pipe.open_attention(c, block=3, cache=k), "no such attention"),
        (lambda c, k: a2pipe.open_patches(c, "votes:8", cache=k), "no such statistic"),
        (lambda c, k: a2pipe.open_patches(c, cache=k), "Several statistics fit"),
        (lambda c, k: a2pipe.open_patches(c, "votes:37", cache=k), "more than the 36 patches"),
    ],
)
def test_what_is_not_there_is_said(source, call, message):
    with pytest.raises(UsageError, match=message):
        call(*source)


def test_what_is_not_computed_is_said(experiment, tmp_path):
    with pytest.raises(NotCachedError, match="a2pipe run"):
        a2pipe.open_attention(experiment(), cache=tmp_path / "cache")


def test_build_matrix_returns_the_matrix(experiment, tmp_path):
    matrix = a2pipe.build_matrix(experiment(), cache=tmp_path / "cache", quiet=True)
    assert isinstance(matrix, a2pipe.Matrix)
    assert len(matrix.cells) == 1


def test_the_public_names_are_there():
    for name in a2pipe.__all__:
        assert getattr(a2pipe, name).__doc__
    assert set(a2pipe.__all__) <= set(dir(a2pipe))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = a2pipe.nothing


def test_a_sample_without_a_row_is_not_usable_and_takes_no_other_row(experiment, images, tmp_path):
    (images / "00003.png").unlink()
    (images / "00005.png").write_bytes(b"no image")
    open_session(experiment(), tmp_path / "cache").compute()
    view = a2pipe.open_features(experiment(), cache=tmp_path / "cache")
    assert np.flatnonzero(~view.usable).tolist() == [3, 5]
    assert np.isfinite(view.values[view.row_of_sample[view.usable]]).all()
    with pytest.raises(IndexError):
        view.values[view.row_of_sample]


def test_a_matrix_is_computed_by_the_executor_that_is_given(experiment, tmp_path):
    """Any object with the method of an executor will do; here one that notes what it was asked."""
    asked, local = [], a2pipe.LocalExecutor()

    class Noting:
        def compute(self, task, progress, stats):
            asked.extend(task.shards)
            local.compute(task, progress, stats)

    matrix = a2pipe.build_matrix(experiment(), cache=tmp_path, executor=Noting(), quiet=True)
    assert asked == [0, 1, 2]
    assert matrix.cells
