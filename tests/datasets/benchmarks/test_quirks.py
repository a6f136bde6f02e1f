"""What official archives do that tidy ones do not: each in its own layout, with values by hand."""

import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from a2pipe.datasets.benchmarks.metashift_animals import CLASSES, build_animals
from a2pipe.datasets.registry import load
from a2pipe.stages.pixels import decode

ROTATED = 6  # EXIF: the top row of the upright image is the stored image's left column


def save(path: Path, image: Image.Image, turn: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = turn
    image.save(path, exif=exif, quality=100)


def write_waterbirds(root: Path, names: list[str]) -> None:
    """metadata.csv of landbirds on land; ids count from 1 in the order of the names."""
    rows = [f"{number},{name},0,2,0,p.jpg" for number, name in enumerate(names, 1)]
    header = "img_id,img_filename,y,split,place,place_filename"
    (root / "metadata.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")


def test_grey_and_cmyk_files_become_rgb(tmp_path: Path) -> None:
    save(tmp_path / "grey.jpg", Image.new("L", (12, 8), 100))
    save(tmp_path / "cmyk.jpg", Image.new("CMYK", (12, 8), (0, 255, 255, 0)))
    write_waterbirds(tmp_path, ["grey.jpg", "cmyk.jpg"])
    found = load("waterbirds", tmp_path)
    assert found.sizes.tolist() == [[12, 8], [12, 8]]
    grey, red = (decode(path) for path in found.paths)
    assert grey.shape == red.shape == (8, 12, 3)
    assert np.abs(grey.astype(int) - 100).max() <= 2
    assert np.abs(red.astype(int) - [255, 0, 0]).max() <= 6


def test_a_rotated_file_has_the_size_and_pixels_of_the_upright_image(tmp_path: Path) -> None:
    """Stored 16 x 8 with its left half white; upright 8 x 16 with its upper half white."""
    stored = Image.new("L", (16, 8))
    stored.paste(255, (0, 0, 8, 8))
    save(tmp_path / "a.jpg", stored, ROTATED)
    write_waterbirds(tmp_path, ["a.jpg"])
    (tmp_path / "bounding_boxes.txt").write_text("1 0.0 0.0 8.0 8.0\n")
    found = load("waterbirds", tmp_path)
    pixels = decode(found.paths[0])
    assert found.sizes.tolist() == [[8, 16]]
    assert pixels.shape == (16, 8, 3)
    assert (pixels[:7].min(), pixels[9:].max()) == (255, 0)
    assert found.boxes[0].tolist() == [[0, 0, 8, 8]]


def test_names_of_any_script(tmp_path: Path) -> None:
    names = ["001.Fußgänger/Ünïcode 鳥.jpg", "002.Café/é.jpg"]
    for number, name in enumerate(names):
        save(tmp_path / name, Image.new("L", (4, 4), 9 * number))
    write_waterbirds(tmp_path, names)
    found = load("waterbirds", tmp_path)
    assert found.paths == tuple(str(tmp_path / name) for name in names)
    assert found.unreadable == {}
    assert [decode(path).shape for path in found.paths] == [(4, 4, 3)] * 2


def test_ids_of_cub_count_from_1_whatever_the_order_of_the_rows(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        save(tmp_path / f"{number}.jpg", Image.new("L", (10, 10), number))
    header = "img_id,img_filename,y,split,place,place_filename"
    rows = [f"{number},{number}.jpg,0,2,0,p.jpg" for number in (2, 3, 1)]
    (tmp_path / "metadata.csv").write_text("\n".join([header, *rows]) + "\n")
    boxes = "".join(f"{number} {number}.0 0.0 1.0 1.0\n" for number in (1, 2, 3))
    (tmp_path / "bounding_boxes.txt").write_text(boxes)
    assert [box.tolist() for box in load("waterbirds", tmp_path).boxes] == [
        [[2, 0, 3, 1]],
        [[3, 0, 4, 1]],
        [[1, 0, 2, 1]],
    ]


def test_an_xml_of_three_boxes_that_states_another_size(tmp_path: Path) -> None:
    """The image is 40 x 30; its XML says 500 x 375. The boxes stay in pixels, as they stand."""
    name = "ILSVRC2012_val_00000001"
    save(tmp_path / "val" / f"{name}.JPEG", Image.new("L", (40, 30)))
    corners = [(1, 2, 11, 12), (5, 5, 40, 30), (0, 0, 3, 3)]
    objects = "".join(
        f"<object><name>n01440764</name><bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin>"
        f"<xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox></object>"
        for x0, y0, x1, y1 in corners
    )
    size = "<size><width>500</width><height>375</height><depth>3</depth></size>"
    folder = tmp_path / "Annotations" / "CLS-LOC" / "val"
    folder.mkdir(parents=True)
    (folder / f"{name}.xml").write_text(f"<annotation>{size}{objects}</annotation>")
    found = load("imagenet-val", tmp_path)
    assert found.boxes[0].tolist() == [list(box) for box in corners]
    assert found.sizes.tolist() == [[40, 30]]
    assert any("another width or height" in remark for remark in found.remarks)


def test_one_image_under_two_contexts_and_two_classes(tmp_path: Path) -> None:
    """Image 7 shows a bear in two contexts of one half, and a bird in that half too."""
    alone = {f"{name}({c})": {f"{name}{c}"} for name in CLASSES for c in ("a", "b")}
    table = alone | {"bear(a)": {"7"}, "bear(b)": {"7"}, "bird(a)": {"7"}, "bird(b)": {"7"}}
    (tmp_path / "table.pkl").write_bytes(pickle.dumps(table, 2))
    for number, image in enumerate(sorted(set().union(*table.values()))):
        save(tmp_path / "gqa" / f"{image}.jpg", Image.new("L", (4, 4), 9 * number))
    parts = (tmp_path / "table.pkl", tmp_path / "gqa", tmp_path / "out")
    build_animals(*parts, seed=0, minimum=1, force=False)
    found = load("metashift-animals", tmp_path / "out")
    shown = [index for index, image in enumerate(found.image_ids) if image == "7"]
    groups = {found.group_names[found.groups[index]] for index in shown}
    assert {group.partition("(")[0] for group in groups} == {"bear", "bird"}
    assert found.splits[shown].tolist() == ["test", "test"]
    assert len({found.digests[index] for index in shown}) == 1
    assert {found.class_names[found.labels[index]] for index in shown} == {"bear", "bird"}
    assert len(found.images) == len(set(found.image_ids))


class Backwards:
    """`os.scandir` of a directory that lists its entries from Z to A."""

    def __init__(self, folder: str | Path):
        with SCANDIR(folder) as entries:
            self.entries = sorted(entries, key=lambda entry: entry.name, reverse=True)

    def __enter__(self) -> Iterator[os.DirEntry[str]]:
        return iter(self.entries)

    def __exit__(self, *_: object) -> None:
        self.entries = []


SCANDIR = os.scandir


@pytest.mark.parametrize("name", ["spawrious-o2o-hard", "metashift-cat-dog", "folder"])
def test_the_order_of_a_directory_is_nothing(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The samples are the same, in the same order, however the file system lists them."""
    number = 0
    breeds = ("bulldog", "corgi", "dachshund", "labrador")
    places = ("desert", "jungle", "dirt", "mountain", "snow", "beach")
    folders = {
        "spawrious-o2o-hard": [
            f"spawrious224/{f}/{p}/{b}" for f in "01" for p in places for b in breeds
        ],
        "metashift-cat-dog": [
            f"{split}/{animal}/{animal}({place})"
            for split, animal, place in (
                ("train", "cat", "indoor"),
                ("train", "dog", "outdoor"),
                ("test", "cat", "outdoor"),
                ("test", "dog", "indoor"),
            )
        ],
        "folder": ["train/a", "train/b", "test/a", "test/b"],
    }[name]
    for folder in folders:
        for index in range(3):
            number += 1
            image = Image.new("RGB", (4, 4), (number, index, 0))
            save(tmp_path / folder / f"{index}.png", image)
    options = {"proportional": True} if name.startswith("spawrious") else {}
    before = load(name, tmp_path, options=options)
    monkeypatch.setattr(os, "scandir", Backwards)
    after = load(name, tmp_path, options=options)
    assert after.image_ids == before.image_ids
    assert after.digest == before.digest
