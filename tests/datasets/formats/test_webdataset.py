"""Tar shards as a collection: labels, groups, splits, boxes by hand; pixels without unpacking."""

import os
from collections.abc import Callable
from pathlib import Path

import fsspec
import numpy as np
import pytest

from a2pipe.datasets.collection import Collection
from a2pipe.datasets.formats.webdataset import load_webdataset
from a2pipe.datasets.registry import load
from a2pipe.errors import A2pipeError, BadImageError, UsageError
from a2pipe.stages.pixels import decode

from ..tars import picture, write_tar

Make = Callable[..., Collection]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """The collection of one tar with these members."""

    def at(members: dict[str, object], **options: object) -> Collection:
        return load_webdataset(str(write_tar(tmp_path / "shards.tar", members)), **options)

    return at


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    """Two training shards and a test shard, with all that a sample can say."""
    said = {"place": "land", "boxes": [[1, 0, 4, 3], [0.5, 0, 8, 6]]}
    first = {"b/1.png": picture(1), "b/1.cls": "0", "b/1.json": said, "b/1.txt": "a bird"}
    first |= {"b/2.png": picture(2), "b/2.cls": "1", "b/2.json": {"place": "water"}}
    second = {"b/3.png": picture(3), "b/3.cls": "1", "b/3.json": {"place": "land"}}
    test = {"b/1.png": picture(4), "b/1.cls": "0", "b/1.json": {"place": "water", "split": "val"}}
    test |= {"b/2.png": picture(1), "b/2.cls": "0", "b/2.json": {"place": "land"}}
    for name, members in {"train-000": first, "train-001": second, "test-000": test}.items():
        write_tar(tmp_path / "birds" / f"{name}.tar", members)
    return tmp_path / "birds"


def test_labels_groups_splits_and_boxes(birds: Path) -> None:
    found = load_webdataset(str(birds))
    assert found.name == "birds"
    assert found.labels.tolist() == [0, 0, 0, 1, 1]
    assert found.class_names == ("0", "1")
    assert found.splits.tolist() == ["val", "test", "train", "train", "train"]
    assert [found.group_names[group] for group in found.groups] == [
        "0 / water",
        "0 / land",
        "0 / land",
        "1 / water",
        "1 / land",
    ]
    assert [box.tolist() for box in found.boxes] == [[], [], [[1, 0, 4, 3], [0.5, 0, 8, 6]], [], []]
    assert found.image_ids[0] == "test-000.tar/b/1.png"
    assert found.sizes.tolist() == [[8, 6]] * 5


def test_one_image_in_two_shards_is_one_image(birds: Path) -> None:
    found = load_webdataset(str(birds))
    assert len(found.images) == 4
    assert found.digests[1] == found.digests[2]


def test_the_digest_is_that_of_the_same_files_on_disk(tmp_path: Path, make: Make) -> None:
    (tmp_path / "plain").mkdir()
    for number in range(3):
        (tmp_path / "plain" / f"{number}.png").write_bytes(picture(number))
    tar = make({f"{number}.png": picture(number) for number in range(3)})
    assert tar.digests == load(str(tmp_path / "plain")).digests


def test_pixels_are_read_where_they_lie(birds: Path) -> None:
    found = load_webdataset(str(birds))
    levels = [
        int(decode(path, digest=digest)[0, 0, 0])
        for path, digest in zip(found.paths, found.digests, strict=True)
    ]
    assert levels == [4, 1, 1, 2, 3]


@pytest.mark.parametrize(
    ("cls", "said", "names", "labels"),
    [
        (["10", "9"], [{}, {}], ("9", "10"), [1, 0]),
        (["dog", "cat"], [{}, {}], ("cat", "dog"), [1, 0]),
        (["", ""], [{"label": 7}, {"label": 7.0}], ("7",), [0, 0]),
        (["1", "0"], [{"class": "dog"}, {"class": "cat"}], ("cat", "dog"), [1, 0]),
        (["", ""], [{"class": "dog"}, {"class": "cat"}], ("cat", "dog"), [1, 0]),
        (["3\n", ""], [{"label": 3}, {}], ("3",), [0, -1]),
        (["", ""], [{}, {}], (), [-1, -1]),
    ],
)
def test_where_classes_come_from(
    make: Make, cls: list[str], said: list[object], names: tuple[str, ...], labels: list[int]
) -> None:
    members: dict[str, object] = {}
    for number in range(2):
        members |= {f"{number}.jpg": picture(number), f"{number}.json": said[number]}
        members |= {f"{number}.cls": cls[number]} if cls[number] else {}
    found = make(members)
    assert found.class_names == names
    assert found.labels.tolist() == labels


