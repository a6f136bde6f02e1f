"""Reading pickles of unknown origin: plain values come back, everything else is refused unrun."""

import builtins
import os
import pickle
import random
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from a2pipe.datasets.benchmarks import safe_pickle
from a2pipe.datasets.benchmarks.safe_pickle import read_pickle
from a2pipe.errors import UsageError

KEYS = st.text() | st.integers(-(2**63), 2**63 - 1)
SCALARS = st.none() | st.booleans() | KEYS | st.floats(allow_nan=False)
PLAIN = st.recursive(
    SCALARS | st.sets(KEYS),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
    max_leaves=20,
)


def typed(value: Any) -> Any:
    """Values with their types, so that 1, 1.0 and True differ; without the order of sets."""
    if isinstance(value, dict):
        return [(typed(key), typed(inner)) for key, inner in value.items()]
    if isinstance(value, set):
        return sorted(map(repr, value))
    if isinstance(value, list):
        return [typed(inner) for inner in value]
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
@given(value=PLAIN, protocol=st.integers(0, 5))
def test_plain_values_come_back(tmp_path: Path, value: Any, protocol: int) -> None:
    file = tmp_path / "value.pkl"
    file.write_bytes(pickle.dumps(value, protocol))
    assert typed(read_pickle(file)) == typed(value)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", [set, list])
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
        (b"(S'true'\nios\nsystem\n.", "uses the operation INST"),
        (b"(cbuiltins\nset\no.", "uses the operation OBJ"),
        (b"cbuiltins\nset\n]\x81.", "uses the operation NEWOBJ"),
        (b"cbuiltins\nset\n]}\x92.", "uses the operation NEWOBJ_EX"),
        (b"}}b.", "uses the operation BUILD"),
        (b"Pthing\n.", "uses the operation PERSID"),
        (b"]Q.", "uses the operation BINPERSID"),
        (b"\x82\x01.", "uses the operation EXT1"),
        (b"\x80\x06N.", "unknown protocol 6"),
        (b"\x8c\x08builtins\x8c\x0cset.__init__\x93.", "names 'builtins.set.__init__'"),
        (b"\x8c\x08builtins\x8c\x04eval\x93.", "names 'builtins.eval'"),
        (b"cbuiltins\nset\n.", "holds a class"),
        (b"]cbuiltins\nset\na.", "holds a class"),
        (b"}X\x01\x00\x00\x00acbuiltins\nset\ns.", "holds a class"),
        (b"cbuiltins\nset\n(X\x03\x00\x00\x00abctR.", "what is no list"),
        (b"\x8f()\x90.", "holds a tuple"),
        (b"(\x91.", "uses the operation FROZENSET"),
        (b"cbuiltins\nfrozenset\n(]tR.", "names 'builtins.frozenset'"),
        (b"X\x01\x00\x00\x00a2.", "uses the operation DUP"),
        (b"]0.", "uses the operation POP"),
        (b"C\x01a.", "uses the operation SHORT_BINBYTES"),
        (b"t.", "holds a tuple"),
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
        b"h\x05.",
        b"(a.",
        b"(tR.",
        b"cbuiltins\nset\n(]]tR.",
        b"ccollections\ndefaultdict\n(cbuiltins\nset\n}tR.",
        b"S'a'\n)R.",
        b"(I1\nI2\nd(I1\ntR.",
        b"\x93.",
        b"]]\x93.",
        b"S'a'\nS'b'\na.",
        b"(I1\nd.",
        b"]R.",
        b"I1\nI2\nR.",
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


# --- small files that would cost much ---------------------------------------------------------


