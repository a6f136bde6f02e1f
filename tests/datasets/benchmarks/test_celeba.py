"""CelebA in small, as published and as commonly converted."""

from collections.abc import Callable
from pathlib import Path

import pytest

from a2pipe.datasets.benchmarks.celeba import FACTS
from a2pipe.datasets.collection import Collection
from a2pipe.datasets.registry import load
from a2pipe.errors import UsageError

Write = Callable[..., Path]

# file name, Blond_Hair, Male, partition
FACES = [
    ("000001.jpg", -1, 1, 0),
    ("000002.jpg", 1, -1, 0),
    ("162771.jpg", -1, -1, 1),
    ("182638.jpg", 1, 1, 2),
]


def write_text(root: Path) -> None:
    """As published: a count, names without one for the file, widths that differ; no header."""
    rows = [
        f"{name} {1 if smiles else -1:2d}  {blond:2d} {male:2d}"
        for smiles, (name, blond, male, _) in enumerate(FACES)
    ]
    root.mkdir(parents=True, exist_ok=True)
    (root / "list_attr_celeba.txt").write_text(
        "\n".join([str(len(FACES)), "Smiling Blond_Hair Male ", *rows]) + "\n"
    )
    (root / "list_eval_partition.txt").write_text("".join(f"{f[0]} {f[3]}\n" for f in FACES))


def write_csv(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    rows = [f"{name},1,{blond},{male}" for name, blond, male, _ in FACES]
    (root / "list_attr_celeba.csv").write_text(
        "\n".join(["image_id,Smiling,Blond_Hair,Male", *rows]) + "\n"
    )
    lines = ["image_id,partition", *(f"{name},{split}" for name, _, _, split in reversed(FACES))]
    (root / "list_eval_partition.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture
def images(write: Write) -> Callable[[str], None]:
    """Write the four faces into a folder below the test's own."""

    def at(folder: str) -> None:
        for name, *_ in FACES:
            write(f"{folder}/{name}", (178, 218))

    return at


def require_faces(found: Collection, folder: Path) -> None:
    assert found.paths == tuple(str(folder / name) for name, *_ in FACES)
    assert found.unreadable == {}
    assert found.class_names == ("non-blond", "blond")
    assert found.labels.tolist() == [0, 1, 0, 1]
    assert [found.group_names[group] for group in found.groups] == [
        "non-blond male",
        "blond female",
        "non-blond female",
        "blond male",
    ]
    assert found.splits.tolist() == ["train", "train", "val", "test"]
    assert found.image_ids == ("000001.jpg", "000002.jpg", "162771.jpg", "182638.jpg")
    assert [box.shape for box in found.boxes] == [(0, 4)] * 4
    assert found.sizes.tolist() == [[178, 218]] * 4


@pytest.mark.parametrize("tables", [write_text, write_csv])
def test_labels_groups_and_splits(
    tmp_path: Path, images: Callable[[str], None], tables: Callable[[Path], None]
) -> None:
    images("img_align_celeba")
    tables(tmp_path)
    require_faces(load("celeba", tmp_path), tmp_path / "img_align_celeba")


def test_published_folders(tmp_path: Path, images: Callable[[str], None]) -> None:
    images("Img/img_align_celeba")
    write_text(tmp_path / "Anno")
    (tmp_path / "Eval").mkdir()
    (tmp_path / "Anno" / "list_eval_partition.txt").rename(
        tmp_path / "Eval" / "list_eval_partition.txt"
    )
    require_faces(load("celeba", tmp_path), tmp_path / "Img" / "img_align_celeba")


def test_images_unpacked_twice(tmp_path: Path, images: Callable[[str], None]) -> None:
    images("data/img_align_celeba/img_align_celeba")
    write_csv(tmp_path / "data")
    inner = tmp_path / "data" / "img_align_celeba" / "img_align_celeba"
    require_faces(load("celeba", tmp_path), inner)


def test_published_counts_add_up() -> None:
    totals = {split: sum(groups.values()) for split, groups in FACTS.counts.items()}
    assert totals == {"train": 162_770, "val": 19_867, "test": 19_962}
    assert sum(totals.values()) == 202_599


@pytest.mark.parametrize("lost", ["list_attr_celeba", "list_eval_partition", "img_align_celeba"])
def test_what_is_missing_is_named_with_its_source(
    tmp_path: Path, images: Callable[[str], None], lost: str
) -> None:
    images("img_align_celeba")
    write_csv(tmp_path)
    for path in tmp_path.glob(f"{lost}*"):
        path.rename(tmp_path / f"lost{path.suffix}")
    with pytest.raises(UsageError, match=rf"there is no {lost}.*{tmp_path}.*ICCV 2015") as caught:
        load("celeba", tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("list_attr_celeba.csv", "Blond_Hair", "Hair", "'Blond_Hair' is not in list"),
        (
            "list_attr_celeba.csv",
            "000001.jpg,1,-1",
            "000001.jpg,1,2",
            "Blond_Hair and Male are -1 or 1",
        ),
        ("list_attr_celeba.csv", "000001.jpg", "../1.jpg", "has no split 0, 1 or 2 for ../1.jpg"),
        ("list_attr_celeba.csv", "182638.jpg,1,1,1", "182638.jpg,1", "cannot be read as a table"),
        ("list_eval_partition.csv", "image_id,partition", "", "cannot be read as a table"),
        ("list_eval_partition.csv", "000001.jpg,0", "000001.jpg,7", "for 000001.jpg"),
        ("list_eval_partition.csv", "000001.jpg,0", "", "for 000001.jpg"),
    ],
)
def test_wrong_tables(
    tmp_path: Path, images: Callable[[str], None], file: str, old: str, new: str, message: str
) -> None:
    images("img_align_celeba")
    write_csv(tmp_path)
    path = tmp_path / file
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UsageError, match=message) as caught:
        load("celeba", tmp_path)
    assert "\n" not in str(caught.value)


def test_a_table_cut_short_is_noticed(tmp_path: Path, images: Callable[[str], None]) -> None:
    images("img_align_celeba")
    write_text(tmp_path)
    path = tmp_path / "list_attr_celeba.txt"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]))
    with pytest.raises(UsageError, match="names 3 files, where 4 are expected"):
        load("celeba", tmp_path)


def test_names_that_leave_the_folder_are_refused(
    tmp_path: Path, images: Callable[[str], None]
) -> None:
    images("img_align_celeba")
    write_csv(tmp_path)
    for path in tmp_path.glob("*.csv"):
        path.write_text(path.read_text().replace("000001.jpg", "../../1.jpg"))
    with pytest.raises(UsageError, match="not a path inside"):
        load("celeba", tmp_path)