def test_keys_of_other_names(make: Make) -> None:
    said = {"species": "wren", "habitat": "wood", "label": "x"}
    members = {"1.jpg": picture(1), "1.cls": "5", "1.json": said}
    found = make(members, columns={"label": "species", "attribute": "habitat"})
    assert found.class_names == ("wren",)
    assert found.group_names == ("wren / wood",)


def test_groups_of_their_own(make: Make) -> None:
    members: dict[str, object] = {}
    for number, group in enumerate("bab"):
        members |= {f"{number}.png": picture(number), f"{number}.json": {"group": group}}
    found = make(members)
    assert (found.group_names, found.groups.tolist()) == (("a", "b"), [1, 0, 1])


def test_members_of_a_sample_need_not_be_together(make: Make) -> None:
    found = make({"1.cls": "a", "2.cls": "b", "2.png": picture(2), "1.png": picture(1)})
    assert [found.class_names[label] for label in found.labels] == ["b", "a"]


def test_dots_in_folders_are_no_extension(make: Make) -> None:
    found = make({"v1.0/1.png": picture(1), "v1.0/1.cls": "a", "v2.0/1.png": picture(2)})
    assert found.labels.tolist() == [0, -1]


def test_one_of_several_images_can_be_chosen(make: Make) -> None:
    members = {"1.left.png": picture(1), "1.right.png": picture(2), "1.cls": "a"}
    with pytest.raises(UsageError, match=r"sample 1 has several images \(left\.png, right\.png\)"):
        make(members)
    found = make(members, image="right.png")
    assert found.image_ids == ("shards.tar/1.right.png",)
    assert found.labels.tolist() == [0]


def test_a_name_with_dots_keeps_what_is_said_of_it(make: Make) -> None:
    members = {"cat.v1.png": picture(1), "cat.v1.cls": "4", "cat.v1.json": {"split": "val"}}
    found = make(members)
    assert (found.class_names, found.splits.tolist()) == (("4",), ["val"])


def test_the_plain_note_goes_before_others(make: Make) -> None:
    members = {"1.png": picture(1), "1.cls": "4", "1.fine.cls": "40"}
    assert make(members).class_names == ("4",)


