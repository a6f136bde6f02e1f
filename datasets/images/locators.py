"""Where an image lies that has no file of its own: as text that can stand wherever a path can.

A member of a tar is `/data/train-000.tar@1536+20480/cat/7.jpg`: the archive (a path or a URL), the
first byte, the number of bytes, the member's name. A row of an Arrow file is
`/data/train/data-00000-of-00002.arrow@image[17]/7.jpg`: the file, column and row, and a name. Both
end like a path, so that the last part is a name to show, and both can be opened without an index.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TAR = re.compile(r"(?s)(.+?\.tar)@(\d+)\+(\d+)/(.+)", re.IGNORECASE)
_ARROW = re.compile(r"(?s)(.+?\.arrow)@(.+?)\[(\d+)\]/(.+)")


@dataclass(frozen=True)
class TarMember:
    """`size` bytes from byte `offset` of an uncompressed tar; its text is the locator."""

    archive: str
    offset: int
    size: int
    name: str

    def __str__(self) -> str:
        return f"{self.archive}@{self.offset}+{self.size}/{self.name}"


@dataclass(frozen=True)
class ArrowRow:
    """The image of a row, counted from 0, of an Arrow stream file; its text is the locator."""

    file: str
    column: str
    row: int
    name: str

    def __str__(self) -> str:
        return f"{self.file}@{self.column}[{self.row}]/{self.name}"


def parse_locator(text: str) -> TarMember | ArrowRow | None:
    """What a locator says; None for the path of a file."""
    if "@" not in text:
        return None
    if found := _TAR.fullmatch(text):
        archive, offset, size, name = found.groups()
        return TarMember(archive, int(offset), int(size), name)
    if found := _ARROW.fullmatch(text):
        file, column, row, name = found.groups()
        return ArrowRow(file, column, int(row), name)
    return None
