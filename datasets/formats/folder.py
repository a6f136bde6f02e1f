"""Read folders of images: `[split/]class/*.jpg`, or images alone, without classes."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from ...errors import UsageError
from ..collection import Collection
from ..images.image_files import has_image_suffix
from ..numbering import SPLIT_NAMES, name_indices, sorted_names
from ..sample_table import SampleTable, read_collection


@dataclass(frozen=True)
class _Found:
    """A _Found is one image of a folder; split and label are "" where there is none."""

    path: str
    split: str
    label: str


def load_folder(root: Path, *, name: str | None = None, memo: Path | None = None) -> Collection:
    """Read a folder of images.

    root: the folder. Its subfolders are classes; images below one at any depth belong to it. If
        every subfolder with images is called train, val, valid, validation or test, they are splits
        with class folders or images inside.
    name: the collection's name; the folder's if it is None.
    memo: the file that remembers digests and sizes between runs.

    Images without class folders have label -1; groups are -1. Names are sorted and hidden files
    left out. Whatever is called like an image is listed: a dangling link or a directory named x.jpg
    ends among the collection's `unreadable`.

    Raises UsageError for a folder that is missing, empty, or laid out in two ways at once.
    """
    root = root.expanduser().absolute()
    _require_folder(root)
    found = _find(root)
    if not found:
        raise UsageError(
            f"No images in {root}: expected [split/]class/*.jpg, or .png, .webp, .tif."
        )
    return read_collection(_samples(root, name or root.name, found), memo)


def _samples(root: Path, name: str, found: list[_Found]) -> SampleTable:
    labels = [image.label for image in found]
    class_names = sorted_names(labels)
    prefix = len(str(root)) + 1
    return SampleTable(
        name=name,
        paths=[image.path for image in found],
        labels=name_indices(labels, class_names),
        class_names=class_names,
        splits=[image.split for image in found],
        image_ids=[image.path[prefix:] for image in found],
    )


def _require_folder(root: Path) -> None:
    if not root.exists():
        raise UsageError(f"Dataset folder {root} does not exist: check its path.")
    if not root.is_dir():
        raise UsageError(f"{root} is not a folder: give the folder that holds the images.")


def _find(root: Path) -> list[_Found]:
    """Return every image with its split and class, both in the order of their names."""
    paths = list(images_below(root))
    prefix = len(str(root)) + 1
    # Two folders decide; what lies deeper belongs to the class.
    below = [path[prefix:].split("/", 2) for path in paths]
    # How many folders stand above those of the classes.
    splits = int(_are_splits(root, sorted({names[0] for names in below if len(names) > 1})))
    _require_one_layout(root, below, splits)
    return [
        _Found(
            path,
            SPLIT_NAMES[names[0].lower()] if splits else "",
            names[splits] if len(names) > splits + 1 else "",
        )
        for path, names in zip(paths, below, strict=True)
    ]


def _are_splits(root: Path, folders: list[str]) -> bool:
    """Tell whether the folders with images are splits; raise UsageError if only some are."""
    splits = [name for name in folders if name.lower() in SPLIT_NAMES]
    kinds = {SPLIT_NAMES[name.lower()] for name in splits}
    # A single folder called train may be a class, but two splits and something else beside them are
    # a mistake that would make classes of the splits.
    if len(splits) < len(folders) and "train" in kinds and len(kinds) > 1:
        others = ", ".join(name for name in folders if name not in splits)
        raise UsageError(
            f"{root} has split folders and others beside them ({others}): move those away."
        )
    return bool(splits) and len(splits) == len(folders)


def _require_one_layout(root: Path, below: list[list[str]], splits: int) -> None:
    """Raise UsageError for an image beside split folders or class folders."""
    with_classes = {tuple(names[:splits]) for names in below if len(names) > splits + 1}
    for names in below:
        if len(names) <= splits or (
            len(names) == splits + 1 and tuple(names[:splits]) in with_classes
        ):
            raise UsageError(
                f"{root.joinpath(*names[:-1])} holds images beside its subfolders ({names[-1]}): "
                "put every image in a class folder, or none."
            )


def images_below(folder: Path, above: tuple[tuple[int, int], ...] = ()) -> Iterator[str]:
    """Yield the paths of the images in a folder and its subfolders, in the order of their names.

    folder: where to look; hidden files and folders are left out.
    above: device and inode of every folder on the way here, so that a link back to one of them is
        not followed for ever.

    Raises UsageError for a folder that cannot be listed.
    """
    status = folder.stat()
    here = (status.st_dev, status.st_ino)
    if here in above:
        return
    images, folders = images_and_subfolders(folder)
    yield from images
    for each in folders:
        yield from images_below(each, (*above, here))


def images_in(folder: Path) -> list[str]:
    """Return the paths of whatever in a folder is named like an image, sorted by name.

    Subfolders are not looked into. Raises UsageError for a folder that cannot be listed.
    """
    return images_and_subfolders(folder)[0]


def images_and_subfolders(folder: Path) -> tuple[list[str], list[Path]]:
    """Return the paths of a folder's images and its subfolders, each sorted by name.

    Whatever is named like an image counts as one, and hidden entries are left out. Raises
    UsageError for a folder that cannot be listed.
    """
    images, folders = [], []
    # The name decides before the kind is asked for, which may cost a call to the file system.
    for entry in sorted(_visible(folder), key=attrgetter("name")):
        if has_image_suffix(entry.name):
            images.append(entry.path)
        elif _is_folder(entry):
            folders.append(Path(entry.path))
    return images, folders


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is a folder; False for a link that leads nowhere or in a circle."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _visible(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield the entries of a folder that are not hidden, in the directory's own order."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith("."):
                    yield entry
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be listed ({error.strerror}): check its rights."
        ) from error
