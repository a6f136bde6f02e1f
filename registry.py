"""Heads, datasets, models and boxes are registered and found by name in one way.

A registry knows the things of one kind that ship with the package, each imported only when it is
asked for, and those that other installed packages add through an entry-point group. A name that
ships with the package cannot be taken over by a plug-in.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from pkgutil import resolve_name
from typing import Any, Generic, TypeVar

from .errors import UsageError, first_line

T = TypeVar("T")


@dataclass(frozen=True)
class Registry(Generic[T]):
    """A Registry holds the things of one kind by name; `T` is the type of one of them.

    kind: the word for one of them in a message, such as "head".
    group: the entry-point group through which other packages add theirs, such as "a2pipe.heads".
    package: the package that the modules of `built_in` lie in, such as "a2pipe.heads".
    built_in: for each name that ships with the package the place of its object, "module:attribute".
    note: a sentence that ends the message about an unknown name.
    """

    kind: str
    group: str
    package: str
    built_in: Mapping[str, str]
    note: str = ""

    def names(self) -> list[str]:
        """Return all names: the built-in ones in their order, then those of plug-ins, sorted."""
        return [*self.built_in, *sorted(self.plug_ins())]

    def plug_ins(self) -> dict[str, EntryPoint]:
        """Return the entry point of each name that another installed package adds."""
        found = {point.name: point for point in plug_ins(self.group)}
        return {name: point for name, point in found.items() if name not in self.built_in}

    def __contains__(self, name: object) -> bool:
        return name in self.built_in or name in self.plug_ins()

    def load(self, name: str) -> T:
        """Import and return the object of that name.

        Raises UsageError if the name is unknown, with the nearest names, or if it belongs to a
        plug-in that cannot be imported.
        """
        if name in self.built_in:
            built_in: T = resolve_name(f"{self.package}.{self.built_in[name]}")
            return built_in
        point = self.plug_ins().get(name)
        if point is None:
            known = self.names()
            advice = did_you_mean(name, known, f"use {', '.join(known) or 'none'}.")
            raise UsageError(f"There is no {self.kind} {name!r}: {advice} {self.note}".rstrip())
        plug_in: T = load_plug_in(self.kind, point)
        return plug_in

    def origin(self, name: str) -> str | None:
        """Return the distribution and version that a plug-in's name comes from, "birds 1.2".

        Returns the entry point's value where the distribution is not known, and None for a name
        that is built in or unknown.
        """
        # Every installed package is looked into for entry points, which takes 10 ms a time.
        point = None if name in self.built_in else self.plug_ins().get(name)
        return None if point is None else origin_of(point)


def plug_ins(group: str) -> list[EntryPoint]:
    """Return the entry points that installed packages add to a group."""
    return list(entry_points(group=group))


def origin_of(point: EntryPoint) -> str:
    """Return the distribution and version that brings an entry point, or else its value."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value


def load_plug_in(kind: str, point: EntryPoint) -> Any:
    """Import and return the object of another package's entry point.

    Raises UsageError, which names the plug-in and its distribution, if that fails.
    """
    try:
        return point.load()
    # Importing runs the other package's code, so that any exception can come out of it.
    except Exception as error:
        raise UsageError(
            f"The {kind} {point.name!r} cannot be loaded from {point.value} "
            f"({first_line(error)}): repair or uninstall {origin_of(point)}, which offers it."
        ) from error


def did_you_mean(
    name: str, known: Iterable[str], otherwise: str, most: int = 3, likeness: float = 0.6
) -> str:
    """Return "did you mean 'x' or 'y'?" with the known names that are nearest to a wrong one.

    most: how many names are offered. likeness: from 0 to 1, how like the wrong name one of them has
    to be. otherwise: what is returned if none is.
    """
    near = get_close_matches(name, list(known), most, likeness)
    return f"did you mean {' or '.join(map(repr, near))}?" if near else otherwise
