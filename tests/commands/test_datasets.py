"""`a2pipe datasets` as a user meets it, and what flags say of a dataset."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from ..datasets.tars import picture, write_tar

Command = Callable[..., object]

STAGES = ("attention", "embedding")
KEYS = ("n_train", "n_test", "accuracy", "wga")
HEADER = "img_id,img_filename,y,split,place,place_filename"


@pytest.fixture
def waterbirds(tmp_path: Path) -> Path:
    """Twelve birds: every group of every split once, as released."""
    root = tmp_path / "waterbirds"
    root.mkdir()
    lines = [HEADER]
    for number in range(12):
        name = f"{number:02d}.jpg"
        Image.new("RGB", (30, 20), (20 * number, 0, 0)).save(root / name)
        y, place, split = number // 2 % 2, number % 2, number // 4
        lines.append(f"{number + 1},{name},{y},{split},{place},p.jpg")
    (root / "metadata.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def cub(tmp_path: Path) -> Path:
    folder = tmp_path / "cub"
    folder.mkdir()
    numbers = range(1, 13)
    (folder / "bounding_boxes.txt").write_text("".join(f"{n} 1.0 2.0 9.0 8.0\n" for n in numbers))
    (folder / "images.txt").write_text("".join(f"{n} {n - 1:02d}.jpg\n" for n in numbers))
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Eight training and two test images of two classes."""
    for number in range(20):
        split = "train" if number < 16 else "test"
        path = tmp_path / "photos" / split / "ab"[number % 2] / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number, 9, 9)).save(path)
    return tmp_path / "photos"


def test_datasets_alone_lists_them(command):
    assert "demo-01" in command("datasets").out


def test_the_list_names_publications(command):
    listed = command("datasets", "list")
    assert "waterbirds: Waterbirds. Sagawa" in listed.out
    entries = {e["name"]: e for e in json.loads(command("datasets", "list", "--json").out)}
    assert entries["celeba"]["paper"].startswith("Liu, Luo, Wang and Tang")
    assert entries["folder"]["paper"] == ""
    assert max(len(entry["what"]) for entry in entries.values()) <= 75


def test_check_of_a_subset_says_what_differs(command, waterbirds, tmp_path):
    done = command("datasets", "check", "waterbirds", "--root", waterbirds, "--cache", tmp_path)
    assert done.code == 1
    words = [line.split() for line in done.out.splitlines()]
    assert ["train", "landbird", "on", "land", "3,498", "1", "differs"] in words
    assert "No boxes: " in done.out
    assert done.out.splitlines()[-1] == "waterbirds is not sound: 12 counts that differ."
    assert "images: 12 of 12" in done.err


def test_check_with_a_bad_image_exits_with_3(command, waterbirds, tmp_path):
    (waterbirds / "03.jpg").write_text("text")
    where = ("--root", waterbirds, "--cache", tmp_path / "cache", "--quiet", "--json")
    done = command("datasets", "check", "waterbirds", *where)
    assert done.code == 3
    assert done.err == ""
    (bad,) = json.loads(done.out)["bad"]
    assert bad["path"] == str(waterbirds / "03.jpg")


def test_check_of_ones_own_images(command, photos, tmp_path):
    done = command("datasets", "check", photos, "--cache", tmp_path / "cache")
    assert done.code == 0
    assert "no published counts" in done.out
    assert "photos is sound" in done.out


def test_check_of_what_is_not_there(command, tmp_path):
    done = command("datasets", "check", "waterbirds", "--cache", tmp_path)
    assert done.code == 2
    assert "published by" in done.err
    assert command("datasets", "check", "waterbird", "--cache", tmp_path).code == 2


def test_boxes_are_built_and_then_found(command, waterbirds, cub, tmp_path):
    build = ("datasets", "build", "waterbirds-boxes", "--root", waterbirds, "--cub", cub)
    done = command(*build)
    assert done.code == 0
    assert done.out.split() == [
        str(waterbirds / "bounding_boxes.txt"),
        str(waterbirds / "images.txt"),
    ]
    (waterbirds / "images.txt").write_text("other\n")
    assert command(*build).code == 2
    assert command(*build, "--force").code == 0
    show = ("datasets", "show", "--dataset", "waterbirds", "--root", waterbirds, "--json")
    shown = json.loads(command(*show, "--cache", tmp_path).out)
    assert shown["boxes"] == {"samples": 12, "several": 0, "most": 1, "median_share": 0.12}


def test_show_says_more_than_counts(command, waterbirds, tmp_path):
    show = ("datasets", "show", "--dataset", "waterbirds", "--root", waterbirds)
    lines = command(*show, "--cache", tmp_path).out.splitlines()
    assert "classes of train: landbird 2 (50.0%), waterbird 2 (50.0%)" in lines
    assert "sizes: 30 x 20 px, all images; 0.0% are square; aspect ratio 1.50 (median)" in lines
    assert any(line.startswith("note: No boxes: ") for line in lines)


