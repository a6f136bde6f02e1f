"""A head taken out of a matrix and applied to new images."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from a2pipe.errors import UsageError
from a2pipe.heads.logistic import LogisticHead
from a2pipe.heads.saving import save_head
from a2pipe.pipeline.predict import predict as module
from a2pipe.pipeline.predict.overlays import save_overlays
from a2pipe.pipeline.predict.predict import predict, write_predictions
from a2pipe.pipeline.predict.saved_heads import find_cell, save_cell
from a2pipe.pipeline.results.matrix import build_matrix
from a2pipe.pipeline.session import open_session

from ..conftest import tiny_experiment, tiny_images

MODEL = "demo_localizer_s_random"
ROWS = [MODEL, "full", "s2", "both"]
SECTIONS = {
    "embedding": {"models": [MODEL], "baselines": ["full", "s2"]},
    "combine": [{"name": "both", "rows": ["full", MODEL]}],
    "head": [{"kind": "logistic"}, {"kind": "knn", "k": 3}],
}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Eighty images and their manifest."""
    return tiny_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def trained(images, tmp_path_factory):
    """A cache, and the matrix run that filled it."""
    cache = tmp_path_factory.mktemp("cache")
    return cache, build_matrix(open_session(tiny_experiment(images, **SECTIONS), cache))


@pytest.fixture
def saved(images, trained, tmp_path):
    """Save the head of one cell: row, head -> file."""

    def save(row=MODEL, head="logistic"):
        session = open_session(tiny_experiment(images, **SECTIONS), trained[0])
        save_cell(session, find_cell(session.plan, row, head=head), tmp_path / "one.head")
        assert session.stats.forward_passes == {}
        return tmp_path / "one.head"

    return save


def cell_of(run, row, head):
    """The cell of the training run with this row and head."""
    (found,) = (cell for cell in run.cells if cell.row.is_called(row) and cell.head == head)
    return found


def held_out(run):
    """Paths of the test images, in the order of the record."""
    cell = run.cells[0]
    return [run.collection.paths[index] for index in cell.arrays["test_index"]]


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("head", ["logistic", "knn"])
def test_the_training_runs_predictions_come_back(row, head, trained, saved, tmp_path):
    cache, run = trained
    cell = cell_of(run, row, head)
    for root in (cache, tmp_path / "empty"):
        found = predict(saved(row, head), held_out(run), cache_root=root).predictions
        names = [run.collection.class_names[i] for i in cell.arrays["test_predictions"]]
        assert [each.class_name for each in found] == names
        shares = [list(each.probabilities.values()) for each in found]
        exact = root == cache
        np.testing.assert_allclose(
            shares, cell.arrays["test_probabilities"], rtol=1e-6 if exact else 1e-4, atol=1e-6
        )


def test_crops_by_votes_and_two_pools_side_by_side_come_back(images, tmp_path):
    sections = {
        "attention": {"models": [MODEL], "source": ["attention", "votes:9"]},
        "patches": {"statistics": ["norm"]},
        "embedding": {"models": [MODEL], "pool": ["cls", "selective:N/4+mean"]},
    }
    opened = tiny_experiment(images, **sections)
    run = build_matrix(open_session(opened, tmp_path / "cache"))
    row, column = f"{MODEL} votes:9, 16 px", f"{MODEL}, selective:N/4+mean"
    (cell,) = (c for c in run.cells if c.row.label == row and c.column == column)
    session = open_session(opened, tmp_path / "cache")
    save_cell(session, find_cell(session.plan, row, column), tmp_path / "one.head")
    found = predict(tmp_path / "one.head", held_out(run), cache_root=tmp_path / "empty")
    # The votes and the crop; neither attention nor norms, which the cell does not need.
    assert found.session.stats.forward_passes == {MODEL: 2 * 30}
    shares = [list(each.probabilities.values()) for each in found.predictions]
    np.testing.assert_allclose(shares, cell.arrays["test_probabilities"], rtol=1e-4, atol=1e-6)