@contextmanager
def within_a_megabyte() -> Iterator[None]:
    """Fail if the block takes more memory than that, at any moment."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


HUGE = 2**31 - 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"]r" + HUGE.to_bytes(4, "little") + b".", "leaves places of its memo empty"),
        (f"]p{HUGE}\n.".encode(), "leaves places of its memo empty"),
        (b"]q\x02.", "leaves places of its memo empty"),
        (b"]j" + HUGE.to_bytes(4, "little") + b".", "is damaged"),
        (b"\x95" + HUGE.to_bytes(8, "little") + b"].", "is damaged"),
        (b"\x95" + b"\xff" * 8 + b"].", "is damaged"),
        (b"X" + HUGE.to_bytes(4, "little") + b"a.", "is damaged"),
        (b"\x8d" + HUGE.to_bytes(8, "little") + b"a.", "is damaged"),
        (b"\x8e" + HUGE.to_bytes(8, "little") + b"a.", "is damaged"),
        (b"\x8b" + HUGE.to_bytes(4, "little") + b"a.", "is damaged"),
        (b"T" + HUGE.to_bytes(4, "little") + b"a.", "is damaged"),
    ],
)
def test_lengths_and_places_are_not_believed(file: Path, content: bytes, message: str) -> None:
    """An unpickler makes room for what is said, here 2 GB and more, before it looks."""
    with within_a_megabyte():
        refused(file, content, message)


@pytest.mark.parametrize("step", [b"2\x86", b"q\x00h\x00\x86", b"\x85", b"(lt"])
def test_tuples_are_never_built_upon(file: Path, step: bytes) -> None:
    """To hash 60 pairs of the pair before takes 2**60 steps; deep ones overflow the C stack."""
    refused(file, b"}" + b")" + step * 60 + b"Ns.", "holds a tuple|DUP")


def test_the_arguments_of_a_call_are_not_used_again(file: Path) -> None:
    call = b"cbuiltins\nset\nq\x00(]tq\x01R"
    refused(file, call + b"}h\x01Ns.", "holds a tuple")


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**2000])
def test_large_numbers(file: Path, number: int) -> None:
    for protocol in range(6):
        refused(file, pickle.dumps([number], protocol), "more than 64 bits|operation LONG4")


def test_long_texts(file: Path) -> None:
    """Two equal texts of 100 MB would be compared at every key."""
    for protocol in range(6):
        file.write_bytes(pickle.dumps("a" * 1000, protocol))
        assert read_pickle(file) == "a" * 1000
        refused(file, pickle.dumps("a" * 1001, protocol), "a text of more than 1000 characters")


def test_deep_nesting_is_read(file: Path) -> None:
    file.write_bytes(b"]" * 100_000 + b"a" * 99_999 + b".")
    found = read_pickle(file)
    for _ in range(99_999):
        (found,) = found
    assert found == []


@pytest.mark.parametrize("protocol", range(6))
def test_one_set_may_stand_under_two_names(file: Path, protocol: int) -> None:
    members = {"1", "2"}
    file.write_bytes(pickle.dumps({"cat(sofa)": members, "kitten(sofa)": members}, protocol))
    found = read_pickle(file)
    assert found == {"cat(sofa)": members, "kitten(sofa)": members}
    assert found["cat(sofa)"] is found["kitten(sofa)"]


@pytest.mark.parametrize("content", [b"]q\x00h\x00a.", b"}q\x00I1\nh\x00s."])
def test_a_container_in_itself_is_read(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    found = read_pickle(file)
    (inner,) = found.values() if isinstance(found, dict) else found
    assert inner is found


def test_copies_count_towards_the_limit(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty bytes that would make a set of a list a thousand times over."""
    monkeypatch.setattr(safe_pickle, "MAX_VALUES", 1000)
    many = b"]q\x00(" + b"I1\n" * 100 + b"ecbuiltins\nset\nq\x01h\x00\x85R"
    refused(file, b"](" + many + b"h\x01h\x00\x85R" * 12 + b"e.", "makes too many values")
    monkeypatch.setattr(safe_pickle, "MAX_VALUES", 3000)
    file.write_bytes(b"](" + many + b"h\x01h\x00\x85R" * 12 + b"e.")
    assert read_pickle(file)[1:] == [{1}] * 13


def test_a_text_is_not_taken_apart(file: Path) -> None:
    """A text may stand at many places, so a set of its letters would cost more than its bytes."""
    refused(file, b"cbuiltins\nset\n(X\x03\x00\x00\x00abctR.", "what is no list")


@pytest.mark.parametrize(("one", "limit"), [(b"N", 1000), (b"]", 50), (b"\x8f", 50), (b"}", 50)])
def test_values_are_counted_and_containers_twentyfold(
    file: Path, monkeypatch: pytest.MonkeyPatch, one: bytes, limit: int
) -> None:
    monkeypatch.setattr(safe_pickle, "MAX_VALUES", 1024)
    file.write_bytes(b"]" + one + b"a.")
    assert len(read_pickle(file)) == 1
    refused(file, b"](" + one * (limit + 2) + b"e.", "makes too many values")


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


OPERATIONS = (
    *(b"(", b")", b"]", b"}", b".", b"N", b"K\x01", b"0", b"1", b"2", b"R", b"a", b"b", b"d", b"e"),
    *(b"l", b"s", b"t", b"u", b"\x85", b"\x86", b"\x88", b"\x8f", b"\x90", b"\x91", b"\x94"),
    *(b"h\x00", b"h\x01", b"q\x00", b"q\x01", b"I7\n", b"X\x01\x00\x00\x00a"),
    *(b"cbuiltins\nset\n", b"ccollections\ndefaultdict\n"),
)


def containers(value: Any) -> int:
    """How many different dicts, lists and sets there are in a value, itself among them."""
    inner, seen = [value], set()
    while inner:
        each = inner.pop()
        if isinstance(each, (dict, list, set)) and id(each) not in seen:
            seen.add(id(each))
            inner += [*each, *(each.values() if isinstance(each, dict) else ())]
    return len(seen)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=500)
@given(codes=st.lists(st.sampled_from(OPERATIONS), max_size=30))
def test_random_programs_give_no_more_containers_than_operations(
    tmp_path: Path, codes: list[bytes]
) -> None:
    file = tmp_path / "any.pkl"
    file.write_bytes(b"".join(codes) + b".")
    try:
        with within_a_megabyte():
            found = read_pickle(file)
    except UsageError:
        return
    assert containers(found) <= len(codes)
