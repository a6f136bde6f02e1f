"""Baselines that need no attention: how they are written in an experiment."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...errors import UsageError

_FORMS = "full, center:SIZE, random, random:SEED or s2, each optionally followed by @INPUT_SIZE"
_PATTERN = re.compile(r"(?P<kind>full|center|random|s2)(?::(?P<number>\d+))?(?:@(?P<input>\d+))?")


@dataclass(frozen=True)
class Baseline:
    """text: as written; kind: full, center, random or s2; size: of the centre crop; seed: of the
    random crops; input_size: side the crop is resized to, where it is not the experiment's."""

    text: str
    kind: str
    size: int = 0
    seed: int = 0
    input_size: int | None = None


def parse_baseline(text: str) -> Baseline:
    """Read `full`, `full@518`, `center:128`, `random` (seed 0), `random:3` or `s2`.

    Raises:
        UsageError: the text has none of these forms.
    """
    match = _PATTERN.fullmatch(text.strip())
    number = match and match["number"]
    if (
        not match
        or (match["kind"] == "center") > bool(number)
        or (match["kind"] in ("full", "s2") and number)
    ):
        raise UsageError(f"Baseline {text!r} is not understood; write {_FORMS}.")
    value = int(number or 0)
    return Baseline(
        text=text.strip(),
        kind=match["kind"],
        size=value if match["kind"] == "center" else 0,
        seed=value if match["kind"] == "random" else 0,
        input_size=int(match["input"]) if match["input"] else None,
    )