def test_what_the_cache_has_is_not_computed_again(trained, saved):
    cache, run = trained
    found = predict(saved(), held_out(run), cache_root=cache)
    assert found.session.stats.forward_passes == {}


def test_a_fresh_process_predicts_the_same(trained, saved, tmp_path):
    _, run = trained
    file, cell = saved(), cell_of(run, MODEL, "logistic")
    program = "import sys; from a2pipe.cli import main; sys.argv[0] = 'a2pipe'; main()"
    command = [sys.executable, "-c", program, "predict", "--head", str(file), "--json", "-q"]
    command += ["--cache", str(tmp_path / "empty"), *held_out(run)]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    found = [each["class"] for each in json.loads(answer.stdout)["predictions"]]
    names = [run.collection.class_names[i] for i in cell.arrays["test_predictions"]]
    assert found == names


def test_crops_are_given_in_pixels_of_the_image(trained, saved):
    _, run = trained
    found = predict(saved(), held_out(run), cache_root=trained[0]).predictions[0]
    ((x0, y0, x1, y1),) = found.boxes
    assert (x1 - x0, y1 - y0) == pytest.approx((16 * 40 / 48, 16 * 30 / 48))


@pytest.mark.parametrize("row", [MODEL, "full"])
def test_overlays_show_each_image(row, trained, saved, tmp_path):
    found = predict(saved(row), held_out(trained[1])[:2], cache_root=trained[0])
    save_overlays(found, tmp_path / "seen")
    pictures = sorted((tmp_path / "seen").iterdir())
    assert [path.name.split("-")[0] for path in pictures] == ["00000", "00001"]
    assert np.asarray(Image.open(pictures[0])).shape == (288, 288, 3)


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_predictions_are_written_to_a_file(suffix, trained, saved, tmp_path):
    out = tmp_path / f"all{suffix}"
    names = held_out(trained[1])[:3]
    write_predictions(predict(saved(), names, cache_root=trained[0]), out)
    text = out.read_text()
    if suffix == ".csv":
        head, *lines = text.splitlines()
        assert head.startswith("path,class,probability of 0,probability of 1,crop1_x0")
        assert [line.split(",")[0] for line in lines] == names
    else:
        assert [each["path"] for each in json.loads(text)["predictions"]] == names


def test_a_bad_image_is_named_and_the_others_are_predicted(trained, saved, tmp_path):
    broken, good = tmp_path / "broken.png", held_out(trained[1])[0]
    broken.write_bytes(b"\x89PNG")
    found = predict(saved(), [broken, good], cache_root=trained[0])
    assert [each.path for each in found.predictions] == [good]
    assert [each.path for each in found.bad] == [str(broken)]


def test_folders_are_searched_for_images(images, trained, saved):
    found = predict(saved(), [images], cache_root=trained[0]).predictions
    assert len(found) == 80


def test_a_head_is_not_applied_to_other_weights(trained, saved, tmp_path, monkeypatch):
    file, read = saved(), module.load_head

    def of_other_weights(path):
        found = read(path)
        features = {**found.about.features, "embedding weights": f"{MODEL} 0123456789ab"}
        return replace(found, about=replace(found.about, features=features))

    monkeypatch.setattr(module, "load_head", of_other_weights)
    with pytest.raises(UsageError, match=f"embedding weights {MODEL} 0123456789ab, and these have"):
        predict(file, held_out(trained[1]), cache_root=tmp_path / "empty")


def test_a_head_without_its_recipe_is_refused(trained, tmp_path):
    head = LogisticHead().fit(np.eye(4), [0, 1, 0, 1])
    save_head(head, tmp_path / "bare.head")
    with pytest.raises(UsageError, match="only what `a2pipe save-head` wrote"):
        predict(tmp_path / "bare.head", held_out(trained[1]))
