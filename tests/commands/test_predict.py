"""`save-head` and `predict`, as a user types them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from a2pipe.cli import cli
from a2pipe.commands.predict import _line
from a2pipe.pipeline.predict.predict import Prediction

MODEL = "demo_localizer_s_random"
FLAGS = ["--embedding-model", MODEL, "--baseline", "full", "--device", "cpu", "-q", "--json"]


@pytest.fixture(scope="module")
def saved(folder, cache, tmp_path_factory) -> tuple[Path, list[dict[str, Any]]]:
    """A head of the full image in a file, and what the command that wrote it said."""
    out = tmp_path_factory.mktemp("heads") / "pets.head"
    where = ["--dataset", str(folder), "--image-size", "48", "--cache", str(cache)]
    runner = CliRunner(catch_exceptions=False)
    said = runner.invoke(cli, ["save-head", *where, *FLAGS, "--out", str(out)])
    return out, json.loads(said.stdout)


@pytest.fixture
def images(folder) -> list[Path]:
    return [folder / "test" / name / "0.png" for name in ("cat", "dog")]


@pytest.fixture
def predict(command, saved, cache):
    """Run `a2pipe predict` with the head."""
    return lambda *words: command(
        "predict", "--head", saved[0], "--cache", cache, "--device", "cpu", "-q", *words
    )


def test_the_cell_and_the_file_are_said(saved):
    out, lines = saved
    assert out.is_file()
    (line,) = lines
    assert (line["column"], line["head"], line["file"]) == (MODEL, "logistic", str(out))
    assert "full" in line["row"]


def test_a_table_has_class_probability_and_crops(predict, images):
    found = json.loads(predict(*images, "--json").out)["predictions"]
    heading, _, *lines = predict(*images).out.splitlines()
    assert heading.split() == ["image", "class", "probability", "crops"]
    for line, path, prediction in zip(lines, images, found, strict=True):
        share = prediction["probabilities"][prediction["class"]]
        assert line.split() == [str(path), prediction["class"], f"{share:.4f}", "0,0,32,24"]


def test_a_head_without_probabilities_leaves_them_empty():
    found = Prediction("a.png", "cat", {}, ((0, 0, 3.6, 2), (1, 1, 2, 2)))
    assert _line(found) == {
        "image": "a.png",
        "class": "cat",
        "probability": "",
        "crops": "0,0,4,2  1,1,2,2",
    }


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_predictions_are_written_to_a_file(suffix, predict, images, tmp_path):
    out = tmp_path / f"all{suffix}"
    outcome = predict(*images, "--out", out)
    assert (outcome.code, outcome.out) == (0, "")
    names = [str(path) for path in images]
    if suffix == ".csv":
        head, *lines = out.read_text().splitlines()
        assert head.startswith("path,class,probability of cat,probability of dog,crop1_x0")
        assert [line.split(",")[0] for line in lines] == names
    else:
        assert [each["path"] for each in json.loads(out.read_text())["predictions"]] == names


def test_overlays_show_each_image(predict, images, tmp_path):
    outcome = predict(*images, "--save-overlays", tmp_path / "seen")
    assert outcome.code == 0, outcome.err
    pictures = sorted((tmp_path / "seen").iterdir())
    assert [path.name.split("-")[0] for path in pictures] == ["00000", "00001"]
    assert np.asarray(Image.open(pictures[0])).shape == (288, 288, 3)


def test_a_bad_image_is_named_and_the_others_are_predicted(predict, images, tmp_path):
    broken, good = tmp_path / "broken.png", images[0]
    broken.write_bytes(b"\x89PNG")
    outcome = predict(broken, good, "--json")
    assert outcome.code == 3
    assert "broken.png" in outcome.err
    found = json.loads(outcome.out)
    assert [each["path"] for each in found["predictions"]] == [str(good)]
    assert [each["path"] for each in found["bad_images"]] == [str(broken)]
    assert predict(broken, good, "--json", "--skip-bad-images").code == 0


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("missing.png",), "There is no image"),
        (("--out", "all.xlsx", "x.png"), "written as .csv or .json"),
        (("--head", "none.head", "x.png"), "There is no saved head none.head"),
    ],
)
def test_wrong_use_is_one_sentence(words, problem, predict):
    outcome = predict(*words)
    assert outcome.code == 2
    assert problem in outcome.err
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--row", "s9"), "s9"),
        (("--column", "other"), "There is no column 'other'"),
        (("--head-name", "other"), "There is no head 'other'"),
    ],
)
def test_a_cell_that_is_not_there_is_not_saved(words, problem, command, folder, cache, tmp_path):
    where = ("--dataset", folder, "--image-size", 48, "--cache", cache, *FLAGS)
    outcome = command("save-head", *where, "--out", tmp_path / "one.head", *words)
    assert outcome.code == 2
    assert problem in outcome.err
    assert list(tmp_path.iterdir()) == []
