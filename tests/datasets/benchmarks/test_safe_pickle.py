"""Reading pickles as data: what is plain comes back, everything else is refused unrun."""

import builtins
import os
import pickle
import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from a2pipe.datasets.benchmarks import safe_pickle
from a2pipe.datasets.benchmarks.safe_pickle import read_pickle
from a2pipe.errors import UsageError

KEYS = st.text() | st.integers(-(2**63), 2**63 - 1)
SCALARS = (
    st.none() | st.booleans() | KEYS | st.integers() | st.floats(allow_nan=False) | st.binary()
)
PLAIN = st.recursive(
    SCALARS | st.frozensets(KEYS) | st.sets(KEYS),
    lambda inner: (
        st.lists(inner) | st.dictionaries(KEYS, inner) | st.lists(inner, max_size=5).map(tuple)
    ),
    max_leaves=20,
)


def typed(value: Any) -> Any:
    """Values with their types, so that 1, 1.0 and True differ; without the order of sets."""
    if isinstance(value, dict):
        return [(typed(key), typed(inner)) for key, inner in value.items()]
    if isinstance(value, (set, frozenset)):
        return type(value), sorted(map(repr, value))
    if isinstance(value, (list, tuple)):
        return type(value), [typed(inner) for inner in value]
    return type(value), value


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "subsets.pkl"


def refused(file: Path, content: bytes, message: str) -> None:
    file.write_bytes(content)
    with pytest.raises(UsageError, match=message) as caught:
        read_pickle(file)
    assert "\n" not in str(caught.value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=PLAIN, protocol=st.integers(3, 5))
def test_plain_values_come_back(tmp_path: Path, value: Any, protocol: int) -> None:
    file = tmp_path / "value.pkl"
    file.write_bytes(pickle.dumps(value, protocol))
    assert typed(read_pickle(file)) == typed(value)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", [set, frozenset, list])
def test_tables_of_every_protocol(file: Path, protocol: int, kind: type) -> None:
    """The published file is a defaultdict of sets; its texts are shared between the sets."""
    draw = random.Random(protocol)
    ids = [str(number) for number in range(2317000, 2317400)]
    table = defaultdict(kind)
    for name in ("cat(sofa)", "dog(bench)", "cat(été)", "bear(tree)"):
        table[name] = kind(draw.sample(ids, 300))
    table["zebra(empty)"] = kind()
    file.write_bytes(pickle.dumps(table, protocol))
    found = read_pickle(file)
    assert type(found) is dict
    assert found == dict(table)
    assert {type(members) for members in found.values()} == {kind}


def test_files_of_python_2(file: Path) -> None:
    """Two kinds of text, `__builtin__` for `builtins`, and truth written as a number."""
    file.write_bytes(
        b"(dp0\nS'cat(sofa)'\np1\nc__builtin__\nset\np2\n((lp3\nS'12'\np4\naV13\np5\natp6\nRp7\n"
        b"sS'checked'\np8\nI01\ns."
    )
    assert read_pickle(file) == {"cat(sofa)": {"12", "13"}, "checked": True}