def test_a_json_without_a_split_leaves_the_shards(tmp_path: Path) -> None:
    members = {"1.png": picture(1), "1.json": {"split": None}}
    found = load_webdataset(str(write_tar(tmp_path / "test-000.tar", members)))
    assert found.splits.tolist() == ["test"]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"1.png": b"", "1.a.cls": "a", "1.b.cls": "b"}, r"sample 1 has several \.cls \(1\.a\.cls"),
        ({"1.txt": "text"}, "no image in 1 tar"),
        ({"1.png": b"", "1.cls": "a", "1.json": {"label": "b"}}, "1.cls says 'a' and 1.json 'b'"),
        ({"1.png": b"", "1.json": {"split": "all"}}, r"shards\.tar/1\.png: split \('all'\)"),
        ({"1.png": b"", "1.json": {"boxes": [[0, 0, 2]]}}, "1.json: boxes must be a list"),
        ({"1.png": b"", "1.json": {"boxes": "none"}}, "boxes must be a list"),
        ({"1.png": b"", "1.json": {"boxes": [[0, 0, "a", 2]]}}, "boxes must be a list"),
        ({"1.png": b"", "1.json": {"boxes": [[2, 0, 2, 2]]}}, "1.png: box has no area"),
    ],
)
def test_samples_that_cannot_be_used(make: Make, members: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        make(members)
    assert "\n" not in str(caught.value)


def test_keys_that_are_not_there(make: Make) -> None:
    with pytest.raises(UsageError, match=r"has no column 'species' \(its columns: "):
        make({"1.png": picture(1)}, columns={"label": "species"})
    with pytest.raises(UsageError, match="no key 'lable': did you mean 'label'"):
        make({"1.png": picture(1)}, columns={"lable": "species"})


def test_what_is_called_an_image_and_is_none_is_a_bad_image(make: Make) -> None:
    found = make({"1.png": b"text", "2.png": b""})
    assert found.sizes.tolist() == [[0, 0], [0, 0]]
    for path, reason in zip(found.paths, ("not an image", "file is empty"), strict=True):
        with pytest.raises(BadImageError, match=reason):
            decode(path)


def test_a_tar_that_changed_since_it_was_indexed(birds: Path) -> None:
    found = load_webdataset(str(birds))
    tar = birds / "test-000.tar"
    tar.write_bytes(tar.read_bytes().replace(picture(4), picture(5)))
    with pytest.raises(A2pipeError, match=r"b/1\.png has changed since it was indexed"):
        decode(found.paths[0], digest=found.digests[0])
    tar.unlink()
    with pytest.raises(A2pipeError, match="could be read when it was indexed and now cannot"):
        decode(found.paths[0], digest=found.digests[0])


# By name, by path, by URL


def test_every_way_to_name_them(birds: Path, tmp_path: Path) -> None:
    whole = load(str(birds)).digest
    assert load("webdataset", birds).digest == whole
    assert load("webdataset", tmp_path, options={"shards": "birds/*.tar"}).digest == whole
    assert load(f"{birds}/*.tar").digest == whole
    assert load(f"file://{birds}/*.tar").digest == whole
    one = load("webdataset", birds / "test-000.tar", options={"attribute": "place"})
    assert one.splits.tolist() == ["val", "test"]


def test_rehash_reads_tars_anew(birds: Path, tmp_path: Path) -> None:
    """Content that changed behind an unchanged size and time is noticed with rehash alone."""
    tar, memo = birds / "test-000.tar", tmp_path / "memo"
    before, status = load(str(tar), memo=memo).digests, tar.stat()
    tar.write_bytes(tar.read_bytes().replace(picture(4), picture(5)))
    os.utime(tar, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert load(str(tar), memo=memo).digests == before
    assert load(str(tar), memo=memo, rehash=True).digests != before


@pytest.fixture
def remote(birds: Path) -> str:
    """The shards in fsspec's memory, by URL."""
    system = fsspec.filesystem("memory")
    for tar in birds.iterdir():
        system.pipe(f"/bucket/birds/{tar.name}", tar.read_bytes())
    yield "memory://bucket/birds"
    system.rm("/bucket", recursive=True)


@pytest.mark.parametrize("pattern", ["", "/*.tar", "/{test-000,train-000,train-001}.tar"])
def test_urls_give_what_files_give(remote: str, birds: Path, pattern: str) -> None:
    found, local = load(f"{remote}{pattern}"), load(str(birds))
    assert found.digest == local.digest
    for there, here in zip(found.paths, local.paths, strict=True):
        assert there.startswith("memory://")
        assert np.array_equal(decode(there), decode(here))


def test_remote_tars_are_remembered_until_they_change(
    remote: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from a2pipe.datasets.formats import tar_index

    read = tar_index._read
    archives: list[str] = []
    monkeypatch.setattr(tar_index, "_read", lambda path: archives.append(path) or read(path))
    for _ in range(2):
        load(f"{remote}/test-000.tar", memo=tmp_path / "memo")
    assert len(archives) == 1
    system = fsspec.filesystem("memory")
    system.pipe("/bucket/birds/test-000.tar", system.cat("/bucket/birds/train-001.tar"))
    assert len(load(f"{remote}/test-000.tar", memo=tmp_path / "memo")) == 1
    assert len(archives) == 2


def test_a_url_that_is_not_there(remote: str) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        load(f"{remote}/none.tar")
    with pytest.raises(UsageError, match="No tar is called"):
        load(f"{remote}/none-*.tar")


def test_a_remote_tar_that_vanished(remote: str) -> None:
    found = load(f"{remote}/test-000.tar")
    fsspec.filesystem("memory").rm("/bucket/birds/test-000.tar")
    with pytest.raises(A2pipeError, match="and now cannot"):
        decode(found.paths[0], digest=found.digests[0])
    with pytest.raises(BadImageError, match="the file that holds it is missing"):
        decode(found.paths[0])


def test_a_remote_tar_whose_changes_nobody_tells_is_read_anew(
    remote: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another tar of the same size is noticed, though the server tells the size alone."""
    system = fsspec.filesystem("memory")
    info = type(system).info
    monkeypatch.setattr(
        type(system), "info", lambda *given, **more: _without_times(info(*given, **more))
    )
    before = load(f"{remote}/test-000.tar", memo=tmp_path / "memo").digests
    whole = system.cat("/bucket/birds/test-000.tar")
    system.pipe("/bucket/birds/test-000.tar", whole.replace(picture(4), picture(5)))
    assert load(f"{remote}/test-000.tar", memo=tmp_path / "memo").digests != before


def _without_times(info: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in info.items() if key in ("name", "size", "type")}
