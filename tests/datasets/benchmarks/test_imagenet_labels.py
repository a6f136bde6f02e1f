"""The classes of ImageNet's validation images, from each file that may have them."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from a2pipe.datasets.benchmarks.imagenet_labels import class_words, find_file, find_truth, read_meta
from a2pipe.errors import UsageError

IDS = ["ILSVRC2012_val_00000002", "ILSVRC2012_val_00000001"]
TRUTH = "ILSVRC2012_validation_ground_truth.txt"


def write_meta(path: Path) -> None:
    """Classes 1 and 2 in an order that is not that of their synsets, and an inner node."""
    fields = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("num_children", "O")]
    rows = [(1, "n02012849", "crane", 0), (2, "n01440764", "tench", 0), (3, "n00001740", "x", 2)]
    savemat(path, {"synsets": np.array(rows, dtype=fields)[:, None]})


@pytest.mark.parametrize("folder", [".", "data", "ILSVRC2012_devkit_t12", "devkit/data"])
def test_files_are_found_where_the_devkit_puts_them(tmp_path: Path, folder: str) -> None:
    assert find_file(tmp_path, "meta.mat") is None
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / folder / "meta.mat").touch()
    assert find_file(tmp_path, "meta.mat") == tmp_path / folder / "meta.mat"


def test_a_line_belongs_to_the_number_in_the_name(tmp_path: Path) -> None:
    (tmp_path / TRUTH).write_text("1\n2\n")
    write_meta(tmp_path / "meta.mat")
    found = find_truth(tmp_path, IDS)
    assert found.classes == {IDS[0]: "n01440764", IDS[1]: "n02012849"}
    assert found.remarks == ()


def test_without_synsets_the_devkits_numbers_stay_with_a_remark(tmp_path: Path) -> None:
    (tmp_path / TRUTH).write_text("7\n12\n")
    found = find_truth(tmp_path, IDS)
    assert found.classes == {IDS[0]: "12", IDS[1]: "7"}
    assert "not in the order of the synsets" in found.remarks[0]


def test_the_solution_goes_before_the_devkit(tmp_path: Path) -> None:
    (tmp_path / TRUTH).write_text("1\n2\n")
    rows = [f"{IDS[0]},n01440764 1 2 3 4 n01440764 5 6 7 8", f"{IDS[1]},n02012849 1 2 3 4"]
    text = "\n".join(["ImageId,PredictionString", *rows])
    (tmp_path / "LOC_val_solution.csv").write_text(text)
    assert find_truth(tmp_path, IDS).classes == {IDS[0]: "n01440764", IDS[1]: "n02012849"}


def test_no_file_gives_no_class_and_a_remark(tmp_path: Path) -> None:
    found = find_truth(tmp_path, IDS)
    assert found.classes == {}
    assert found.remarks[0].startswith("No classes: neither LOC_val_solution.csv nor ILSVRC2012")


def test_inner_nodes_are_no_classes(tmp_path: Path) -> None:
    write_meta(tmp_path / "meta.mat")
    assert read_meta(tmp_path / "meta.mat") == {
        1: ("n02012849", "crane"),
        2: ("n01440764", "tench"),
    }


def test_words_of_two_synsets_are_told_apart(tmp_path: Path) -> None:
    assert class_words(tmp_path) == {}
    text = "n03126707 crane\nn02012849 crane\nn01440764 tench, Tinca tinca\n"
    (tmp_path / "LOC_synset_mapping.txt").write_text(text)
    assert class_words(tmp_path) == {
        "n01440764": "tench, Tinca tinca",
        "n02012849": "crane (n02012849)",
        "n03126707": "crane (n03126707)",
    }


def test_a_name_without_its_number_is_refused(tmp_path: Path) -> None:
    (tmp_path / TRUTH).write_text("1\n2\n")
    with pytest.raises(UsageError, match=r"has no class for cat: it needs a line for each"):
        find_truth(tmp_path, ["cat"])
