"""The manifest of a benchmark built from MetaShift."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pyarrow import parquet

from a2pipe.datasets.benchmarks.metashift_pairs import (
    BuildResult,
    Pair,
    load_pairs,
    manifest_at,
    write_pairs,
)
from a2pipe.errors import A2pipeError, UsageError

Write = Callable[..., Path]
CLASSES = ("cat", "dog")
PAIRS = [Pair("train", "cat", "cat(sofa)", "7"), Pair("test", "dog", "dog(snow)", "12")]


@pytest.fixture
def images(write: Write) -> Path:
    write("gqa/7.jpg")
    return write("gqa/12.jpg").parent


def build(images: Path, pairs: list[Pair] = PAIRS, force: bool = False) -> BuildResult:
    return write_pairs(images.parent / "out", images, pairs, CLASSES, {"seed": 3}, force=force)


def test_a_row_for_each_pair_and_the_recipe(images: Path) -> None:
    built = build(images)
    table = parquet.read_table(built.manifest)
    assert table.to_pylist() == [
        {
            "path": "../gqa/7.jpg",
            "label": 0,
            "class": "cat",
            "group": "cat(sofa)",
            "split": "train",
            "image_id": "7",
        },
        {
            "path": "../gqa/12.jpg",
            "label": 1,
            "class": "dog",
            "group": "dog(snow)",
            "split": "test",
            "image_id": "12",
        },
    ]
    assert json.loads(table.schema.metadata[b"a2pipe"]) == {"seed": 3}
    assert (built.pairs, built.missing) == (tuple(PAIRS), ())
    assert built.report() == f"wrote {built.manifest}"


def test_what_was_written_is_loaded(images: Path) -> None:
    out = build(images).manifest.parent
    found = load_pairs(manifest_at(out), "pets", CLASSES, None)
    assert (found.name, found.image_ids, found.unreadable) == ("pets", ("7", "12"), {})
    assert manifest_at(manifest_at(out)) == out / "manifest.parquet"


def test_other_content_is_replaced_by_force_alone(images: Path) -> None:
    first = build(images).manifest.read_bytes()
    assert build(images).manifest.read_bytes() == first
    with pytest.raises(UsageError, match="is there with other content: --force replaces it"):
        build(images, PAIRS[:1])
    assert build(images, PAIRS[:1], force=True).manifest.read_bytes() != first


def test_missing_images_are_reported(images: Path) -> None:
    built = build(images, [*PAIRS, Pair("test", "cat", "cat(bed)", "8")])
    assert built.missing == ("8",)
    assert built.report().endswith(
        "; 1 image is not in the folder, such as 8.jpg, and will be listed as bad"
    )


def test_a_folder_without_any_of_the_images_is_refused(images: Path, tmp_path: Path) -> None:
    (images / "7.jpg").unlink()
    (images / "12.jpg").unlink()
    with pytest.raises(UsageError, match=r"has none of the 2 images, such as 12\.jpg"):
        build(images)
    with pytest.raises(UsageError, match="There is no folder"):
        build(tmp_path / "none")


def test_a_folder_that_cannot_be_written_to(images: Path) -> None:
    (images.parent / "out").touch()
    with pytest.raises(A2pipeError, match="choose another --out"):
        build(images)


def test_a_manifest_of_other_classes_is_refused(images: Path) -> None:
    with pytest.raises(UsageError, match="has the class 'dog', which birds has not"):
        load_pairs(build(images).manifest, "birds", ("cat",), None)


def test_a_built_manifest_names_no_absolute_path(write: Write, tmp_path: Path) -> None:
    image = write("elsewhere/1.jpg")
    manifest = tmp_path / "manifest.csv"
    for path in ("elsewhere/1.jpg", image):
        manifest.write_text(f"path,label,class,split\n{path},0,cat,train\n")
        if path != image:
            assert load_pairs(manifest, "pets", CLASSES, None).paths == (str(image),)
            continue
        with pytest.raises(UsageError, match="is absolute, where one relative to the manifest"):
            load_pairs(manifest, "pets", CLASSES, None)
