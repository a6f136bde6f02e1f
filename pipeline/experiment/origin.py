"""The origin of an experiment tells apart two experiments of one name on one cache."""

from dataclasses import dataclass, field
from pathlib import Path

from ...datasets.formats.tar_shards import some_tar_matches
from ...datasets.registry import DATASETS


@dataclass(frozen=True)
class Origin:
    """An origin is the file that an experiment was read from.

    text: its resolved path; empty where there was no file. Any two origins are equal, so that
    experiments are compared by what they compute alone.
    """

    text: str = field(default="", compare=False)


def dataset_origin(name: str, root: Path | None) -> str:
    """Return the text that stands for a dataset where an experiment was read from no file.

    It is the absolute path of a dataset that is given by a path, the name and the absolute root of
    a registered one, and the name alone of one that has neither.
    """
    if root is not None:
        return f"{name} at {root.expanduser().resolve()}"
    path = Path(name).expanduser()
    on_disk = name not in DATASETS and (path.exists() or some_tar_matches(str(path)))
    return str(path.resolve()) if on_disk else name
