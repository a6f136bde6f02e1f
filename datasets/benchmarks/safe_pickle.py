"""Reading a pickle as data: plain values and nothing that could be called.

No unpickler runs. The operations of the file are listed by `pickletools`, and the few that make
plain values are followed here; any other ends the reading. So a file can neither import a module
nor call a function, whatever it holds. Of classes only a few names are known (protocols 0 to 3
write sets by name, a `defaultdict` names its default), and they stand for what is made here.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import UsageError
from .pickle_stack import PlainStack, RefusedError

MAX_BYTES = 2**28
MAX_VALUES = 2 * 10**7


def read_pickle(path: Path) -> Any:
    """The value of a pickle of protocol 0 to 5 that holds plain values only.

    Plain are dict, list, tuple, set, frozenset, str, bytes, int, float, bool and None. Keys and
    members of sets are text or whole numbers of 64 bits. A `defaultdict` is read as a dict.

    Raises UsageError for a file that is missing, damaged, larger than 256 MB or 20 million values,
    or that holds anything else.
    """
    data = _bytes_of(path)
    try:
        return _read(data)
    except RefusedError as refused:
        raise UsageError(
            f"{path} is refused: it {refused}; a file of plain dicts, sets, lists, text and "
            "numbers is expected, so get it from where it was published."
        ) from None
    except (ValueError, KeyError, IndexError, TypeError, OverflowError, RecursionError) as error:
        raise UsageError(
            f"{path} cannot be read as a pickle: it is damaged or incomplete; get it again."
        ) from error


def _bytes_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}): check its path.") from error
    if len(data) > MAX_BYTES:
        raise UsageError(f"{path} is larger than {MAX_BYTES:,} bytes: no such file is expected.")
    return data


def _read(data: bytes) -> Any:
    stack = PlainStack(MAX_VALUES)
    for operation, argument, _ in pickletools.genops(data):
        stack.spend(1)
        _follow(stack, operation.name, argument)
    return stack.result()


def _follow(stack: PlainStack, name: str, argument: Any) -> None:
    if name in _VALUES:
        stack.push(argument)
    elif name in _MADE:
        stack.push(_MADE[name]())
    elif name in _STEPS:
        _STEPS[name](stack, argument)
    elif name not in _SKIPPED:
        raise RefusedError(_REASONS.get(name, f"uses the operation {name}"))


_VALUES = frozenset(
    {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
    | {"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE"}
    | {"BINUNICODE8", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8"}
)
_MADE: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
    "EMPTY_TUPLE": tuple,
}
_SKIPPED = frozenset({"FRAME", "STOP"})
_REASONS = {
    **dict.fromkeys(("PERSID", "BINPERSID"), "refers to an object outside itself"),
    **dict.fromkeys(("EXT1", "EXT2", "EXT4"), "names a class by a registered number"),
    **dict.fromkeys(("INST", "OBJ", "NEWOBJ", "NEWOBJ_EX"), "makes an object of a class"),
    "BUILD": "sets the state of an object",
}
_Step = Callable[[PlainStack, Any], None]
_STEPS: dict[str, _Step] = {
    "PROTO": PlainStack.protocol,
    "MARK": PlainStack.mark,
    "POP": PlainStack.pop,
    "POP_MARK": PlainStack.pop_mark,
    "DUP": PlainStack.duplicate,
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), PlainStack.get),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), PlainStack.put),
    "GLOBAL": PlainStack.named_class,
    "STACK_GLOBAL": PlainStack.stacked_class,
    "REDUCE": PlainStack.reduce,
    "TUPLE": PlainStack.tuple_of_marked,
    "TUPLE1": lambda stack, _: stack.tuple_of(1),
    "TUPLE2": lambda stack, _: stack.tuple_of(2),
    "TUPLE3": lambda stack, _: stack.tuple_of(3),
    "LIST": PlainStack.list_of_marked,
    "DICT": PlainStack.dict_of_marked,
    "FROZENSET": PlainStack.frozenset_of_marked,
    "APPEND": PlainStack.append,
    "APPENDS": PlainStack.extend,
    "SETITEM": PlainStack.set_item,
    "SETITEMS": PlainStack.set_items,
    "ADDITEMS": PlainStack.add,
}
