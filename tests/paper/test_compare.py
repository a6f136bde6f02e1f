"""Comparison with the published numbers: differences, verdicts, means over datasets, rows."""

import json
import math
from dataclasses import replace

from a2pipe.paper.compare import compare, comparison_json, comparison_rows, heading, summary
from a2pipe.paper.published import published

from .kit import O2O, dinov3, result


def test_every_number_of_the_table_is_compared():
    found = compare([result(11, O2O, -1.5)])
    assert [line.number for line in found.lines] == list(published(11))
    assert {round(line.difference, 9) for line in found.lines} == {-1.5}
    assert (found.count("outside"), found.count("within")) == (16, 0)


def test_the_tolerance_is_reached_by_equality():
    """91.0 + 0.7 is 91.7 but for rounding."""
    assert compare([result(11, O2O, 0.7)], 0.7).count("within") == 16
    assert compare([result(11, O2O, 0.71)], 0.7).count("within") == 0


def test_shares_differ_in_points():
    lines = compare([result(20, "waterbirds", 0.02)]).lines
    assert {round(line.difference, 9) for line in lines} == {2.0}


def test_counts_have_to_be_equal():
    found = compare([result(4, "metashift-animals")], 5)
    assert found.count("within") == 24
    assert compare([result(4, "metashift-animals", 1)], 5).count("outside") == 24


def test_what_was_not_run_has_its_reason():
    one = result(6, O2O)
    first = replace(one.measured[0], value=math.nan, reason="needs head 'x'")
    found = compare([replace(one, measured=(first, *one.measured[1:]))])
    assert found.reasons == {"needs head 'x'": 1, "no result on spawrious-m2m-hard": 28}
    assert summary(found) == [
        "27 within 1 point of the paper, 0 outside, 29 not run",
        "  1 not run: needs head 'x'",
        "  28 not run: no result on spawrious-m2m-hard",
    ]


def test_several_results_stand_together():
    found = compare([result(6, O2O), result(6, "spawrious-m2m-hard")])
    assert found.count("within") == 56


def test_the_mean_of_five_is_made_from_its_parts():
    """Table 24 is the exact mean of tables 25 to 29."""
    results = [replace(each, tables=(24, *each.tables)) for each in dinov3()]
    lines = [line for line in compare(results).lines if line.number.table == 24]
    assert max(abs(line.difference) for line in lines) < 1e-9
    missing = compare(results[:4])
    assert missing.reasons["needs the results of all five datasets"] == 12


def test_rows_for_a_terminal_mark_what_is_outside():
    (first, *_) = comparison_rows(compare([result(11, O2O, -1.5)]), 11)
    assert first["ours"].strip() == "89.5"
    assert first["published"].strip() == "91.0"
    assert (first["difference"].strip(), first[""]) == ("-1.5", "!")


def test_what_all_rows_share_stands_in_the_heading():
    title, rows = heading(comparison_rows(compare([result(11, O2O)]), 11), 11)
    assert title == f"Table 11: {O2O}, accuracy"
    assert list(rows[0]) == ["row", "attention", "embedding", "ours", "published", "difference", ""]


def test_json_has_null_for_what_is_missing():
    found = comparison_json(compare([result(6, O2O)]))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["numbers"][1]["ours"] is None
    assert found["within"] == 28
