"""MetaShift Cat vs Dog: cats indoors and dogs outdoors in train, the other way round in test.

The *unmixed* output of the authors' script `subpopulation_shift_cat_dog_indoor_outdoor.py` (its
folder is called MetaShift-Cat-Dog-indoor-outdoor), or a manifest built by the same rule. The mixed
output of that script, with a `val_out_of_domain` folder, is another benchmark and is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import UsageError
from ..benchmark_facts import BenchmarkFacts, benchmark_root, not_found
from ..collection import NO_BOXES, Collection
from ..formats.folder import images_in
from ..numbering import name_indices
from ..request import Request, check_options
from ..sample_table import SampleTable, read_collection
from .metashift_pairs import BuildResult, Pair, load_pairs, manifest_at, write_pairs
from .metashift_subsets import HOMEPAGE, PAPER, Subsets, read_contexts, read_subsets, subset_name

CLASSES = ("cat", "dog")
GROUPS = ("cat indoor", "cat outdoor", "dog indoor", "dog outdoor")
AMBIGUOUS = ("cat", "dog")
MIXED = "val_out_of_domain"

FACTS = BenchmarkFacts(
    title="MetaShift (Cat vs Dog)",
    paper=PAPER,
    homepage_name=HOMEPAGE,
    counts={"train": {}, "test": {}},
    notes=(
        "Counts were not published: they follow from the table of subsets.",
        "Two groups in train and two others in test, so the worst group is the worst class.",
        "The mixed output of the same script and the split on sofa, bed, bench, bike and shelf are "
        "other benchmarks.",
    ),
)


@dataclass(frozen=True)
class ClassInSplit:
    """One class of one split, which shows it in one surrounding."""

    split: str
    class_name: str
    surrounding: str

    @property
    def group(self) -> str:
        """Such as `cat indoor`."""
        return f"{self.class_name} {self.surrounding}"


PARTS = (
    ClassInSplit("train", "cat", "indoor"),
    ClassInSplit("train", "dog", "outdoor"),
    ClassInSplit("test", "cat", "outdoor"),
    ClassInSplit("test", "dog", "indoor"),
)


def load_cat_dog(request: Request) -> Collection:
    """Read the output of the authors' script, or a manifest built by `build_cat_dog`, at `root`.

    The script leaves `train/cat/cat(indoor)/*.jpg`, `train/dog/dog(outdoor)`,
    `test/cat/cat(outdoor)` and `test/dog/dog(indoor)`; images right in `train/cat` and so on are
    taken for the same. Groups are `cat indoor`, `cat outdoor`, `dog indoor`, `dog outdoor`;
    image ids are those of Visual Genome. Where there is a `manifest.parquet`, it is read instead.

    Raises UsageError for a folder that is missing or empty, for a class in a surrounding it should
    not have, and for the mixed output.
    """
    check_options(request, ())
    if request.root is not None and (built := manifest_at(request.root)).is_file():
        return load_pairs(built, request.name, CLASSES, request.memo)
    root = benchmark_root(request.name, request.root, FACTS)
    _require_unmixed(root)
    found = [(part, path) for part in PARTS for path in _images(request.name, root, part)]
    labels = [part.class_name for part, _ in found]
    return read_collection(
        SampleTable(
            name=request.name,
            paths=tuple([path for _, path in found]),
            labels=name_indices(labels, CLASSES),
            class_names=CLASSES,
            groups=name_indices([part.group for part, _ in found], GROUPS),
            group_names=GROUPS,
            splits=np.array([part.split for part, _ in found], np.str_),
            boxes=(NO_BOXES,) * len(found),
            image_ids=tuple([Path(path).stem for _, path in found]),
        ),
        request.memo,
    )


def build_cat_dog(
    subsets: Path, contexts: Path, images: Path, out: Path, *, force: bool = False
) -> BuildResult:
    """Unite the contexts of each group and write `manifest.parquet` into `out`.

    subsets: `full-candidate-subsets.pkl`; contexts: .json or .toml file, see `read_contexts`;
    images: folder of `<image id>.jpg`. Raises UsageError for files or folders that do not serve;
    see `write_pairs` for `force`.
    """
    pairs = unmixed_pairs(read_subsets(subsets), read_contexts(contexts, GROUPS))
    return write_pairs(out, images, pairs, CLASSES, {"dataset": "metashift-cat-dog"}, force=force)


def unmixed_pairs(subsets: Subsets, contexts: Mapping[str, tuple[str, ...]]) -> list[Pair]:
    """The pairs of train, then of test, by class and image id.

    A group is the union of its contexts without the images of `cat(dog)`; an image that test shows
    is no image of train. Raises UsageError for a context that the table does not have.
    """
    both = subsets.of(*AMBIGUOUS)
    united = {
        part: frozenset().union(*(subsets.of(part.class_name, c) for c in contexts[part.group]))
        for part in PARTS
    }
    shown = frozenset().union(*(united[part] for part in PARTS if part.split == "test"))
    return [
        Pair(part.split, part.class_name, part.group, image_id)
        for part in PARTS
        for image_id in sorted(united[part] - both - (shown if part.split == "train" else set()))
    ]


def counts(pairs: tuple[Pair, ...]) -> list[dict[str, str | int]]:
    """Images of each split and group."""
    return [
        {
            "split": part.split,
            "group": part.group,
            "images": sum((p.split, p.group) == (part.split, part.group) for p in pairs),
        }
        for part in PARTS
    ]


def _images(name: str, root: Path, part: ClassInSplit) -> list[str]:
    """The images of one part, by file name; of its own folder where there is one."""
    folder = root / part.split / part.class_name
    if not folder.is_dir():
        raise not_found(name, f"there is no {folder}", FACTS)
    own = folder / subset_name(part.class_name, part.surrounding)
    folders = [each for each in folder.iterdir() if each.is_dir() and each.name[0] != "."]
    others = [each.name for each in folders if each != own]
    if others:
        raise UsageError(
            f"{folder} holds {min(others)}, but {part.split} has {part.class_name}s "
            f"{part.surrounding} only: this is another benchmark; give it as a folder by its path."
        )
    found = images_in(own if own.is_dir() else folder)
    if not found:
        raise not_found(name, f"no images in {own} nor in {folder}", FACTS)
    return found


def _require_unmixed(root: Path) -> None:
    if (root / MIXED).exists():
        raise UsageError(
            f"{root} holds {MIXED}, as the mixed output of MetaShift's script does, which is "
            "another benchmark: give the unmixed one, MetaShift-Cat-Dog-indoor-outdoor, which has "
            "train and test."
        )
