"""Matrices survive JSON, and broken or newer ones are refused with a sentence."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2pipe.errors import A2pipeError
from a2pipe.metrics.groups import GroupAccuracy
from a2pipe.reports.matrix import MATRIX_FILE, Cell, Localization, Matrix, Row, read_matrix
from a2pipe.reports.tables import to_json

Changed = Callable[..., Matrix]
shares = st.floats(0, 1)
names = st.text(max_size=8)


@st.composite
def matrices(draw: st.DrawFn) -> Matrix:
    keys = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    columns = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    pairs = [(key, column) for key in keys for column in columns if draw(st.booleans())]
    groups = (GroupAccuracy("g", 1, draw(shares)),)
    cells = (Cell(k, c, "LR", 1, 1, 0, draw(shares), draw(shares), "g", groups) for k, c in pairs)
    place = Localization(keys[0], 3, draw(shares), draw(shares), draw(st.none() | shares))
    return Matrix(
        name=draw(names),
        dataset=draw(names),
        collection="c",
        created="now",
        version="1",
        class_names=("a",),
        group_names=("g",),
        rows=tuple(Row(key, draw(names), "attention", crops=(64, 32)) for key in keys),
        columns=tuple(columns),
        heads=("LR",),
        cells=tuple(cells),
        localization=(place,),
        run={"seconds": {"x": 1.5}, "bad": []},
    )


@settings(max_examples=40, deadline=None)
@given(matrices())
def test_json_round_trip_is_exact(matrix: Matrix) -> None:
    assert Matrix.from_json(json.loads(to_json(matrix))) == matrix


def test_written_file_reads_back(matrix: Matrix, tmp_path: Path) -> None:
    path = tmp_path / "matrix.json"
    path.write_text(to_json(matrix), encoding="utf-8")
    assert read_matrix(path).to_json() == matrix.to_json()


def test_not_a_number_is_null_in_json_and_nan_again_after(changed: Changed) -> None:
    matrix = changed(localization=(Localization("s", 5, math.nan, math.nan),))
    data = json.loads(to_json(matrix))
    assert data["localization"][0]["mass"] is None
    assert math.isnan(MATRIX_FILE.parse(data, "matrix").localization[0].mass)


def test_numpy_values_and_paths_become_plain(changed: Changed) -> None:
    run = {"n": np.int64(3), "t": np.float32(0.5), "at": Path("a") / "b", "nan": float("nan")}
    matrix = changed(run=run)
    assert matrix.to_json()["run"] == {"n": 3, "t": 0.5, "at": "a/b", "nan": None}


def test_newer_format_is_refused(matrix: Matrix) -> None:
    with pytest.raises(A2pipeError, match="newer version"):
        MATRIX_FILE.parse({**matrix.to_json(), "format": 2}, "matrix")


@pytest.mark.parametrize("data", [[], {}, {"format": "1"}, None, {"format": 0}])
def test_other_json_is_no_matrix(data: Any) -> None:
    with pytest.raises(A2pipeError, match="format number"):
        MATRIX_FILE.parse(data, "matrix")


def test_missing_key_names_the_key(matrix: Matrix) -> None:
    data = matrix.to_json()
    del data["cells"][1]["wga"]
    with pytest.raises(A2pipeError, match=r"matrix\.cells\[1\] has no 'wga'"):
        MATRIX_FILE.parse(data, "matrix")


@pytest.mark.parametrize(
    ("key", "value"), [("n", "12"), ("n", True), ("mass", "high"), ("crop_hit", [])]
)
def test_wrong_type_names_the_place(matrix: Matrix, key: str, value: Any) -> None:
    data = matrix.to_json()
    data["localization"][0][key] = value
    with pytest.raises(A2pipeError, match=rf"matrix\.localization\[0\]\.{key}"):
        MATRIX_FILE.parse(data, "matrix")


def test_unknown_kind_of_row_is_refused(matrix: Matrix) -> None:
    data = matrix.to_json()
    data["rows"][0]["kind"] = "magic"
    with pytest.raises(A2pipeError, match="none of attention, combination, control, baseline"):
        MATRIX_FILE.parse(data, "matrix")


def test_unknown_keys_are_passed_over_and_defaults_filled_in(matrix: Matrix) -> None:
    data = {**matrix.to_json(), "later": 1}
    del data["notes"], data["rows"][0]["smooth"]
    read = MATRIX_FILE.parse(data, "matrix")
    assert read.notes == ()
    assert read.rows[0].smooth == 1


def test_missing_or_broken_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(A2pipeError, match="Cannot read"):
        read_matrix(tmp_path / "no.json")
    (tmp_path / "torn.json").write_text('{"format": 1')
    with pytest.raises(A2pipeError, match="is not JSON"):
        read_matrix(tmp_path / "torn.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": ()}, "lists no row"),
        ({"columns": ("other",)}, "lists no column"),
        ({"heads": ()}, "lists no head"),
    ],
)
def test_cells_refer_to_listed_names(changed: Changed, change: Any, message: str) -> None:
    with pytest.raises(A2pipeError, match=message):
        changed(**change)


def test_nothing_is_given_twice(changed: Changed, matrix: Matrix) -> None:
    with pytest.raises(A2pipeError, match=r"cell .* more than once"):
        changed(cells=(matrix.cells[0], matrix.cells[0]))
    with pytest.raises(A2pipeError, match=r"row .* more than once"):
        changed(rows=(*matrix.rows, matrix.rows[0]))


def test_per_cent_instead_of_shares_is_refused(changed: Changed) -> None:
    cell = Cell("s", "demo_embedder_s", "logistic", 1, 1, 0, 73.2, 0.5, "")
    with pytest.raises(A2pipeError, match=r"73\.2 is no share between 0 and 1"):
        changed(cells=(cell,))


def test_lookups(matrix: Matrix) -> None:
    found = matrix.cell("s", "demo_embedder_s", "logistic")
    assert found is not None
    assert found.wga == 0.732
    assert matrix.cell("s", "demo_embedder_s", "DFR") is None
    assert matrix.localization_of("full") is None


def test_intervals_survive_json_and_are_checked(changed: Changed, matrix: Matrix) -> None:
    cell = replace(matrix.cells[0], wga_interval=(0.6, 0.8))
    found = changed(cells=(cell,))
    assert MATRIX_FILE.parse(json.loads(to_json(found)), "matrix").cells[0] == cell
    with pytest.raises(A2pipeError, match=r"1\.8 is no share"):
        changed(cells=(replace(cell, wga_interval=(0.6, 1.8)),))
    data = found.to_json()
    data["cells"][0]["wga_interval"] = [0.6]
    with pytest.raises(A2pipeError, match=r"wga_interval has 1 values, where 2 are expected"):
        MATRIX_FILE.parse(data, "matrix")
