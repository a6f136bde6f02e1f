"""Write and parse locators: where an image lies in an archive, as text that can stand for a path.

A member of a tar is `/data/train-000.tar@1536+20480/cat/7.jpg`: the archive (a path or a URL), the
first byte, the number of bytes, the member's name. A row of an Arrow file is
`/data/train/data-00000-of-00002.arrow@image[17]/7.jpg`: the file, column and row, and a name. Both
end like a path, so that the last part is a name to show, and both can be opened without an index.
"""

import re
from dataclasses import dataclass

# The shortest archive that fits is taken: a member's name may hold ".tar@1+2/" as well, and must
# not choose another file to read.
_TAR = re.compile(r"(?s)(.+?\.tar)@(\d+)\+(\d+)/(.+)", re.IGNORECASE)
_ARROW = re.compile(r"(?s)(.+?\.arrow)@(.+?)\[(\d+)\]/(.+)")


@dataclass(frozen=True)
class TarMember:
    """A TarMember is a member of an uncompressed tar; `str()` of it is the locator.

    archive: absolute path or URL of the tar.
    offset: where the member's content begins, in bytes from the start of the tar.
    size: length of the content in bytes.
    name: the member's name in the tar.
    """

    archive: str
    offset: int
    size: int
    name: str

    def __str__(self) -> str:
        return f"{self.archive}@{self.offset}+{self.size}/{self.name}"


@dataclass(frozen=True)
class ArrowRow:
    """An ArrowRow is the image in a row of an Arrow stream file; `str()` of it is the locator.

    file: absolute path of the Arrow file.
    column: the name of the column with images.
    row: counted from 0 within this file.
    name: a name to show, for the eye alone.
    """

    file: str
    column: str
    row: int
    name: str

    def __str__(self) -> str:
        return f"{self.file}@{self.column}[{self.row}]/{self.name}"


def parse_locator(text: str) -> TarMember | ArrowRow | None:
    """Return what a locator points at, or None if the text is the path of a file."""
    if "@" not in text:
        return None
    if found := _TAR.fullmatch(text):
        archive, offset, size, name = found.groups()
        return TarMember(archive, int(offset), int(size), name)
    if found := _ARROW.fullmatch(text):
        file, column, row, name = found.groups()
        return ArrowRow(file, column, int(row), name)
    return None
