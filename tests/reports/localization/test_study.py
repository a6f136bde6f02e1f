"""The localisation study as JSON, CSV and table; what is not one is refused in a sentence."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from a2pipe.errors import A2pipeError
from a2pipe.reports.localization.study import (
    STUDY_FILE,
    Line,
    Measure,
    Study,
    left_out_words,
    read_study,
    study_csv,
    study_table,
)

MASS = Measure("mass", 40, 0.6, 0.2, 0.55, 0.65)
CROPS = [Measure("crop_hit", 40, 0.5, math.nan, 0.4, 0.6, sizes) for sizes in ((64,), (64, 32))]
LINE = Line(
    model="vit_s",
    family="DINOv2",
    parameters=22.06,
    kind="attention",
    block=12,
    blocks=12,
    registers=4,
    heads="mean",
    reading="slice",
    smooth=1,
    evaluation="pixels",
    n=40,
    n_left_out=2,
    measures=(MASS, *CROPS),
    record="cd" * 16,
    patch=14,
)
STUDY = Study(
    name="birds",
    dataset="waterbirds",
    collection="ab" * 16,
    split="test",
    image_size=224,
    created="2026-01-01T00:00:00+00:00",
    version="0.1.0",
    resamples=1000,
    level=0.95,
    seed=0,
    lines=(LINE, replace(LINE, heads="max", measures=(MASS,))),
    notes=("A note.",),
    run={"host": "here"},
)


def written(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "localization.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_json_reads_back_equal(tmp_path: Path) -> None:
    found = read_study(written(tmp_path, STUDY_FILE.text(STUDY)))
    assert str(found) == str(STUDY)  # NaN is not equal to itself
    assert found.lines[0].measures[0] == MASS


def test_csv_has_a_line_a_measure() -> None:
    lines = list(csv.DictReader(io.StringIO(study_csv(STUDY))))
    assert [line["measure"] for line in lines] == ["mass", "crop_hit", "crop_hit", "mass"]
    assert [line["crops"] for line in lines] == ["", "64", "64+32", ""]
    assert float(lines[0]["low"]) == 0.55
    assert lines[1]["std"] == ""
    assert lines[0]["patch"] == "14"
    about = ("study", "dataset", "model", "parameters", "heads", "level", "n", "n_left_out")
    expected = ["birds", "waterbirds", "vit_s", "22.06", "mean", "0.95", "40", "2"]
    assert [lines[0][key] for key in about] == expected


def test_the_table_shows_what_varies() -> None:
    first, second = study_table(STUDY)
    assert list(first) == ["model", "block", "heads", "n", "mass", "crop_hit 64", "crop_hit 64+32"]
    assert (first["block"], first["mass"], second["crop_hit 64"]) == ("12/12", 0.6, "-")


@pytest.mark.parametrize(("key", "value"), [("source", "votes:1"), ("evaluation", "centre")])
def test_the_table_names_what_is_not_attention_on_pixels(key: str, value: str) -> None:
    lines = tuple(replace(line, **{key: value}) for line in STUDY.lines)
    assert [line[key] for line in study_table(replace(STUDY, lines=lines))] == [value, value]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is not JSON"),
        ([1], "is no localisation study"),
        ({"format": 1, "rows": []}, "is no localisation study"),
        ({"format": 9, "kind": "localization"}, "format 9, was written by a newer version"),
        ({"format": 1, "kind": "localization"}, "has no 'name'; the file is incomplete"),
    ],
)
def test_what_is_no_study_is_refused_with_its_path(
    tmp_path: Path, content: object, said: str
) -> None:
    path = written(tmp_path, content)
    with pytest.raises(A2pipeError, match=said) as refused:
        read_study(path)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        (("parameters",), 10**400, "larger than any number"),
        (("parameters",), 1e300, "a size of vit_s that cannot be"),
        (("block",), 10**400, "a block of vit_s that cannot be"),
        (("measures", 0, "mean"), 1e300, r"not in \[0, 1\]"),
        (("measures", 0, "high"), -1.0, r"not in \[0, 1\]"),
    ],
)
def test_absurd_numbers_are_refused(
    tmp_path: Path, keys: tuple[str | int, ...], value: float, said: str
) -> None:
    content = STUDY.to_json()
    place = content["lines"][0]
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    with pytest.raises(A2pipeError, match=said):
        read_study(written(tmp_path, content))


def test_infinity_and_deep_nesting_are_refused(tmp_path: Path) -> None:
    infinite = STUDY_FILE.text(STUDY).replace("22.06", "1e999", 1)
    for content, said in ((infinite, "larger than any number"), ("[" * 200_000, "too deeply")):
        with pytest.raises(A2pipeError, match=said):
            read_study(written(tmp_path, content))


def test_a_file_without_patches_is_read(tmp_path: Path) -> None:
    content = STUDY.to_json()
    for line in content["lines"]:
        del line["patch"]
    assert [line.patch for line in read_study(written(tmp_path, content)).lines] == [0, 0]


def test_a_measure_without_a_mean_was_not_taken() -> None:
    undefined = replace(MASS, mean=math.nan)
    assert replace(LINE, measures=(undefined,)).measure("mass") is None
    assert replace(LINE, measures=(undefined, MASS)).measure("mass") == MASS


def test_images_left_out_are_counted_in_a_line() -> None:
    assert left_out_words(STUDY) == "images left out: 2 without an answer to every measure"
    bad = replace(STUDY, lines=(replace(LINE, n_left_out=0),), run={"bad_images": [{}, {}]})
    assert left_out_words(bad) == "images left out: 2 that could not be used"
    assert left_out_words(replace(bad, run={})) == ""


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(A2pipeError, match=r"Cannot read .*none.json: No such file"):
        read_study(tmp_path / "none.json")
