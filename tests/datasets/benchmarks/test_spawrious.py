"""Spawrious: which images of the archive each benchmark takes."""

import io
from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from a2pipe.datasets.benchmarks.spawrious import FACTS, SELECTIONS, images_taken
from a2pipe.datasets.registry import load
from a2pipe.errors import UsageError

O2O, M2M = "spawrious-o2o-hard", "spawrious-m2m-hard"
PLACES = ("desert", "jungle", "dirt", "mountain", "snow", "beach")
BREEDS = ("bulldog", "corgi", "dachshund", "labrador")


def write_archive(root: Path, count: int) -> Path:
    """The published layout with `count` images in each folder, all of them different."""
    pixels = np.zeros((2, 2, 3), np.uint8)
    for number, (folder, place, breed) in enumerate(
        (folder, place, breed) for folder in "01" for place in PLACES for breed in BREEDS
    ):
        target = root / "spawrious224" / folder / place / breed
        target.mkdir(parents=True)
        for index in range(count):
            pixels[0, 0] = number, index, 0
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "PNG")
            (target / f"{breed}_{index}.png").write_bytes(buffer.getvalue())
    return root


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 96th of the archive: 33 images a folder."""
    return write_archive(tmp_path_factory.mktemp("archive"), 33)


def test_published_counts_of_one_to_one() -> None:
    """3,072 + 2,756 in a breed's own place, 96 + 412 on the beach; test: both folders, whole."""
    assert FACTS[O2O].counts == {
        "train": {
            "bulldog jungle": 5828,
            "corgi desert": 5828,
            "dachshund mountain": 5828,
            "labrador snow": 5828,
            "bulldog beach": 508,
            "corgi beach": 508,
            "dachshund beach": 508,
            "labrador beach": 508,
        },
        "test": {
            "bulldog mountain": 6336,
            "corgi jungle": 6336,
            "dachshund snow": 6336,
            "labrador desert": 6336,
        },
    }


def test_published_counts_of_many_to_many() -> None:
    first, second = ("bulldog", "dachshund"), ("labrador", "corgi")
    own = [(b, p) for b in first for p in ("dirt", "jungle")]
    own += [(b, p) for b in second for p in ("snow", "beach")]
    other = [(b, p) for b in first for p in ("snow", "beach")]
    other += [(b, p) for b in second for p in ("dirt", "jungle")]
    assert FACTS[M2M].counts == {
        "train": {f"{breed} {place}": 3168 for breed, place in own},
        "test": {f"{breed} {place}": 3168 for breed, place in other},
    }


@pytest.mark.parametrize("name", [O2O, M2M])
def test_train_and_test_are_of_equal_size_and_share_no_folder(name: str) -> None:
    totals = {split: sum(groups.values()) for split, groups in FACTS[name].counts.items()}
    assert totals == {"train": 25344, "test": 25344}
    folders = {
        split: {
            (each.folder, each.shown.place, each.shown.class_name)
            for each in SELECTIONS[name]
            if each.shown.split == split
        }
        for split in totals
    }
    assert folders["train"].isdisjoint(folders["test"])
    assert len(folders["train"]) + len(folders["test"]) == len(SELECTIONS[name])


def test_many_to_many_swaps_places_between_environments() -> None:
    train = [each.shown for each in SELECTIONS[M2M] if each.shown.split == "train"]
    environments = [{s.class_name: s.place for s in half} for half in (train[:4], train[4:])]
    assert environments == [
        {"bulldog": "dirt", "dachshund": "jungle", "labrador": "snow", "corgi": "beach"},
        {"bulldog": "jungle", "dachshund": "dirt", "labrador": "beach", "corgi": "snow"},
    ]


def test_a_miniature_in_proportion(archive: Path) -> None:
    """32 + 29 (2,756 / 96 = 28.7) and 1 + 4 (412 / 96 = 4.3) of each breed; test 66."""
    found = load(O2O, archive, options={"proportional": True})
    counts = Counter(
        (split, found.group_names[group])
        for split, group in zip(found.splits.tolist(), found.groups, strict=True)
    )
    own = {"bulldog": "jungle", "corgi": "desert", "dachshund": "mountain", "labrador": "snow"}
    test = {"bulldog": "mountain", "corgi": "jungle", "dachshund": "snow", "labrador": "desert"}
    expected = {("train", f"{breed} {place}"): 61 for breed, place in own.items()}
    expected |= {("train", f"{breed} beach"): 5 for breed in BREEDS}
    expected |= {("test", f"{breed} {place}"): 66 for breed, place in test.items()}
    assert counts == expected
    beach = [i for i in found.image_ids if "beach/corgi" in i]
    assert [i.split("/")[0] for i in beach] == ["0", "1", "1", "1", "1"]
    assert len(found.images) == len(found) == 528
    assert found.unreadable == {}


@pytest.mark.parametrize(("name", "folders"), [(O2O, "01"), (M2M, "0")])
def test_every_sample_is_what_its_path_says(archive: Path, name: str, folders: str) -> None:
    found = load(name, archive)
    assert found.class_names == BREEDS
    assert {image_id[0] for image_id in found.image_ids} == set(folders)
    for index, image_id in enumerate(found.image_ids):
        _, place, breed, _ = image_id.split("/")
        assert found.class_names[found.labels[index]] == breed
        assert found.group_names[found.groups[index]] == f"{breed} {place}"
        assert found.paths[index] == str(archive / "spawrious224" / image_id)


def test_without_the_option_folders_give_what_they_have(archive: Path) -> None:
    """O2O takes 24 folders of 33, M2M 16."""
    assert (len(load(O2O, archive)), len(load(M2M, archive))) == (24 * 33, 16 * 33)


def test_the_root_may_be_the_archive_or_what_holds_it(archive: Path) -> None:
    inside = load(M2M, archive / "spawrious224")
    assert inside.image_ids == load(M2M, archive).image_ids


def test_first_by_name_as_text(archive: Path) -> None:
    """29 of 33 here: 0, 1, 10, 11, … and not 6, 7, 8, 9."""
    options = {"proportional": True}
    taken = [i for i in load(O2O, archive, options=options).image_ids if "1/jungle/bulldog" in i]
    names = sorted(f"bulldog_{index}.png" for index in range(33))[:29]
    assert [i.rpartition("/")[2] for i in taken] == names
    assert names[:3] == ["bulldog_0.png", "bulldog_1.png", "bulldog_10.png"]
    assert "bulldog_9.png" not in names


@given(published=st.integers(0, 3168), available=st.integers(0, 10_000))
def test_limits(published: int, available: int) -> None:
    assert images_taken(published, available) == min(published, available)
    share = Fraction(available * published, 3168)
    found = images_taken(published, available, proportional=True)
    assert found == published or abs(found - share) <= Fraction(1, 2)
    assert found <= min(published, available)
    assert images_taken(published, 3168, proportional=True) == published


def test_wrong_requests(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "spawrious224").mkdir()
    with pytest.raises(
        UsageError, match=r"there is no .*spawrious224/0/jungle/bulldog; "
    ) as caught:
        load(O2O, tmp_path)
    assert "arXiv 2303.05470" in str(caught.value)
    with pytest.raises(UsageError, match="give the folder it lies in"):
        load(M2M)
    with pytest.raises(UsageError, match="proportional = 'yes' is neither true nor false"):
        load(M2M, archive, options={"proportional": "yes"})
    with pytest.raises(UsageError, match="did you mean 'proportional'"):
        load(M2M, archive, options={"proportion": True})
