"""Fits that have no record: the same bits in one process and in many, each kept when it is done."""

import numpy as np
import pytest

from a2pipe.errors import A2pipeError
from a2pipe.pipeline.results import fits as module
from a2pipe.pipeline.results.cells import feature_block, fit_cells
from a2pipe.pipeline.results.matrix import build_matrix
from a2pipe.pipeline.session import open_session
from a2pipe.stages.fits.samples import samples_of_collection

from ..conftest import tiny_experiment, tiny_images

HEADS = [
    {"kind": "logistic"},
    {"kind": "logistic", "name": "standardised", "features": "standardized"},
]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Eighty images and their manifest."""
    return tiny_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def cache(images, tmp_path_factory):
    """A cache that has every feature and no fit but that of one head."""
    root = tmp_path_factory.mktemp("cache")
    build_matrix(open_session(source(images, head=HEADS[0]), root))
    return root


def source(images, **sections):
    embedding = {"models": ["demo_localizer_s_random"], "baselines": ["full"]}
    return tiny_experiment(images, **{"embedding": embedding, "head": HEADS, **sections})


def fitted(images, root):
    session = open_session(source(images), root)
    return fit_cells(session, session.collection)


def test_processes_give_the_bits_of_one_process(images, cache, monkeypatch):
    alone = fitted(images, cache)
    for path in (cache / "fits").iterdir():
        path.unlink()
    monkeypatch.setattr(module, "WORTH_A_PROCESS", 0)
    together = fitted(images, cache)
    assert [cell.record for cell in together] == [cell.record for cell in alone]
    for one, other in zip(alone, together, strict=True):
        assert one.content["fitted"] == other.content["fitted"]
        for name, values in one.arrays.items():
            np.testing.assert_array_equal(values, other.arrays[name])


def test_cells_come_in_row_order(images, cache):
    cells = fitted(images, cache)
    rows = [cell.row.kind for cell in cells]
    assert rows == ["control", "control", "baseline", "baseline"]
    assert [cell.head for cell in cells] == ["logistic", "standardised"] * 2


def test_features_are_written_once_for_all_heads_of_a_cell(images, cache, monkeypatch):
    for path in (cache / "fits").iterdir():
        path.unlink()
    written = []
    write = module.write_features
    monkeypatch.setattr(
        module, "write_features", lambda *args: (written.append(args[-1]), write(*args))
    )
    fitted(images, cache)
    assert len(written) == 2
    assert not any(path.exists() for path in written)


def test_what_is_done_is_kept_when_a_later_fit_fails(images, cache, monkeypatch):
    for path in (cache / "fits").iterdir():
        path.unlink()
    fit, calls = module.fit_cell, []

    def fail_at_the_third(*args):
        calls.append(args)
        if len(calls) == 3:
            raise A2pipeError("This fit fails.")
        return fit(*args)

    monkeypatch.setattr(module, "fit_cell", fail_at_the_third)
    with pytest.raises(A2pipeError, match="This fit fails"):
        fitted(images, cache)
    assert len(list((cache / "fits").glob("*.json"))) == 2


def test_features_are_written_in_the_order_of_the_samples(images, cache):
    session = open_session(source(images), cache)
    samples, row = samples_of_collection(session.collection), session.plan.rows[0]
    block = feature_block(session, session.collection, row, session.plan.columns[0])
    file = cache / "features.npy"
    module.write_features(block, samples, file)
    np.testing.assert_array_equal(np.load(file), block.read(samples.index))
    file.unlink()
