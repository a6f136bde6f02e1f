"""Read a table of names from a pickle of unknown origin, without running anything it holds.

The file's operations are listed with `pickletools` first, and only a file of those that build
dicts, lists, sets, text and numbers reaches Python's unpickler, which finds no class but ours.
"""

import io
import pickle
import pickletools
from functools import partial
from pathlib import Path
from typing import Any

from ...errors import UsageError

MAX_BYTES = 2**28
MAX_VALUES = 2 * 10**7
MAX_TEXT = 1000
_CONTAINER = 20  # values that one container counts for: an empty set takes 216 bytes

_TEXT = {"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE"}
_NUMBERS = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "FLOAT", "BINFLOAT"}
_CONTAINERS = {"EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET", "LIST", "DICT", "REDUCE"}
_TUPLES = {"EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
_PUTS = {"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"}
_GETS = {"GET", "BINGET", "LONG_BINGET"}
_CLASSES = {"GLOBAL", "STACK_GLOBAL"}
_OTHERS = {"NONE", "NEWTRUE", "NEWFALSE", "PROTO", "FRAME", "STOP", "MARK"}
_FILLING = {"APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS"}
_ALLOWED = _TEXT | _NUMBERS | _CONTAINERS | _TUPLES | _FILLING | _PUTS | _GETS | _CLASSES | _OTHERS
_COLLECTIONS = {"builtins.set": set, "builtins.list": list}
_COLLECTIONS |= {"__builtin__.set": set, "__builtin__.list": list}  # as Python 2 named them
_DAMAGE = (AttributeError, ArithmeticError, EOFError, LookupError, TypeError, ValueError)


class RefusedError(Exception):
    """The file holds more than a table of plain values; the message says what."""


def read_pickle(path: Path) -> Any:
    """Return the value of a pickle of protocol 0 to 5 that holds plain values only.

    Plain are dict, list, set, str, int of 64 bits, float, bool and None; a `defaultdict` is read as
    a dict. As in the file, one container may stand at several places, even in itself.

    Raises UsageError for a file that is missing, damaged, larger than 256 MB or 20 million values,
    or that holds anything else, such as a call, a tuple, or a text of more than 1000 characters.
    """
    data = _bytes_of(path)
    try:
        _check(data)
        return _plain(_Unpickler(data).load())
    except RefusedError as refused:
        raise UsageError(
            f"{path} is refused: it {refused}; a file of plain dicts, sets, lists, text and "
            "numbers is expected, so get it from where it was published."
        ) from None
    except (*_DAMAGE, pickle.UnpicklingError) as error:
        raise UsageError(
            f"{path} cannot be read as a pickle: it is damaged or incomplete; get it again."
        ) from error


def _bytes_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            data = file.read(size) if size <= MAX_BYTES else b""
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}): check its path.") from error
    if size > MAX_BYTES:
        raise UsageError(f"{path} is larger than {MAX_BYTES:,} bytes: no such file is expected.")
    return data


def _check(data: bytes) -> None:
    """Refuse operations that would run something, or cost more than their bytes in the file."""
    left, made = MAX_VALUES, ""
    memo: dict[int, str] = {}  # place -> operation that made the value there
    for operation, argument, _ in pickletools.genops(data):
        name = operation.name
        left -= _CONTAINER if name in _CONTAINERS or name in _TUPLES else 1
        if left < 0:
            raise RefusedError("makes too many values")
        if name not in _ALLOWED:
            raise RefusedError(f"uses the operation {name}")
        # A tuple is let through as the arguments of a call only. As a key it would be hashed, which
        # takes 2**60 steps where 60 pairs each hold the one before twice, and overflows the C stack
        # where tuples are nested deeply.
        if made in _TUPLES and name not in _PUTS and name != "REDUCE":
            raise RefusedError("holds a tuple")
        if name in _PUTS:
            # The unpickler makes room for every place up to the highest: 32 GB for 2**31.
            place = len(memo) if argument is None else argument
            if place > len(memo) + 1:
                raise RefusedError("leaves places of its memo empty")
            memo[place] = made
        elif name != "FRAME":
            _check_argument(name, argument, memo)
            made = name


def _check_argument(name: str, argument: Any, memo: dict[int, str]) -> None:
    if name in _GETS and memo.get(argument) in _TUPLES:
        raise RefusedError("holds a tuple")
    # One text may be a key at many places, and equal long texts take long to compare. Numbers of
    # any length can be chosen to have one hash, so that a look-up would walk through all of them.
    if name in _TEXT and len(argument) > MAX_TEXT:
        raise RefusedError(f"holds a text of more than {MAX_TEXT} characters")
    if name in _NUMBERS and isinstance(argument, int) and not -(2**63) <= argument < 2**63:
        raise RefusedError("holds a number of more than 64 bits")
    if name == "PROTO" and argument > pickle.HIGHEST_PROTOCOL:
        raise RefusedError(f"has the unknown protocol {argument}")


class _Unpickler(pickle.Unpickler):
    """An _Unpickler is Python's, but knows no class except stand-ins for those of plain values.

    left: the values that calls may still copy.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="latin-1")
        self.left = MAX_VALUES

    def find_class(self, module: str, name: str) -> Any:
        wanted = f"{module}.{name}"
        if wanted == "collections.defaultdict":
            return lambda _default=None: {}
        if wanted in _COLLECTIONS:
            return partial(self._collect, _COLLECTIONS[wanted])
        raise RefusedError(f"names {wanted[:80]!r}, which is not loaded")

    def _collect(self, kind: type, items: Any = ()) -> Any:
        """Return what the call of a class makes: a copy of a list. `set` would split a text."""
        if type(items) not in (list, tuple):
            raise RefusedError("makes a set of what is no list")
        # The operations were counted, but a few of them can copy one long list over and over.
        self.left -= len(items)
        if self.left < 0:
            raise RefusedError("makes too many values")
        return kind(items)


def _plain(value: Any) -> Any:
    """Return the value; raise RefusedError for a class in it that was named and not called."""
    inner, seen = [value], set()
    while inner:
        each = inner.pop()
        if callable(each):
            raise RefusedError("holds a class")
        if isinstance(each, dict | list | set) and id(each) not in seen:
            seen.add(id(each))
            inner += [*each, *each.values()] if isinstance(each, dict) else each
    return value
