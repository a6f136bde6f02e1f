"""Dataset-level results: document and arrays, committed together."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2pipe.cache.records import Records
from a2pipe.errors import A2pipeError
from a2pipe.files import FORMAT

CONTENT = {"accuracy": 1 / 3, "groups": [{"name": "a", "n": 3}], "none": None, "text": "é"}
ARRAYS = {"predictions": np.arange(5), "names": np.array(["x", "yy"]), "empty": np.empty((0, 2))}


def test_a_record_comes_back_as_it_was(tmp_path, kit):
    records = Records(tmp_path)
    assert records.read(kit.Probe(1)) is None
    path = records.write(kit.Probe(1), CONTENT, ARRAYS)
    content, arrays = records.read(kit.Probe(1))
    assert content == CONTENT
    assert sorted(arrays) == sorted(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        assert arrays[name].tolist() == array.tolist()
    assert path.parent == tmp_path / "probes"
    assert sorted(p.suffix for p in path.parent.iterdir()) == [".json", ".npz"]


def test_plain_numpy_reads_the_arrays(tmp_path, kit):
    path = Records(tmp_path).write(kit.Probe(1), CONTENT, ARRAYS)
    with np.load(path.with_suffix(".npz")) as arrays:
        assert arrays["predictions"].tolist() == [0, 1, 2, 3, 4]


def test_a_damaged_record_is_none(tmp_path, kit):
    records = Records(tmp_path)
    path = records.write(kit.Probe(1), CONTENT, ARRAYS)
    whole = path.read_bytes()
    for length in range(0, len(whole), 11):
        path.write_bytes(whole[:length])
        assert records.read(kit.Probe(1)) is None
    path.write_bytes(whole.replace(b'"n": 3', b'"n": 4'))
    assert records.read(kit.Probe(1)) is None
    path.write_bytes(whole)
    kit.flip(path.with_suffix(".npz"), 60)
    assert records.read(kit.Probe(1)) is None
    path.with_suffix(".npz").unlink()
    assert records.read(kit.Probe(1)) is None


def test_writing_again_gives_the_same_arrays_file(tmp_path, kit):
    records = Records(tmp_path)
    path = records.write(kit.Probe(1), CONTENT, ARRAYS).with_suffix(".npz")
    before = path.read_bytes()
    records.write(kit.Probe(1), CONTENT, ARRAYS)
    assert path.read_bytes() == before


def test_what_cannot_be_stored_is_refused_before_anything_is_written(tmp_path, kit):
    records = Records(tmp_path)
    with pytest.raises(ValueError):
        records.write(kit.Probe(1), {"x": float("nan")}, {})
    with pytest.raises(ValueError):
        records.write(kit.Probe(1), {}, {"x": np.array([{}], dtype=object)})
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_a_newer_record_is_refused(tmp_path, kit):
    records = Records(tmp_path)
    path = records.write(kit.Probe(1), {}, {})
    path.write_text(json.dumps({"format": FORMAT + 1}))
    with pytest.raises(A2pipeError, match="newer version"):
        records.read(kit.Probe(1))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=30, deadline=None)
@given(content=st.dictionaries(st.text(), json_values, max_size=4))
def test_any_json_survives(tmp_path_factory, content):
    from dataclasses import make_dataclass

    spec = make_dataclass("Spec", [], frozen=True, namespace={"stage": "fits", "version": 1})()
    records = Records(tmp_path_factory.getbasetemp() / "json")
    records.write(spec, content, {})
    assert records.read(spec) == (content, {})


def test_integer_keys_become_text_as_json_has_it(tmp_path, kit):
    records = Records(tmp_path)
    records.write(kit.Probe(1), {"by": {2: "a", 10: "b"}}, {})
    assert records.read(kit.Probe(1))[0] == {"by": {"2": "a", "10": "b"}}
