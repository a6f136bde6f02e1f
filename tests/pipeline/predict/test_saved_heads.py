"""A cell of a matrix that is saved as one file."""

import pytest

from a2pipe.cache.catalog import Cache
from a2pipe.cache.gc import gc
from a2pipe.errors import UsageError
from a2pipe.heads.saving import load_head
from a2pipe.pipeline.predict.saved_heads import find_cell, narrowed, save_cell
from a2pipe.pipeline.session import open_session

from ..conftest import tiny_experiment, tiny_images

MODEL, OTHER = "demo_localizer_s_random", "demo_localizer_s"
SECTIONS = {
    "attention": {"models": [MODEL, OTHER]},
    "embedding": {"models": [MODEL, OTHER], "baselines": ["full"]},
    "combine": [{"name": "both", "rows": ["full", MODEL]}],
    "head": [{"kind": "logistic"}, {"kind": "knn", "k": 3, "models": [OTHER]}],
}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Eighty images and their manifest."""
    return tiny_images(tmp_path_factory.mktemp("images"))


@pytest.fixture
def session(images, tmp_path):
    return open_session(tiny_experiment(images, **SECTIONS), tmp_path / "cache")


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ({"column": MODEL}, "Several rows fit"),
        ({"row": MODEL, "column": MODEL}, "There are several heads; name one of logistic, knn"),
        ({"row": MODEL, "column": "x"}, "There is no column 'x'"),
        ({"row": MODEL, "column": MODEL, "head": "knn"}, f"knn is fitted on {OTHER} alone, not on"),
    ],
)
def test_a_cell_is_named_without_doubt(names, problem, session):
    with pytest.raises(UsageError, match=problem):
        find_cell(session.plan, **names)


def test_of_the_experiment_only_what_the_cell_needs_is_left(session):
    cell = find_cell(session.plan, "full", OTHER, "knn")
    narrow = narrowed(session.plan, cell)
    assert narrow.attention.models == ()
    assert narrow.embedding.models == (OTHER,)
    assert [head.kind for head in narrow.head] == ["knn"]
    assert narrow.combine == ()
    both = narrowed(session.plan, find_cell(session.plan, "both", OTHER, "knn"))
    assert (both.attention.models, len(both.combine)) == ((MODEL,), 1)


def test_the_file_says_how_an_image_becomes_the_features(session, tmp_path):
    cell = find_cell(session.plan, OTHER, OTHER, "logistic")
    save_cell(session, cell, tmp_path / "one.head")
    about = load_head(tmp_path / "one.head").about
    assert about.notes["row"] == cell.row.key
    assert about.notes["experiment"]["crops"]["sizes"] == [[16]]
    assert "dataset" not in about.notes["experiment"]
    assert about.features["attention weights"].startswith(OTHER)


def test_gc_keeps_the_features_that_a_saved_head_was_fitted_on(images, tmp_path):
    session = open_session(tiny_experiment(images), tmp_path / "cache")
    save_cell(session, find_cell(session.plan), tmp_path / "one.head")
    assert len(list(Cache(tmp_path / "cache").folders())) == 3
    assert gc(Cache(tmp_path / "cache")) == []