def shown(command, photos, cache, *flags):
    """Samples of each split."""
    done = command("datasets", "show", "--dataset", photos, "--cache", cache, "--json", *flags)
    assert done.code == 0, done.err
    return {
        split: sum(classes.values()) for split, classes in json.loads(done.out)["classes"].items()
    }


def test_a_validation_split_is_held_out(command, photos, tmp_path):
    cache = tmp_path / "cache"
    assert shown(command, photos, cache) == {"test": 4, "train": 16}
    held = shown(command, photos, cache, "--split-val", "0.25")
    assert held == {"test": 4, "train": 12, "val": 4}
    limited = shown(command, photos, cache, "--split-val", "0.25", "--limit", "10")
    assert limited == {"test": 2, "train": 6, "val": 2}


@pytest.mark.parametrize("share", ["0", "1", "-0.5", "nan"])
def test_a_share_that_is_none(command, photos, tmp_path, share):
    done = command(
        "datasets", "show", "--dataset", photos, "--cache", tmp_path, "--split-val", share
    )
    assert done.code == 2
    assert "split_val" in done.err


def test_an_official_validation_split_is_not_replaced(command, waterbirds, tmp_path):
    show = ("datasets", "show", "--dataset", "waterbirds", "--root", waterbirds)
    done = command(*show, "--cache", tmp_path, "--split-val", "0.2")
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "has a validation split of its own" in done.err


def test_rehash_reads_files_anew(command, photos, tmp_path):
    """A file that changed behind an unchanged time and length is noticed with --rehash alone."""
    victim = photos / "train" / "a" / "00.png"
    twin = (photos / "train" / "a" / "02.png").read_bytes()
    assert len(twin) == victim.stat().st_size
    before = victim.stat()
    show = ("datasets", "show", "--dataset", photos, "--cache", tmp_path / "cache", "--json")
    command(*show)
    victim.write_bytes(twin)
    os.utime(victim, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert json.loads(command(*show).out)["duplicates"]["samples"] == 0
    assert json.loads(command(*show, "--rehash").out)["duplicates"]["samples"] == 1
    assert json.loads(command(*show).out)["duplicates"]["samples"] == 1


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Twelve training and eight test images of two classes in tars; one of them is none."""
    for name, numbers in {"train-000": range(12), "test-000": range(12, 20)}.items():
        members: dict[str, object] = {}
        for number in numbers:
            members |= {f"{number}.png": picture(number), f"{number}.cls": str(number % 2)}
        write_tar(tmp_path / "shards" / f"{name}.tar", members)
    write_tar(tmp_path / "shards" / "test-001.tar", {"99.png": b"text", "99.cls": "0"})
    return tmp_path / "shards"


def test_check_of_tars_names_the_member_that_is_bad(command, shards, tmp_path):
    done = command("datasets", "check", shards, "--cache", tmp_path / "cache")
    assert done.code == 3
    assert "21 images decoded" in done.out
    assert f"bad image: {shards}/test-001.tar@512+4/99.png: not an image" in done.out
    good = command("datasets", "check", f"{shards}/*-000.tar", "--cache", tmp_path / "cache")
    assert good.code == 0


@pytest.mark.usefixtures("shards")
def test_a_matrix_of_tars_equals_that_of_their_files(command, tmp_path):
    """A pattern in an experiment file is taken from the file's folder; pixels and rows are those of
    the unpacked images, so that the second run computes nothing."""
    for folder, numbers in {"train": range(12), "test": range(12, 20)}.items():
        for number in numbers:
            place = tmp_path / "plain" / folder / str(number % 2)
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{number}.png").write_bytes(picture(number))
    reports = []
    for name in ("shards/{train,test}-000.tar", "plain"):
        file = tmp_path / "run.toml"
        sections = [f'[dataset]\nname = "{name}"', "[image]\nsize = 48", "[crops]\nsizes = [16]"]
        sections += [f'[{each}]\nmodels = ["demo_localizer_s_random"]' for each in STAGES]
        file.write_text("\n".join(sections) + "\n")
        out = tmp_path / f"out-{len(reports)}"
        done = command("build-matrix", file, "--cache", tmp_path / "cache", "--out", out)
        assert done.code == 0, done.err
        reports.append((done, json.loads((out / "matrix.json").read_text())))
    assert "0 forward passes" in reports[1][0].out + reports[1][0].err
    (first,), (second,) = (report["cells"] for _, report in reports)
    assert [first[key] for key in KEYS] == [second[key] for key in KEYS]
