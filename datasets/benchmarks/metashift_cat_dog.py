"""Read MetaShift Cat vs Dog: cats indoors and dogs outdoors in train, vice versa in test.

It is the *unmixed* output of the authors' script `subpopulation_shift_cat_dog_indoor_outdoor.py`
(its folder is called MetaShift-Cat-Dog-indoor-outdoor), or a manifest built by the same rule. The
mixed output of that script, with a `val_out_of_domain` folder, is another benchmark and is refused.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from ...errors import UsageError
from ..benchmark_facts import BenchmarkFacts, benchmark_root, not_found
from ..collection import Collection
from ..formats.folder import images_and_subfolders, images_in
from ..request import Request, check_options
from .class_in_place import ClassInPlace, read_groups
from .metashift_pairs import BuildResult, Pair, load_pairs, manifest_at, write_pairs
from .metashift_subsets import HOMEPAGE, PAPER, Subsets, read_contexts, read_subsets, subset_name

CLASSES = ("cat", "dog")
GROUPS = ("cat indoor", "cat outdoor", "dog indoor", "dog outdoor")
AMBIGUOUS = ("cat", "dog")
"""These are class and context of the subset whose images show both classes."""
MIXED = "val_out_of_domain"
"""The script's mixed output is known by this folder."""

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


SHOWN = (
    ClassInPlace("train", "cat", "indoor"),
    ClassInPlace("train", "dog", "outdoor"),
    ClassInPlace("test", "cat", "outdoor"),
    ClassInPlace("test", "dog", "indoor"),
)
"""They say what each split shows."""


def load_cat_dog(request: Request) -> Collection:
    """Read the output of the authors' script, or a manifest that `build_cat_dog` wrote.

    request.root: a folder with `manifest.parquet`, which is then read, or with what the script
        leaves: `train/cat/cat(indoor)/*.jpg`, `train/dog/dog(outdoor)`, `test/cat/cat(outdoor)` and
        `test/dog/dog(indoor)`. Images right in `train/cat` and so on are taken for the same.

    Groups are `cat indoor`, `cat outdoor`, `dog indoor`, `dog outdoor`; image ids are those of
    Visual Genome; there are no boxes.

    Raises UsageError for a folder that is missing or empty, for a class in a surrounding that it
    should not have, and for the script's mixed output.
    """
    check_options(request, ())
    # Before the root is required to be a folder, as it may be the manifest itself.
    if request.root is not None and (built := manifest_at(request.root)).is_file():
        return load_pairs(built, request.name, CLASSES, request.memo)
    root = benchmark_root(request.name, request.root, FACTS)
    _require_unmixed(root)
    found = [
        (shown, path, Path(path).stem)
        for shown in SHOWN
        for path in _images(request.name, root, shown)
    ]
    return read_groups(request, found, CLASSES, GROUPS)


def build_cat_dog(
    subsets: Path, contexts: Path, images: Path, out: Path, *, force: bool = False
) -> BuildResult:
    """Unite the contexts of each group and write the samples as `manifest.parquet`.

    subsets: the file `full-candidate-subsets.pkl`.
    contexts: a .json or .toml file with the contexts of each group, see `read_contexts`.
    images: the folder of `<image id>.jpg`.
    out: the folder to write into.
    force: replace a manifest with other content.

    Returns what was built. Raises UsageError for files or folders that do not serve, and without
    `force` if `out` holds another manifest.
    """
    pairs = unmixed_pairs(read_subsets(subsets), read_contexts(contexts, GROUPS))
    return write_pairs(out, images, pairs, CLASSES, {"dataset": "metashift-cat-dog"}, force=force)


def unmixed_pairs(subsets: Subsets, contexts: Mapping[str, tuple[str, ...]]) -> list[Pair]:
    """Return the pairs of train, then of test, by class and image id.

    subsets: MetaShift's table.
    contexts: the contexts that make up each of GROUPS, by the group's name. A group is their union
        without the images of the subset `cat(dog)`, which show both classes; an image that test
        shows is no image of train.

    Raises UsageError for a context that the table does not have.
    """
    both = subsets.of(*AMBIGUOUS)
    united = {
        each: frozenset().union(*(subsets.of(each.class_name, c) for c in contexts[each.group]))
        for each in SHOWN
    }
    tested = frozenset().union(*(united[each] for each in SHOWN if each.split == "test"))
    return [
        Pair(each.split, each.class_name, each.group, image_id)
        for each in SHOWN
        for image_id in sorted(united[each] - both - (tested if each.split == "train" else set()))
    ]


def counts(pairs: tuple[Pair, ...]) -> list[dict[str, str | int]]:
    """Return the number of images of each split and group, a dict with these keys for each."""
    found = Counter((pair.split, pair.group) for pair in pairs)
    return [
        {"split": each.split, "group": each.group, "images": found[each.split, each.group]}
        for each in SHOWN
    ]


def _images(name: str, root: Path, shown: ClassInPlace) -> list[str]:
    """Return the images of one group, by file name, from its own folder if there is one."""
    folder = root / shown.split / shown.class_name
    if not folder.is_dir():
        raise not_found(name, f"there is no {folder}", FACTS)
    own = folder / subset_name(shown.class_name, shown.place)
    others = [each.name for each in images_and_subfolders(folder)[1] if each != own]
    if others:
        raise UsageError(
            f"{folder} holds {others[0]}, but {shown.split} has {shown.class_name}s "
            f"{shown.place} only: this is another benchmark; give it as a folder by its path."
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
