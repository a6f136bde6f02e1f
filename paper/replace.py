"""Models that stand in for the paper's: which, in which role, and how that is said."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from ..errors import UsageError
from ..models.zoo.names import canonical, resolve
from .cells import PaperCell, PaperMap, Target
from .published import published
from .results import Replacement

Role = Literal["attention", "embedding"]
ROLES: tuple[Role, ...] = ("attention", "embedding")


def parse_replacements(texts: Iterable[str]) -> tuple[Replacement, ...]:
    """Read `PAPER=OURS`, for one role alone as `attention:PAPER=OURS`; later ones win.

    Raises:
        UsageError: another form, a model that is none of the paper's, or one that does not exist.
    """
    chosen: dict[tuple[Role, str], str] = {}
    for text in texts:
        place, equals, ours = text.partition("=")
        role, colon, paper = place.rpartition(":")
        if not (equals and paper and ours) or (colon and role not in ROLES):
            raise UsageError(
                f"Replacement {text!r} is not understood; write PAPER_MODEL=MODEL, or "
                "attention:PAPER_MODEL=MODEL or embedding:PAPER_MODEL=MODEL for one role."
            )
        roles = ROLES if not colon else tuple(each for each in ROLES if each == role)
        chosen |= {(each, _paper_model(paper)): resolve(ours).name for each in roles}
    return tuple(Replacement(role, paper, ours) for (role, paper), ours in chosen.items())


def _paper_model(name: str) -> str:
    found, known = canonical(name), _paper_models()
    if found not in known:
        raise UsageError(
            f"{name!r} is no model of the paper, so nothing can stand in for it; "
            f"its models are {', '.join(known)}."
        )
    return found


def _paper_models() -> list[str]:
    numbers = published()
    names = dict.fromkeys(name for each in numbers for name in (each.attention, each.embedding))
    return [name for name in names if name not in ("", "resnet50")]


def replaced(target: Target, replacements: Iterable[Replacement]) -> Target:
    """The target with our models in place of the paper's; its number keeps the paper's."""
    ours: dict[tuple[str, str], str] = {(r.role, r.paper): r.ours for r in replacements}
    if not ours:
        return target
    cells = tuple(_replaced_cell(cell, ours) for cell in target.cells)
    return replace(target, cells=cells, map=target.map and _replaced_map(target.map, ours))


def _replaced_cell(cell: PaperCell, ours: dict[tuple[str, str], str]) -> PaperCell:
    attention = ours.get(("attention", cell.source.attention), cell.source.attention)
    embedding = ours.get(("embedding", cell.embedding), cell.embedding)
    return replace(cell, source=replace(cell.source, attention=attention), embedding=embedding)


def _replaced_map(place: PaperMap, ours: dict[tuple[str, str], str]) -> PaperMap:
    return replace(place, attention=ours.get(("attention", place.attention), place.attention))
