"""Read the classes of ImageNet's validation images, and the names of these classes."""

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import UsageError

SYNSET = re.compile(r"n\d{8}")
NUMBER = re.compile(r"_(\d{8})$")
SOLUTION, TRUTH = "LOC_val_solution.csv", "ILSVRC2012_validation_ground_truth.txt"
MAPPING, META = "LOC_synset_mapping.txt", "meta.mat"
DEVKIT = "ILSVRC2012_devkit_t12"
FOLDERS = (".", "data", DEVKIT, f"{DEVKIT}/data", "devkit/data")


@dataclass(frozen=True)
class GroundTruth:
    """A GroundTruth says which classes images have.

    classes: synset, or number in the devkit, of each image whose class is known, by image id.
    remarks: sentences on what is missing.
    """

    classes: Mapping[str, str]
    remarks: tuple[str, ...] = ()


def find_file(root: Path, name: str) -> Path | None:
    """Return a file of this name in the root or where the devkit puts it; None if there is none."""
    places = [root / folder / name for folder in FOLDERS]
    return next((place for place in places if place.is_file()), None)


def find_truth(root: Path, ids: Sequence[str]) -> GroundTruth:
    """Return the synsets of images that do not lie in class folders.

    root: the folder of the benchmark.
    ids: names of the images without ending, such as ILSVRC2012_val_00000001.

    They come from LOC_val_solution.csv, else from ILSVRC2012_validation_ground_truth.txt, whose
    line i is the class of image i in the devkit's own numbering. Without meta.mat, which translates
    it, classes are called by these numbers, 1 to 1000.

    Raises UsageError for a file that is not what its name says.
    """
    solution, truth = find_file(root, SOLUTION), find_file(root, TRUTH)
    if solution is not None:
        return GroundTruth(_read_solution(solution))
    if truth is None:
        return GroundTruth({}, (f"No classes: neither {SOLUTION} nor {TRUTH} lies in {root}.",))
    meta = find_file(root, META)
    numbers = _read_truth(truth, ids)
    # The devkit's numbers do not follow the order of the synsets: taken for it, they would give
    # every class a wrong name without any error.
    if meta is None:
        remark = (
            f"There is no {META} that says which synsets the numbers in {truth} are; classes are "
            "numbered as in the devkit, not in the order of the synsets."
        )
        return GroundTruth({name: str(number) for name, number in numbers.items()}, (remark,))
    synsets = {number: synset for number, (synset, _) in read_meta(meta).items()}
    unknown = set(numbers.values()) - synsets.keys()
    if unknown:
        raise UsageError(
            f"{meta} has no class {min(unknown)}, which {truth} names: take both anew."
        )
    return GroundTruth({name: synsets[number] for name, number in numbers.items()})


def class_words(root: Path) -> dict[str, str]:
    """Return the words of each synset, by LOC_synset_mapping.txt or meta.mat; {} without either.

    Words that stand for two synsets, as "crane" does, are followed by the synset, as two classes
    of one name could not be told apart. Raises UsageError for a file that is not what it should be.
    """
    mapping, meta = find_file(root, MAPPING), find_file(root, META)
    words: dict[str, str] = {}
    if mapping is not None:
        words = _read_mapping(mapping)
    elif meta is not None:
        words = dict(read_meta(meta).values())
    often = Counter(words.values())
    return {s: word if often[word] == 1 else f"{word} ({s})" for s, word in sorted(words.items())}


def read_meta(path: Path) -> dict[int, tuple[str, str]]:
    """Return synset and words of each of the 1,000 classes by the devkit's number, from meta.mat.

    Raises UsageError for a file that is not the devkit's.
    """
    from scipy.io import loadmat

    try:
        synsets = loadmat(path, squeeze_me=True)["synsets"].reshape(-1)
        # The file lists inner nodes of WordNet as well, which are no classes.
        leaves = synsets[synsets["num_children"] == 0]
        fields = (leaves[field].tolist() for field in ("ILSVRC2012_ID", "WNID", "words"))
        return {int(number): (str(s), str(words)) for number, s, words in zip(*fields, strict=True)}
    except Exception as error:  # SciPy raises nearly anything on a file that is no .mat
        raise UsageError(
            f"{path} is not the devkit's meta.mat ({error}): take that one."
        ) from error


def _read_solution(path: Path) -> dict[str, str]:
    """Return the synset that each image's prediction string begins with, by image id."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))[1:]
    found = {row[0]: row[1].split(" ")[0] for row in rows if len(row) == 2}
    wrong = [name for name, synset in found.items() if not SYNSET.fullmatch(synset)]
    if len(found) != len(rows) or wrong or not found:
        where = f" at {wrong[0]}" if wrong else ""
        raise UsageError(
            f"{path} is not a table of ImageId,PredictionString{where}: take that one."
        )
    return found


def _read_truth(path: Path, ids: Sequence[str]) -> dict[str, int]:
    """Return the number in the line that each image's own number names, by image id."""
    lines = path.read_text(encoding="utf-8", errors="replace").split()
    found = {}
    for name in ids:
        number = NUMBER.search(name)
        line = int(number[1]) if number else 0
        if not 1 <= line <= len(lines) or not lines[line - 1].isdecimal():
            raise UsageError(
                f"{path} has no class for {name}: it needs a line for each of the images, which "
                "are called ILSVRC2012_val_00000001 and so on."
            )
        found[name] = int(lines[line - 1])
    return found


def _read_mapping(path: Path) -> dict[str, str]:
    lines = [line.partition(" ") for line in path.read_text(encoding="utf-8").splitlines() if line]
    if not all(SYNSET.fullmatch(synset) and words for synset, _, words in lines):
        raise UsageError(f"{path} has lines other than a synset and its words: take Kaggle's file.")
    return {synset: words.strip() for synset, _, words in lines}
