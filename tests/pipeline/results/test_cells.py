"""The cells of a matrix before and after their fits."""

from types import SimpleNamespace

import numpy as np
import pytest

from a2pipe.errors import UsageError
from a2pipe.heads.nearest import KNNHead
from a2pipe.pipeline.results import cells
from a2pipe.pipeline.results.cells import cell_count, check_heads, feature_block, unfitted_head
from a2pipe.pipeline.session import open_session

from ..conftest import tiny_experiment, tiny_images

MODELS = ["demo_localizer_s_random", "demo_localizer_s"]
HEADS = [{"kind": "logistic"}, {"kind": "knn", "k": 3, "models": MODELS[1:]}]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Two rows x two embedding models x two heads, of which the second is for one model alone."""
    images = tiny_images(tmp_path_factory.mktemp("images"))
    embedding = {"models": MODELS, "baselines": ["full"]}
    return tiny_experiment(images, embedding=embedding, head=HEADS)


@pytest.fixture
def session(source, tmp_path):
    return open_session(source, tmp_path / "cache")


def test_a_head_for_some_models_has_cells_in_their_columns_alone(session):
    assert cell_count(session) == 2 * (2 + 1)
    planned = cells._planned_cells(session, session.collection)
    assert len({cell.spec for cell in planned}) == 6


def test_a_head_is_made_with_its_parameters_and_not_fitted(session):
    row, head = session.plan.rows[0], session.experiment.head[1]
    made = unfitted_head(session, session.collection, row, MODELS[1], head)
    assert isinstance(made.head, KNNHead)
    assert made.head.k == 3
    assert not hasattr(made.head, "classes_")


def test_a_wrong_parameter_is_refused_before_anything_is_computed(source, tmp_path):
    wrong = {**source, "head": [{"kind": "logistic", "colour": "red"}]}
    session = open_session(wrong, tmp_path / "cache")
    with pytest.raises(UsageError, match="colour"):
        check_heads(session)
    assert not session.stats.shards


def test_features_of_several_crops_stand_side_by_side(session, monkeypatch):
    row = session.plan.rows[0]
    images = session.collection.digests
    monkeypatch.setattr(
        session, "read_features", lambda _, read: np.array([[images.index(i)] for i in read])
    )
    monkeypatch.setattr(session.plan.__class__, "features", lambda *_: ("first", "second"))
    monkeypatch.setattr(session.plan.__class__, "width", lambda *_: 2)
    block = feature_block(session, session.collection, row, MODELS[0])
    np.testing.assert_array_equal(block.read(np.array([5, 2])), [[5, 5], [2, 2]])


def test_each_warning_is_said_once_with_the_number_of_cells():
    said = []
    session = SimpleNamespace(progress=SimpleNamespace(say=said.append))
    records = [({"warnings": texts}, {}) for texts in (["slow", "rough"], ["slow"], [])]
    cells._say_warnings(session, [*records, None])
    assert said == ["slow (heads of 2 cells)", "rough"]
