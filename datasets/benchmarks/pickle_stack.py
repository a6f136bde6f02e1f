"""The stack on which the operations of a pickle make plain values, and nothing that can be called.

It counts what is made, and refuses what is not plain: see `safe_pickle`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any

PROTOCOL = 5
_WORD = 2**63
_MARK = object()


class _Class(Enum):
    """A class that a file may name; the name alone, never the class."""

    SET = "set"
    FROZENSET = "frozenset"
    LIST = "list"
    DICT = "defaultdict"


_CLASSES = {
    f"{module} {known.value}": known
    for known in (_Class.SET, _Class.FROZENSET, _Class.LIST)
    for module in ("builtins", "__builtin__")
} | {"collections defaultdict": _Class.DICT}


class RefusedError(Exception):
    """The file wants more than plain values; the message says what."""


class PlainStack:
    """The stack and the memo of one reading; each operation takes the argument it has, or None.

    left: how many values may still be made. Raises RefusedError for what is not plain, and the
    errors of lists and dicts for operations that find nothing they can work on.
    """

    def __init__(self, left: int) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.left = left

    def result(self) -> Any:
        """The value on top, when all is done."""
        return _require_plain(self.taken(1))[0]

    def spend(self, values: int) -> None:
        """Count values about to be made."""
        self.left -= values
        if self.left < 0:
            raise RefusedError("makes too many values")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def protocol(self, version: int) -> None:
        if version > PROTOCOL:
            raise RefusedError(f"has the unknown protocol {version}")

    def mark(self, _: Any) -> None:
        self.stack.append(_MARK)

    def pop(self, _: Any) -> None:
        self.stack.pop()

    def pop_mark(self, _: Any) -> None:
        self._marked()

    def duplicate(self, _: Any) -> None:
        self.stack.append(self.stack[-1])

    def get(self, place: int) -> None:
        self.stack.append(self.memo[int(place)])

    def put(self, place: int | None) -> None:
        number = len(self.memo) if place is None else int(place)
        self.memo[number] = self.stack[-1]

    def named_class(self, name: str) -> None:
        if name not in _CLASSES:
            raise RefusedError(f"names {name[:80].replace(' ', '.')!r}, which is not loaded")
        self.stack.append(_CLASSES[name])

    def stacked_class(self, _: Any) -> None:
        module, name = self.taken(2)
        if type(module) is not str or type(name) is not str:
            raise TypeError("a class is named by text")
        self.named_class(f"{module} {name}")

    def reduce(self, _: Any) -> None:
        """A class that was named, with its arguments, becomes a value made here."""
        named, arguments = self.taken(2)
        if type(arguments) is not tuple:
            raise TypeError("arguments are a tuple")
        if named is _Class.DICT and arguments in ((), (None,)):
            self.stack.append({})
        elif named is _Class.SET or named is _Class.FROZENSET:
            members = self._members(arguments)
            self.stack.append(members if named is _Class.SET else frozenset(members))
        else:
            raise RefusedError("calls something")

    def _members(self, arguments: tuple[Any, ...]) -> set[Any]:
        (members,) = arguments or ((),)
        if type(members) not in (list, tuple, set, frozenset):
            raise RefusedError("makes a set of what is no list")
        self.spend(len(members))
        return set(_hashable(members))

    def tuple_of_marked(self, _: Any) -> None:
        self._push_tuple(self._marked())

    def tuple_of(self, count: int) -> None:
        self._push_tuple(self.taken(count))

    def _push_tuple(self, items: list[Any]) -> None:
        """A class among the items is forgotten: of a defaultdict it is the default."""
        self.stack.append(tuple([None if type(item) is _Class else item for item in items]))

    def list_of_marked(self, _: Any) -> None:
        self.stack.append(_require_plain(self._marked()))

    def dict_of_marked(self, _: Any) -> None:
        self.stack.append(_pairs(self._marked()))

    def frozenset_of_marked(self, _: Any) -> None:
        self.stack.append(frozenset(_hashable(self._marked())))

    def append(self, _: Any) -> None:
        (item,) = self.taken(1)
        self._top(list).extend(_require_plain([item]))

    def extend(self, _: Any) -> None:
        items = self._marked()
        self._top(list).extend(_require_plain(items))

    def set_item(self, _: Any) -> None:
        pair = self.taken(2)
        self._top(dict).update(_pairs(pair))

    def set_items(self, _: Any) -> None:
        pairs = self._marked()
        self._top(dict).update(_pairs(pairs))

    def add(self, _: Any) -> None:
        items = self._marked()
        self._top(set).update(_hashable(items))

    def taken(self, count: int) -> list[Any]:
        """The last values, taken off the stack; none of them is a mark."""
        if len(self.stack) < count:
            raise IndexError("the stack is empty")
        taken = self.stack[-count:]
        del self.stack[-count:]
        if any(value is _MARK for value in taken):
            raise IndexError("a mark is in the way")
        return taken

    def _marked(self) -> list[Any]:
        """The values above the last mark, taken off the stack with it."""
        items = []
        while (value := self.stack.pop()) is not _MARK:
            items.append(value)
        return items[::-1]

    def _top(self, kind: type) -> Any:
        if type(self.stack[-1]) is not kind:
            raise TypeError(f"no {kind.__name__} to add to")
        return self.stack[-1]


def _require_plain(items: list[Any]) -> list[Any]:
    if any(type(item) is _Class for item in items):
        raise RefusedError("holds a class")
    return items


def _hashable(items: Iterable[Any]) -> Iterator[Any]:
    """Text and numbers of 64 bits: others can be made to take for ever to look up."""
    for item in items:
        if type(item) is not str and not (type(item) is int and -_WORD <= item < _WORD):
            raise RefusedError("has a key or member that is neither text nor a number of 64 bits")
        yield item


def _pairs(items: list[Any]) -> dict[Any, Any]:
    values = _require_plain(items[1::2])
    return dict(zip(_hashable(items[::2]), values, strict=True))
