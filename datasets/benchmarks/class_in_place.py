"""Read benchmarks whose groups are a class in a place: other places in train than in test."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..collection import Collection
from ..numbering import name_indices
from ..request import Request
from ..sample_table import SampleTable, read_collection


@dataclass(frozen=True)
class ClassInPlace:
    """A ClassInPlace is one group of one split: the images that show a class in a place.

    split: "train" or "test".
    class_name: such as "cat".
    place: such as "indoor".
    """

    split: str
    class_name: str
    place: str

    @property
    def group(self) -> str:
        """Return the group's name, such as `cat indoor`."""
        return f"{self.class_name} {self.place}"


def read_groups(
    request: Request,
    found: Sequence[tuple[ClassInPlace, str, str]],
    classes: tuple[str, ...],
    groups: Sequence[str],
) -> Collection:
    """Read images whose split, class and group are known by the folder they lie in.

    request: gives the collection's name and the memo.
    found: for each sample what it shows, the path of its image, and the image's id.
    classes, groups: the names, in the order of their numbers.
    """
    shown = [each for each, _, _ in found]
    samples = SampleTable(
        name=request.name,
        paths=[path for _, path, _ in found],
        labels=name_indices([each.class_name for each in shown], classes),
        class_names=classes,
        groups=name_indices([each.group for each in shown], groups),
        group_names=tuple(groups),
        splits=[each.split for each in shown],
        image_ids=[image_id for _, _, image_id in found],
    )
    return read_collection(samples, request.memo)
