"""Read images that are named one by one, without labels: files, and images below folders."""

from collections.abc import Sequence
from pathlib import Path

from ...errors import UsageError
from ..collection import Collection
from ..sample_table import SampleTable, read_collection
from .folder import images_below


def load_image_list(paths: Sequence[str | Path], memo: Path | None = None) -> Collection:
    """Return a collection of the given files and of the images in and below the given folders.

    paths: files and folders; the samples stand in their order, and a file that is named twice
        counts once. Labels and groups are -1, splits "".
    memo: the file that remembers digests and sizes between runs.

    Raises UsageError if a path does not exist, or there is no image.
    """
    files = tuple(dict.fromkeys(file for path in paths for file in _files(path)))
    if not files:
        raise UsageError(f"No images in {', '.join(map(str, paths)) or 'nothing'}.")
    return read_collection(SampleTable(name="images", paths=files), memo)


def _files(path: str | Path) -> list[str]:
    path = Path(path).expanduser().absolute()
    if path.is_dir():
        return list(images_below(path))
    if not path.exists():
        raise UsageError(f"There is no image {path}: check its path.")
    return [str(path)]
