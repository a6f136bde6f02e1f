"""Kinds of box are found by the name in an experiment; other packages add theirs.

The entry-point group is `a2pipe.boxes`: its name is what stands before the colon in a name such as
"center:128", its object a class derived from `box.BoxSpec`.
"""

from contextlib import suppress
from dataclasses import MISSING, fields, is_dataclass

from ...errors import UsageError
from ...registry import Registry
from .box import BoxSpec

BOXES: Registry[type[BoxSpec]] = Registry(
    "kind of box",
    "a2pipe.boxes",
    __package__,
    {
        "full": "full:FullBox",
        "center": "center:CenterBox",
        "random": "random:RandomBox",
        "s2": "tile:TileBox",
        "masked": "masked:MaskedBox",
        "masked-random": "masked:RandomlyMaskedBox",
    },
)


def box_kind(name: str) -> type[BoxSpec]:
    """Return the kind of box of that name.

    Raises:
        UsageError: there is none, or a plug-in offers what is no kind of box, or one whose
            addresses could be those of another kind.
    """
    found = BOXES.load(name)
    if name not in BOXES.built_in:
        _check_plug_in(name, found)
    return found


def forms() -> str:
    """Return how experiments name boxes: "full, center:SIZE, random, random:SEED or s2".

    A plug-in that cannot be used is left out, and so is a kind without a form.
    """
    found: list[str] = []
    for name in BOXES.names():
        with suppress(UsageError):
            found += filter(None, [box_kind(name).form])
    return f"{', '.join(found[:-1])} or {found[-1]}"


def _check_plug_in(name: str, found: type[BoxSpec]) -> None:
    """Refuse a class that is no kind of box, or whose rows another kind could be taken for."""
    whose = f"The kind of box {name!r} of {BOXES.origin(name)}"
    is_box = isinstance(found, type) and issubclass(found, BoxSpec)
    # A dataclass that is not frozen has no hash, by which specs are looked up.
    if not (is_box and is_dataclass(found) and found.__hash__ is not None):
        raise UsageError(f"{whose} is no frozen dataclass derived from a2pipe's BoxSpec.")
    # A field at its default is in no address: two kinds with fields of the same names would share
    # their rows, were it not for `kind`.
    if not any(each.name == "kind" and each.default is MISSING for each in fields(found)):
        raise UsageError(f"{whose} needs a field `kind` without a default, by which it is stored.")
    lacking = sorted(found.__abstractmethods__)
    if lacking:
        raise UsageError(f"{whose} lacks what BoxSpec asks of a kind: {', '.join(lacking)}.")
