"""Read which images one tar of a WebDataset holds, where each lies, and what is said of them.

One sequential read finds every member, and nothing is unpacked. Members that are neither images nor
labels are passed over.
"""

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ...errors import A2pipeError, UsageError, first_line
from ..images.archive_memo import recall_or_read
from ..images.archives import LARGEST_IMAGE, TOO_LARGE
from ..images.image_files import has_image_suffix
from ..images.index import Unreadable, index_bytes
from ..images.locators import TarMember
from ..images.memo import IndexedImage
from ..images.remote import file_system, is_url, stamp
from ..safe_paths import join_inside

LONGEST_NOTE = 1 << 20
"""A .cls or .json member may have this many bytes at most."""
BOXES = "boxes"
_BLOCK = 512


@dataclass(frozen=True)
class TarImage:
    """A TarImage is an image in a tar.

    member: where it lies.
    read: its digest and size, or that it is too large to be read.
    """

    member: TarMember
    read: IndexedImage | Unreadable


@dataclass(frozen=True)
class TarIndex:
    """A TarIndex lists what a tar holds.

    images: in the tar's order.
    notes: content of each .cls member (text) and .json member (a dict), by the member's name.
    """

    images: tuple[TarImage, ...]
    notes: dict[str, Any]


def index_tar(archive: str, memo: Path | None = None) -> TarIndex:
    """Return what a tar holds.

    archive: absolute path or fsspec URL.
    memo: the memo of image files, beside which the answer is remembered while the tar's size and
        modification time, or what its server tells of it, are the same.

    Raises UsageError for a tar that is missing, compressed, cut short or damaged, has a member
    twice or one that leads out of it, or labels that cannot be read.
    """
    try:
        known = recall_or_read(memo, archive, stamp(archive), lambda: _read(archive))
    except A2pipeError:
        raise
    except FileNotFoundError as error:
        raise UsageError(f"Tar {archive} does not exist: check its path.") from error
    except tarfile.TarError as error:
        raise _damaged(archive, first_line(error)) from error
    except Exception as error:  # a remote file system raises whatever its client does
        raise UsageError(f"Tar {archive} cannot be read: {first_line(error)}.") from error
    images = [
        TarImage(
            TarMember(archive, offset, size, name),
            IndexedImage(*read) if read[0] else Unreadable(TOO_LARGE),
        )
        for name, offset, size, *read in known["images"]
    ]
    return TarIndex(tuple(images), known["notes"])


def _read(archive: str) -> dict[str, Any]:
    images: list[tuple[Any, ...]] = []
    notes: dict[str, Any] = {}
    seen: set[str] = set()
    with _opened(archive) as handle:
        for member in _members(archive, handle):
            name = join_inside(archive, member.name)[len(archive) + 1 :]
            if name in seen:
                raise UsageError(f"Tar {archive} has {name} twice: give each sample its own key.")
            seen.add(name)
            if _is_hidden(name):
                continue
            if has_image_suffix(name):
                images.append((name, member.offset_data, member.size, *_image(handle, member)))
            elif _kind(name) in ("cls", "json"):
                notes[name] = _note(archive, name, _content(handle, member))
    return {"images": images, "notes": notes}


def _opened(archive: str) -> IO[bytes]:
    if not is_url(archive):
        return Path(archive).open("rb")
    system, path = file_system(archive)
    handle: IO[bytes] = system.open(path, "rb")
    return handle


def _members(archive: str, handle: IO[bytes]) -> Iterator[tarfile.TarInfo]:
    """Yield the regular files of a tar; raise UsageError unless it ends as a tar has to."""
    try:
        with tarfile.open(fileobj=handle, mode="r:") as tar:
            for member in tar:
                # tarfile keeps every header; emptying its list keeps memory flat for large tars.
                tar.members = []  # type: ignore[attr-defined]
                # A sparse file is not stored byte for byte, so no range of the tar holds the image.
                if member.isreg() and member.issparse():
                    raise _damaged(archive, f"{member.name} is stored as a sparse file")
                if member.isreg():
                    yield member
            # tarfile takes a damaged header after the first for the end; a real end is zeros, or
            # nothing. Without this check all that follows the damage would be missing silently.
            handle.seek(tar.offset)
            if handle.read(_BLOCK).strip(b"\0"):
                raise _damaged(archive, f"there is no header at byte {tar.offset:,}")
    except tarfile.TarError as error:
        raise _damaged(archive, first_line(error)) from error


def _damaged(archive: str, problem: str) -> UsageError:
    return UsageError(
        f"Tar {archive} is cut short, compressed or no tar ({problem}): copy it anew, or make it "
        "an uncompressed .tar."
    )


def _image(handle: IO[bytes], member: tarfile.TarInfo) -> IndexedImage:
    """Read digest and size of an image member; "" and 0, 0 if it is too large to be read."""
    if member.size > LARGEST_IMAGE:
        return IndexedImage("", 0, 0)
    return index_bytes(_content(handle, member))


def _content(handle: IO[bytes], member: tarfile.TarInfo) -> bytes:
    handle.seek(member.offset_data)
    content = handle.read(member.size)
    if len(content) < member.size:
        raise tarfile.ReadError("unexpected end of data")
    return content


def _is_hidden(name: str) -> bool:
    """Tell names such as `._1.jpg`, which macOS puts beside `1.jpg` and which is no image."""
    return name.rpartition("/")[2].startswith(".")


def _kind(name: str) -> str:
    """Return the last extension in lower case, by which WebDataset's decoders go."""
    return name.rpartition(".")[2].lower()


def _note(archive: str, name: str, content: bytes) -> Any:
    """Return the text of a .cls, or those values of a .json that can say something of a sample."""
    if len(content) > LONGEST_NOTE:
        raise UsageError(f"{archive}: {name} is longer than 1 MiB, too long for a label.")
    try:
        text = content.decode()
        if _kind(name) == "cls":
            return text.strip()
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        problem = "UTF-8 text" if _kind(name) == "cls" else "JSON"
        raise UsageError(f"{archive}: {name} is not {problem} ({first_line(error)}).") from error
    if not isinstance(found, dict):
        raise UsageError(f'{archive}: {name} is not a JSON object such as {{"label": 3}}.')
    return {key: value for key, value in found.items() if key == BOXES or _may_be_used(value)}


def _may_be_used(value: Any) -> bool:
    """Tell numbers and words from long captions and nested metadata, which only fill memory."""
    if isinstance(value, str):
        return len(value) <= 256
    return value is None or isinstance(value, bool | int | float)
