"""What makes a computed row a bad one, and what is stored in its place."""

import numpy as np
import pytest

from a2pipe.cache.layout import ArrayField
from a2pipe.cache.ledger import BadRow
from a2pipe.cache.status import NOT_FINITE, OK, PENDING, UNREADABLE, bad_rows_of, settle

X = ArrayField("x", (2,), "float16", float("nan"))
BOX = ArrayField("box", (), "int32", -1)


def rows(x, box=(7, 8, 9)):
    return {"x": np.array(x, np.float64), "box": np.array(box, np.int64)}


GOOD = [[1, 2], [3, 4], [5, 6]]


def test_good_rows_are_copied_in_the_type_they_are_stored_in():
    given = rows(GOOD)
    stored, status = settle((X, BOX), given, [OK, OK, OK])
    assert {name: array.dtype.str for name, array in stored.items()} == {
        "x": "<f2",
        "box": "<i4",
        "status": "|u1",
    }
    assert stored["x"].tolist() == GOOD
    assert stored["status"] is status
    given["x"][0] = 9
    assert stored["x"].tolist() == GOOD


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e6])
def test_a_row_that_is_not_finite_as_stored_is_bad_in_all_its_arrays(value):
    """1e6 is an infinity as float16."""
    stored, status = settle((X, BOX), rows([[1, 2], [3, value], [5, 6]]), [OK, OK, OK])
    assert status.tolist() == [OK, NOT_FINITE, OK]
    assert np.isnan(stored["x"][1]).all()
    assert stored["box"].tolist() == [7, -1, 9]


def test_an_unreadable_row_stays_so_whatever_its_values_are():
    stored, status = settle((X, BOX), rows([[1, 2], [np.nan, 4], [5, 6]]), [OK, UNREADABLE, OK])
    assert status.tolist() == [OK, UNREADABLE, OK]
    assert stored["box"].tolist() == [7, -1, 9]


@pytest.mark.parametrize(
    ("given", "status", "message"),
    [
        ({"x": np.zeros((3, 2))}, [OK] * 3, "arrays"),
        (rows([[1, 2]] * 2), [OK] * 3, "shape"),
        (rows(GOOD), [OK, PENDING, OK], "a committed row is"),
        (rows(GOOD, (1, 2, 2**40)), [OK] * 3, "numbers that do not fit into int32"),
    ],
)
def test_what_does_not_fit_is_refused(given, status, message):
    with pytest.raises(ValueError, match=message):
        settle((X, BOX), given, status)


def test_bad_rows_are_numbered_in_the_artifact_and_their_reasons_found_by_image():
    status = np.array([OK, UNREADABLE, NOT_FINITE, UNREADABLE], np.uint8)
    told = [BadRow(-1, "d", UNREADABLE, "truncated"), BadRow(-1, "a", UNREADABLE, "not asked")]
    assert bad_rows_of(status, ["a", "b", "c", "d"], 100, told) == (
        BadRow(101, "b", UNREADABLE, "the image could not be read"),
        BadRow(102, "c", NOT_FINITE, "the result is not finite"),
        BadRow(103, "d", UNREADABLE, "truncated"),
    )
