"""Files of results: what is written reads back equal; what is broken is told in one sentence."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2pipe.errors import A2pipeError
from a2pipe.reports.json_file import FloatOrNaN, JsonFile


@dataclass(frozen=True)
class Part:
    size: int
    share: FloatOrNaN = math.nan


@dataclass(frozen=True)
class Record:
    name: str
    role: Literal["plain", "control"] = "plain"
    parts: tuple[Part, ...] = ()
    limits: tuple[FloatOrNaN, FloatOrNaN] | None = None
    exact: bool = False
    run: dict[str, Any] = field(default_factory=dict)


FILE = JsonFile(Record, 2, "record", "is no record", "write it again")
MINIMAL = {"format": 2, "kind": "record", "name": "a"}
PARTS = st.builds(Part, st.integers(-(2**53), 2**53), st.floats(allow_infinity=False))
RECORDS = st.builds(
    Record,
    st.text(),
    st.sampled_from(["plain", "control"]),
    st.lists(PARTS, max_size=3).map(tuple),
    st.none() | st.tuples(st.floats(0, 1), st.floats(0, 1)),
    st.booleans(),
    st.dictionaries(st.text(), st.text() | st.integers() | st.lists(st.booleans())),
)


@given(record=RECORDS)
def test_a_record_reads_back_equal(record: Record) -> None:
    found = FILE.parse(json.loads(FILE.text(record)), "record")
    assert repr(found) == repr(record)  # NaN is not equal to itself


def test_the_text_is_indented_json_in_the_order_of_the_fields() -> None:
    text = FILE.text(Record("é", parts=(Part(3),), run={"at": Path("a/b"), "n": np.int64(4)}))
    assert text.startswith('{\n  "format": 2,\n  "kind": "record",\n  "name": "é",\n')
    assert text.endswith("}\n")
    assert json.loads(text)["parts"] == [{"size": 3, "share": None}]
    assert json.loads(text)["run"] == {"at": "a/b", "n": 4}


def test_a_kind_without_a_name_has_no_such_key() -> None:
    plain = JsonFile(Part, 1, "", "is no part", "write it again")
    assert plain.content(Part(1, 0.5)) == {"format": 1, "size": 1, "share": 0.5}
    assert plain.parse({"format": 1, "size": 1}, "part").size == 1
    with pytest.raises(A2pipeError, match=r"^part is no part\.$"):
        plain.parse(MINIMAL, "part")


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_what_is_not_finite_is_null_within_a_run_too(value: float) -> None:
    assert FILE.content(Record("a", run={"x": [value]}))["run"] == {"x": [None]}


def test_unknown_keys_are_passed_over_and_older_formats_read() -> None:
    content = {**MINIMAL, "format": 1, "later": 1, "parts": [{"size": 1, "share": 2, "later": 3}]}
    assert FILE.parse(content, "record") == Record("a", parts=(Part(1, 2.0),))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": 3}, "record.name is 3, where a str is expected."),
        ({"role": "x"}, "record.role is 'x', which is none of plain, control."),
        ({"parts": {}}, "record.parts is {}, where a list is expected."),
        ({"parts": [1]}, "record.parts[0] is 1, where a dict is expected."),
        ({"parts": [{}]}, "record.parts[0] has no 'size'; the file is incomplete, write it again."),
        ({"parts": [{"size": 1.0}]}, "record.parts[0].size is 1.0, where a int is expected."),
        ({"parts": [{"size": True}]}, "record.parts[0].size is True, where a int is expected."),
        ({"parts": [{"size": None}]}, "record.parts[0].size is None, where a int is expected."),
        (
            {"parts": [{"size": 1, "share": True}]},
            "record.parts[0].share is True, where a number is expected.",
        ),
        (
            {"parts": [{"size": 1, "share": "1"}]},
            "record.parts[0].share is '1', where a number is expected.",
        ),
        *(
            (
                {"parts": [{"size": 1, "share": number}]},
                "record.parts[0].share is larger than any number that is computed with; mend the "
                "file.",
            )
            for number in (math.inf, -math.inf, 10**400)
        ),
        ({"limits": []}, "record.limits has 0 values, where 2 are expected."),
        ({"limits": [1]}, "record.limits has 1 values, where 2 are expected."),
        ({"limits": [1, 2, 3]}, "record.limits has 3 values, where 2 are expected."),
        ({"exact": 1}, "record.exact is 1, where a bool is expected."),
        ({"run": []}, "record.run is [], where a dict is expected."),
    ],
)
def test_a_value_that_does_not_fit_is_told_with_its_place(
    change: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(A2pipeError) as refused:
        FILE.parse({**MINIMAL, **change}, "record")
    assert str(refused.value) == sentence


@pytest.mark.parametrize("run", [{"x": json.loads("[" * 500 + "]" * 500)}, {"x": "\ud800"}])
def test_what_the_parser_does_not_take_is_told_without_the_file(run: dict[str, Any]) -> None:
    with pytest.raises(A2pipeError, match=r"^record cannot be read: .*; mend the file\.$") as it:
        FILE.parse({**MINIMAL, "run": run}, "record")
    assert len(str(it.value)) < 200


@pytest.mark.parametrize(
    "content",
    [
        *(None, [], {}, {**MINIMAL, "kind": "other"}, {"kind": "record"}),
        *({**MINIMAL, "format": number} for number in (0, "2", True, None, 2.0)),
    ],
)
def test_another_file_is_told_from_a_record(content: Any) -> None:
    with pytest.raises(A2pipeError, match=r"^here is no record\.$"):
        FILE.parse(content, "here")


def test_a_newer_format_is_refused() -> None:
    with pytest.raises(A2pipeError, match=r"has format 3, was written by a newer .*\(format 2\)"):
        FILE.parse({**MINIMAL, "format": 3}, "record")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "is not JSON .*; write it again"),
        (b"\xff", "is not JSON"),
        (b"[" * 200_000, "is nested too deeply; write it again"),
    ],
)
def test_files_that_are_no_json(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(content)
    with pytest.raises(A2pipeError, match=message) as refused:
        FILE.read(path)
    assert str(path) in str(refused.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(A2pipeError, match=r"^Cannot read .*none\.json: No such file"):
        FILE.read(tmp_path / "none.json")
