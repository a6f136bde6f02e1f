"""XML in the style of Pascal VOC: what it says, and what is refused."""

import time
from pathlib import Path

import pytest

from a2pipe.datasets.benchmarks.voc_xml import parse_annotation, read_annotations
from a2pipe.errors import UsageError

from .voc import annotation

GOOD = annotation("n01440764", [(1, 2, 8, 7)])


LAUGHS = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10 if i else "ha"}">' for i in range(12))


HOSTILE = f"<?xml version='1.0'?><!DOCTYPE annotation [{LAUGHS}]><annotation>&l11;</annotation>"


FETCHES = (
    '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation><object><bndbox>'
    "<xmin>&x;</xmin></bndbox></object></annotation>"
)


def test_parts_of_an_object_are_not_boxes() -> None:
    part = "<part><bndbox><xmin>0</xmin></bndbox></part></object>"
    found = parse_annotation(GOOD.replace("</object>", part).encode())
    assert found.boxes.tolist() == [[1, 2, 8, 7]]
    assert found.size == (10, 8)


def test_an_image_without_objects_or_size() -> None:
    found = parse_annotation(b"<annotation></annotation>")
    assert found.boxes.shape == (0, 4)
    assert found.difficult.shape == found.truncated.shape == (0,)
    assert found.size is None


def test_what_is_said_of_each_object() -> None:
    marks = ("<difficult>1</difficult>", "<difficult>0</difficult><truncated>1</truncated>", "")
    text = annotation("n0", [(1, 2, 8, 7)] * 3)
    for mark in marks:
        text = text.replace("<object><name>", f"<object>{mark}<name >", 1)
    found = parse_annotation(text.replace("<name >", "<name>").encode())
    assert found.difficult.tolist() == [True, False, False]
    assert found.truncated.tolist() == [False, True, False]


@pytest.mark.parametrize(
    "content",
    [
        HOSTILE.encode(),
        HOSTILE.encode("utf-16"),
        FETCHES.encode(),
        FETCHES.encode("utf-16"),
        GOOD[:-20].encode(),
        b"",
        b"\x00\x01",
        GOOD.replace("<xmax>8</xmax>", "").encode(),
        GOOD.replace("<xmax>8</xmax>", "<xmax>wide</xmax>").encode(),
        GOOD.replace("<xmax>8</xmax>", "<xmax>inf</xmax>").encode(),
        GOOD.encode() + b" " * 1_000_000,
    ],
    ids=lambda content: repr(content[:24]),
)
def test_bad_xml_is_refused_at_once_and_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(content)
    start = time.perf_counter()
    with pytest.raises(UsageError, match=r"a\.xml is not an annotation of an image") as caught:
        read_annotations([str(path)])
    assert time.perf_counter() - start < 2
    assert "\n" not in str(caught.value)


def test_annotations_keep_their_order_and_gaps(tmp_path: Path) -> None:
    for index in range(0, 600, 2):
        (tmp_path / f"{index}.xml").write_text(annotation("n0", [(index, 0, index + 1, 1)]))
    found = read_annotations([str(tmp_path / f"{index}.xml") for index in range(600)])
    assert [None if a is None else a.boxes[0, 0] for a in found] == [
        None if index % 2 else index for index in range(600)
    ]
