"""Boxes that an experiment names in `embedding.baselines`, such as "center:128"."""

import re
from dataclasses import dataclass

from ...errors import UsageError
from ...stages.boxes.box import BoxSpec
from ...stages.boxes.registry import BOXES, box_kind, forms

_PATTERN = re.compile(r"(?P<name>[^:@]+)(?::(?P<option>[^@]+))?(?:@(?P<input>\d+))?")


@dataclass(frozen=True)
class Baseline:
    """Boxes of one kind, as an experiment names them.

    text: as written. name: of the kind, "center". option: what follows the colon, "128"; an empty
    string for nothing. input_size: side in pixels to which the boxes are resized for the embedding
    model, where it is not the experiment's.
    """

    text: str
    name: str
    option: str = ""
    input_size: int | None = None

    @property
    def kind(self) -> type[BoxSpec]:
        """The kind of box."""
        return box_kind(self.name)


def parse_baseline(text: str) -> Baseline:
    """Read `full`, `full@518`, `center:128`, `random` (seed 0), `random:3`, `s2` or a plug-in's.

    Raises:
        UsageError: the text has none of these forms.
    """
    match = _PATTERN.fullmatch(text.strip())
    name, option = (match["name"], match["option"] or "") if match else ("", "")
    if not match or name not in BOXES or not re.fullmatch(box_kind(name).option, option):
        raise UsageError(
            f"Baseline {text!r} is not understood; write {forms()}, each optionally followed by "
            "@INPUT_SIZE."
        )
    return Baseline(text.strip(), name, option, int(match["input"]) if match["input"] else None)