class Calls:
    """An object whose pickle calls a function with arguments when it is loaded."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.pair = (function, arguments)

    def __reduce__(self) -> Any:
        return self.pair


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("nested", [False, True])
def test_calls_are_refused_and_not_made(file: Path, protocol: int, nested: bool) -> None:
    trace = file.with_name("trace")
    for bomb in (
        Calls(os.system, f"touch {trace}"),
        Calls(builtins.eval, f"open({str(trace)!r}, 'w')"),
        Calls(builtins.exec, f"open({str(trace)!r}, 'w')"),
        Calls(builtins.getattr, "text", "upper"),
        Calls(builtins.__import__, "antigravity"),
        Calls(open, str(trace), "w"),
        Counter("abc"),
        Path("x"),
    ):
        value = {"cat(sofa)": {"1"}, "dog(bench)": [bomb]} if nested else bomb
        refused(file, pickle.dumps(value, protocol), "is refused: it names '.*', which is not")
        assert not trace.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"cos\nsystem\n(S'true'\ntR.", "names 'os.system'"),
        (b"(S'true'\nios\nsystem\n.", "makes an object of a class"),
        (b"(cbuiltins\nset\no.", "makes an object of a class"),
        (b"cbuiltins\nset\n)\x81.", "makes an object of a class"),
        (b"cbuiltins\nset\n)}\x92.", "makes an object of a class"),
        (b"}}b.", "sets the state"),
        (b"Pthing\n.", "outside itself"),
        (b"]Q.", "outside itself"),
        (b"\x82\x01.", "registered number"),
        (b"\x80\x06N.", "unknown protocol 6"),
        (b"\x8c\x08builtins\x8c\x0cset.__init__\x93.", "names 'builtins.set.__init__'"),
        (b"\x8c\x08builtins\x8c\x04eval\x93.", "names 'builtins.eval'"),
        (b"cbuiltins\nset\n.", "holds a class"),
        (b"]cbuiltins\nset\na.", "holds a class"),
        (b"}X\x01\x00\x00\x00acbuiltins\nset\ns.", "holds a class"),
        (b"ccollections\ndefaultdict\n(cbuiltins\nset\n}tR.", "calls something"),
        (b"S'a'\n)R.", "calls something"),
        (b"cbuiltins\nset\n(X\x03\x00\x00\x00abctR.", "what is no list"),
        (b"\x8f()\x90.", "neither text nor a number"),
        (b"(I1\nI2\nd(I1\ntR.", "calls something"),
        (b"\x8f(I" + str(2**63).encode() + b"\n\x90.", "neither text nor a number"),
        (b"\x96\x00\x00\x00\x00\x00\x00\x00\x00.", "uses the operation BYTEARRAY8"),
        (b"\x97.", "uses the operation NEXT_BUFFER"),
    ],
)
def test_what_is_not_plain_is_refused(file: Path, content: bytes, message: str) -> None:
    refused(file, content, message)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no pickle at all",
        b".",
        b"(.",
        b"]",
        b"0.",
        b"t.",
        b"(0a.",
        b"h\x05.",
        b"\x93.",
        b"]]\x93.",
        b"S'a'\nS'b'\na.",
        b"(I1\nd.",
        b"]R.",
        b"I1\nI2\nR.",
        b"cbuiltins\nset\n(]]tR.",
        b"L" + b"9" * 10_000 + b"L\n.",
        b"X\xff\xff\xff\x7fabc.",
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7fabc.",
        b"X\x01\x00\x00\x00\xff.",
    ],
)
def test_damaged_files(file: Path, content: bytes) -> None:
    refused(file, content, "is damaged or incomplete")


@pytest.mark.parametrize("protocol", range(6))
def test_every_truncation_is_told(file: Path, protocol: int) -> None:
    whole = pickle.dumps({"cat(sofa)": {"1", "2"}, "dog(bench)": {"3"}}, protocol)
    for length in range(len(whole)):
        refused(file, whole[:length], "is damaged or incomplete")


def test_memo_places_far_apart_cost_nothing(file: Path) -> None:
    """An unpickler would make room for all the places between."""
    file.write_bytes(b"X\x01\x00\x00\x00ar\xff\xff\xff\x7f0j\xff\xff\xff\x7f.")
    assert read_pickle(file) == "a"


def test_nested_tuples_are_never_hashed(file: Path) -> None:
    """Hashing 60 tuples of twice the one before takes 2**60 steps."""
    bomb = b")" + b"2\x86" * 60
    refused(file, b"\x8f(" + bomb + b"\x90.", "neither text nor a number")
    refused(file, b"}" + bomb + b"Ns.", "neither text nor a number")
    file.write_bytes(bomb + b".")
    assert len(read_pickle(file)) == 2


def test_deep_nesting_is_read(file: Path) -> None:
    file.write_bytes(b"]" * 100_000 + b"a" * 99_999 + b".")
    found = read_pickle(file)
    for _ in range(99_999):
        (found,) = found
    assert found == []


def test_a_list_in_itself_is_read(file: Path) -> None:
    file.write_bytes(b"]q\x00h\x00a.")
    found = read_pickle(file)
    assert found[0] is found


def test_copies_count_towards_the_limit(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty bytes that would make a set of a list a thousand times over."""
    monkeypatch.setattr(safe_pickle, "MAX_VALUES", 1000)
    many = b"](" + b"I1\n" * 100 + b"eq\x00"
    file.write_bytes(many + b"0cbuiltins\nset\nq\x01h\x00\x85R.")
    assert read_pickle(file) == {1}
    refused(
        file,
        many + b"0cbuiltins\nset\nq\x01" + b"h\x01h\x00\x85R" * 9 + b".",
        "makes too many values",
    )


def test_large_files_are_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safe_pickle, "MAX_BYTES", 9)
    refused(file, b"X\x05\x00\x00\x00hello.", "larger than 9 bytes")


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.pkl"):
        with pytest.raises(UsageError, match="cannot be read"):
            read_pickle(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=80))
def test_any_bytes_give_a_value_or_one_sentence(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "any.pkl"
    file.write_bytes(content)
    message = ""
    try:
        read_pickle(file)
    except UsageError as error:
        message = str(error)
    assert "\n" not in message


OPERATIONS = b"()]}.NK\x01012Rabdelst\x85\x86\x88\x8f\x90\x91\x94h\x00q\x00"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(codes=st.lists(st.sampled_from([bytes([code]) for code in OPERATIONS]), max_size=30))
def test_what_is_read_is_what_an_unpickler_reads(tmp_path: Path, codes: list[bytes]) -> None:
    """Random programs of harmless operations: where neither refuses, the values agree."""
    file = tmp_path / "any.pkl"
    file.write_bytes(b"".join(codes) + b".")
    try:
        found = read_pickle(file)
        expected = pickle.loads(file.read_bytes())
    except (UsageError, pickle.UnpicklingError):
        return
    assert repr(found) == repr(expected)
