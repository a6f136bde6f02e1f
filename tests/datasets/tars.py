"""Tar shards for the tests, written member by member as the tools of WebDataset do."""

import io
import json
import tarfile
from pathlib import Path

from PIL import Image


def picture(number: int, size: tuple[int, int] = (8, 6), kind: str = "PNG") -> bytes:
    """An image file whose bytes no other number has (below 256)."""
    written = io.BytesIO()
    Image.new("RGB", size, (number, 0, 0)).save(written, kind)
    return written.getvalue()


def write_tar(path: Path, members: dict[str, object], kind: int = tarfile.PAX_FORMAT) -> Path:
    """A tar of members: bytes as they are, text as UTF-8, anything else as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=kind) as tar:
        for name, value in members.items():
            add(tar, name, value)
    return path


def add(tar: tarfile.TarFile, name: str, value: object) -> None:
    """One member."""
    text = value if isinstance(value, str | bytes) else json.dumps(value)
    content = text.encode() if isinstance(text, str) else text
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))
