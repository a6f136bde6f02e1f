"""The shipped demo meets the least figures it was designed for, on digits no choice was made on."""

import pytest

from a2pipe.pipeline.experiment.demo import demo_experiment
from a2pipe.pipeline.results.matrix import build_matrix
from a2pipe.pipeline.session import open_session

S, RANDOM, EMBEDDER = "demo_localizer_s", "demo_localizer_s_random", "demo_embedder_s"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """One cache for the demo, its repetition and its control."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def matrix(cache):
    """`a2pipe demo`, computed once."""
    return build_matrix(open_session(demo_experiment(), cache)).matrix


def row_key(matrix, attention="", smooth=1, baseline=""):
    """Key of the one row with these properties."""
    (key,) = (
        row.key
        for row in matrix.rows
        if (row.attention, row.smooth, row.baseline) == (attention, smooth, baseline)
    )
    return key


def wga(matrix, **row):
    """Worst-group accuracy under the S embedder."""
    return matrix.cell(row_key(matrix, **row), EMBEDDER, "logistic").wga


def test_the_matrix_has_every_row_and_column(matrix):
    assert len(matrix.columns) == 2
    assert len(matrix.rows) == 3 * 2 + 3
    assert len(matrix.cells) == len(matrix.rows) * len(matrix.columns)
    assert {cell.n_test for cell in matrix.cells} == {600}


def test_the_small_localiser_finds_the_digit(matrix):
    found = matrix.localization_of(row_key(matrix, attention=S))
    assert found.mass >= 0.50
    assert found.hit >= 0.80
    assert found.crop_hit >= 0.80


def test_a_random_localiser_does_not(matrix):
    found = matrix.localization_of(row_key(matrix, attention=RANDOM))
    assert found.mass <= 0.10
    assert found.crop_hit <= 0.30


def test_the_full_image_head_learns_the_photograph(matrix):
    assert wga(matrix, baseline="full@96") <= 0.25


@pytest.mark.parametrize(("smooth", "least"), [(1, 0.45), (3, 0.60)])
def test_crops_of_the_small_localiser_are_robust(matrix, smooth, least):
    found = wga(matrix, attention=S, smooth=smooth)
    others = [
        wga(matrix, baseline="full@96"),
        wga(matrix, baseline="random"),
        wga(matrix, attention=RANDOM, smooth=smooth),
    ]
    assert found >= least
    assert found >= max(others) + 0.40


def test_running_it_again_sends_nothing_through_a_model(matrix, cache):
    again = build_matrix(open_session(demo_experiment(), cache))
    assert again.record.stats.forward_passes == {}
    assert again.matrix.cells == matrix.cells


def test_the_balanced_control_is_not_crippled(cache):
    control = demo_experiment(balanced=True)
    only_full = {"models": [EMBEDDER], "baselines": ["full@96"], "input_size": 48}
    content = control.model_dump()
    content |= {"attention": {}, "embedding": only_full, "name": "control"}
    (cell,) = build_matrix(open_session(content, cache)).matrix.cells
    assert cell.accuracy >= 0.75
