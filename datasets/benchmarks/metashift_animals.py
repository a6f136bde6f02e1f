"""Build and read MetaShift Animals: eight animals, in other contexts in test than in train.

It is built from MetaShift's table of subsets as A² describes it (arXiv 2606.03148, section 5 and
Table 4). Which contexts went where was not published, so a build draws a split of its own by a
seed, and its counts are printed beside the published ones.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from ...errors import UsageError
from ..benchmark_facts import BenchmarkFacts, not_found
from ..collection import Collection
from ..request import Request, check_options
from .metashift_pairs import BuildResult, Pair, load_pairs, manifest_at, write_pairs
from .metashift_subsets import HOMEPAGE, PAPER, Subsets, read_subsets, subset_name

CLASSES = ("bear", "bird", "cow", "elephant", "giraffe", "horse", "sheep", "zebra")
MINIMUM = 25
"""A context takes part if it has at least this many images."""

FACTS = BenchmarkFacts(
    title="MetaShift (Animals)",
    paper=f"{PAPER}; Animals: Attending on Attention, arXiv 2606.03148, Table 4",
    homepage_name=HOMEPAGE,
    counts={"train": {}, "test": {}},
    notes=(
        "Which contexts went where was not published: the counts of a build differ from those "
        "published, which a2pipe datasets build prints beside them, and so do results.",
        "Samples are pairs of image and context: an image in three contexts counts three times, "
        "and one image may show two classes.",
        "Published results are accuracy and worst-class accuracy; groups are contexts unless the "
        "option groups=class makes the worst group the worst class.",
    ),
)
PUBLISHED = {
    "bear": (503, 978),
    "bird": (1122, 977),
    "cow": (125, 968),
    "elephant": (367, 1580),
    "giraffe": (238, 2368),
    "horse": (1188, 586),
    "sheep": (90, 1142),
    "zebra": (57, 2230),
    "all pairs": (3690, 10829),
    "groups": (75, 77),
    "contexts": (55, 47),
    "images": (2385, 6043),
}
"""Table 4 of A² has these counts in train and test: of pairs of image and context by class, and in
total."""


def load_animals(request: Request) -> Collection:
    """Read the manifest that `a2pipe datasets build metashift-animals` wrote.

    request.root: the folder it was built into, or the manifest.
    request.options: groups=context (the default) makes groups of `class(context)`; groups=class
        makes the classes groups.

    Several samples may share an image. Raises UsageError if nothing was built at the root.
    """
    check_options(request, ("groups",))
    kind = request.options.get("groups", "context")
    if kind not in ("context", "class"):
        raise UsageError(f"Dataset {request.name}: groups are context or class, not {kind!r}.")
    advice = "build it with a2pipe datasets build metashift-animals, and give --out as the root"
    if request.root is None:
        raise not_found(request.name, advice, FACTS)
    path = manifest_at(request.root)
    if not path.is_file():
        raise not_found(request.name, f"there is no {path}: {advice}", FACTS)
    found = load_pairs(path, request.name, CLASSES, request.memo)
    if kind == "context":
        return found
    return replace(found, groups=found.labels, group_names=found.class_names)


def build_animals(
    subsets: Path,
    images: Path,
    out: Path,
    *,
    seed: int = 0,
    minimum: int = MINIMUM,
    force: bool = False,
) -> BuildResult:
    """Split the contexts of each class and write the samples as `manifest.parquet`.

    subsets: the file `full-candidate-subsets.pkl`.
    images: the folder of `<image id>.jpg`.
    out: the folder to write into.
    seed: draws which contexts train has.
    minimum: least number of images of a context that takes part.
    force: replace a manifest with other content.

    Returns what was built. Raises UsageError for a table, a folder or a class that does not serve,
    and without `force` if `out` holds another manifest.
    """
    table = read_subsets(subsets)
    pairs = split_pairs(table, seed, minimum)
    recipe = {"dataset": "metashift-animals", "seed": seed, "minimum": minimum}
    return write_pairs(out, images, pairs, CLASSES, recipe, force=force)


def split_pairs(subsets: Subsets, seed: int, minimum: int) -> list[Pair]:
    """Return the pairs of train, then of test, by class, context and image id.

    subsets: MetaShift's table.
    seed: draws the half of each class's contexts that train has; of an odd number test has one
        more.
    minimum: least number of images of a context that takes part.

    An image that test shows, in whatever class, is no image of train. Raises UsageError for a class
    with fewer than two such contexts.
    """
    halves = {name: _halves(subsets, name, seed, minimum) for name in CLASSES}
    # Test goes first, as train loses the images that test shows.
    test = _pairs(subsets, "test", {name: second for name, (_, second) in halves.items()})
    shown = {pair.image_id for pair in test}
    train = _pairs(subsets, "train", {name: first for name, (first, _) in halves.items()})
    return [pair for pair in train if pair.image_id not in shown] + test


def counts(pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """Count the pairs of each class in train and test, then totals, beside the published counts.

    Returns a dict for each line, with the keys what, train, published_train, test, published_test.
    """
    tags = {(pair.split, pair.group.partition("(")[2]) for pair in pairs}
    found = {name: [p.split for p in pairs if p.class_name == name] for name in CLASSES}
    found |= {
        "all pairs": [pair.split for pair in pairs],
        "groups": [split for split, _ in {(pair.split, pair.group) for pair in pairs}],
        "contexts": [split for split, _ in tags],
        "images": [split for split, _ in {(pair.split, pair.image_id) for pair in pairs}],
    }
    return [_line(name, splits, *PUBLISHED[name]) for name, splits in found.items()]


def _line(name: str, splits: list[str], train: int, test: int) -> dict[str, Any]:
    return {
        "what": name,
        "train": splits.count("train"),
        "published_train": train,
        "test": splits.count("test"),
        "published_test": test,
    }


def _halves(
    subsets: Subsets, class_name: str, seed: int, minimum: int
) -> tuple[list[str], list[str]]:
    """Return the contexts of train and those of test."""
    every = subsets.contexts(class_name)
    large = [context for context in every if len(subsets.of(class_name, context)) >= minimum]
    if len(large) < 2:
        raise UsageError(
            f"{subsets.path} has {len(large)} contexts of {class_name!r} with at least {minimum} "
            "images, of which train and test need one each: lower --minimum or give the whole "
            "table."
        )
    # Drawn by a digest, not a generator: a seed gives the same split with any version of NumPy.
    drawn = sorted(large, key=lambda context: _draw(seed, subset_name(class_name, context)))
    return sorted(drawn[: len(large) // 2]), sorted(drawn[len(large) // 2 :])


def _draw(seed: int, name: str) -> bytes:
    return sha256(f"{seed} {name}".encode()).digest()


def _pairs(subsets: Subsets, split: str, contexts: Mapping[str, Iterable[str]]) -> list[Pair]:
    return [
        Pair(split, class_name, subset_name(class_name, context), image_id)
        for class_name, of_class in contexts.items()
        for context in of_class
        for image_id in sorted(subsets.of(class_name, context))
    ]
