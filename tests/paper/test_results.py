"""Results of presets: comparison with the published numbers, the paper's layout, its figures."""

import csv
import io
import json
import math
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
from PIL import Image

from a2pipe.errors import A2pipeError
from a2pipe.paper.compare import compare, comparison_json, comparison_rows, heading, summary
from a2pipe.paper.crops import CropPictures, crops_bytes, faded, read_crops
from a2pipe.paper.figures import panels_of, published_figures, short_name, write_figures
from a2pipe.paper.layout import layout, layout_csv, layout_markdown
from a2pipe.paper.published import published
from a2pipe.paper.results import (
    Measured,
    PaperResult,
    Replacement,
    miniature,
    read_results,
    result_json,
    values,
)

SMALL, BASE, LARGE, GIANT = (f"dinov2_vit{letter}14_reg" for letter in "sblg")
MATRIX_DATASETS = dict(
    zip(
        range(11, 16),
        (
            "spawrious-o2o-hard",
            "spawrious-m2m-hard",
            "waterbirds",
            "metashift-cat-dog",
            "metashift-animals",
        ),
        strict=True,
    )
)


def result(table: int, dataset: str, shift: float = 0.0, **fields: object) -> PaperResult:
    """The published numbers of a table on a dataset, each shifted by so many of its unit."""
    measured = tuple(
        Measured(number.key, number.value + shift)
        for number in published(table)
        if number.dataset == dataset
    )
    base = PaperResult(f"table-{table}", (table,), dataset, "c0", "2026", "1", measured)
    return replace(base, **fields)


O2O = "spawrious-o2o-hard"


def test_every_number_of_the_table_is_compared():
    found = compare([result(11, O2O, -1.5)])
    assert [line.number for line in found.lines] == list(published(11))
    assert {round(line.difference, 9) for line in found.lines} == {-1.5}
    assert (found.count("outside"), found.count("within")) == (16, 0)


def test_the_tolerance_is_reached_by_equality():
    """91.0 + 0.7 is 91.7 but for rounding."""
    assert compare([result(11, O2O, 0.7)], 0.7).count("within") == 16
    assert compare([result(11, O2O, 0.71)], 0.7).count("within") == 0


def test_shares_differ_in_points():
    lines = compare([result(20, "waterbirds", 0.02)]).lines
    assert {round(line.difference, 9) for line in lines} == {2.0}


def test_counts_have_to_be_equal():
    found = compare([result(4, "metashift-animals")], 5)
    assert found.count("within") == 24
    assert compare([result(4, "metashift-animals", 1)], 5).count("outside") == 24


def test_what_was_not_run_has_its_reason():
    one = result(6, O2O)
    first = replace(one.measured[0], value=math.nan, reason="needs head 'x'")
    found = compare([replace(one, measured=(first, *one.measured[1:]))])
    assert found.reasons == {"needs head 'x'": 1, "no result on spawrious-m2m-hard": 28}
    assert summary(found) == [
        "27 within 1 point of the paper, 0 outside, 29 not run",
        "  1 not run: needs head 'x'",
        "  28 not run: no result on spawrious-m2m-hard",
    ]


def test_several_results_stand_together():
    found = compare([result(6, O2O), result(6, "spawrious-m2m-hard")])
    assert found.count("within") == 56


def dinov3() -> list[PaperResult]:
    places = ("metashift-animals", "metashift-cat-dog", O2O, "spawrious-m2m-hard", "waterbirds")
    return [result(table, name) for table, name in zip(range(25, 30), places, strict=True)]


def test_the_mean_of_five_is_made_from_its_parts():
    """Table 24 is the exact mean of tables 25 to 29."""
    results = [replace(each, tables=(24, *each.tables)) for each in dinov3()]
    lines = [line for line in compare(results).lines if line.number.table == 24]
    assert max(abs(line.difference) for line in lines) < 1e-9
    missing = compare(results[:4])
    assert missing.reasons["needs the results of all five datasets"] == 12


def test_rows_for_a_terminal_mark_what_is_outside():
    (first, *_) = comparison_rows(compare([result(11, O2O, -1.5)]), 11)
    assert first["ours"].strip() == "89.5"
    assert first["published"].strip() == "91.0"
    assert (first["difference"].strip(), first[""]) == ("-1.5", "!")


def test_what_all_rows_share_stands_in_the_heading():
    title, rows = heading(comparison_rows(compare([result(11, O2O)]), 11), 11)
    assert title == f"Table 11: {O2O}, accuracy"
    assert list(rows[0]) == ["row", "attention", "embedding", "ours", "published", "difference", ""]


def test_json_has_null_for_what_is_missing():
    found = comparison_json(compare([result(6, O2O)]))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["numbers"][1]["ours"] is None
    assert found["within"] == 28


# --- files --------------------------------------------------------------------------------------

STAND_INS = (Replacement("attention", SMALL, "tiny"), Replacement("embedding", SMALL, "tiny"))


def write(folder: Path, *results: PaperResult) -> Path:
    for number, each in enumerate(results):
        place = folder / f"{number}"
        place.mkdir(parents=True)
        (place / "paper.json").write_text(result_json(each), encoding="utf-8")
    return folder


def test_a_result_reads_back(tmp_path):
    one = result(11, O2O, replacements=STAND_INS, notes=("few images",))
    (found,) = read_results([write(tmp_path, one)])
    assert str(found) == str(one)  # NaN equals nothing


def test_replacements_in_a_line():
    assert miniature(STAND_INS) == f"miniature: tiny for {SMALL}"
    assert miniature(STAND_INS[:1]) == f"miniature: tiny for {SMALL} (attention)"
    assert miniature(()) == ""


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"collection": "c1"}, "are of different images or splits"),
        ({"replacements": STAND_INS}, f"Different models stand for {SMALL}"),
    ],
)
def test_results_that_cannot_stand_together(tmp_path, others, message):
    folder = write(tmp_path, result(11, O2O), result(11, O2O, **others))
    with pytest.raises(A2pipeError, match=message):
        read_results([folder])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ('{"format": 1, "kind": "matrix"}', "is no result of the paper's"),
        ('{"format": 99, "kind": "paper"}', "newer version"),
        ('{"format": 1, "kind": "paper"}', "has no 'preset'"),
    ],
)
def test_files_that_are_no_results(tmp_path, text, message):
    (tmp_path / "paper.json").write_text(text, encoding="utf-8")
    with pytest.raises(A2pipeError, match=message):
        read_results([tmp_path])


def test_a_folder_without_results(tmp_path):
    with pytest.raises(A2pipeError, match=r"There is no paper\.json"):
        read_results([tmp_path])


# --- the paper's layout -------------------------------------------------------------------------


def test_a_matrix_has_attention_down_and_embedding_across():
    """The published numbers, read off the paper."""
    ours = values([result(11, O2O)])
    lines = list(csv.reader(io.StringIO(layout_csv(layout(11), ours))))
    assert lines == [
        ["row", "attention", SMALL, BASE, LARGE, GIANT],
        ["ViT-S attn", SMALL, "91.0", "89.5", "89.7", "89.2"],
        ["ViT-B attn", BASE, "89.6", "88.4", "88.2", "87.9"],
        ["ViT-L attn", LARGE, "85.2", "82.7", "82.1", "84.6"],
        ["ViT-G attn", GIANT, "86.3", "84.3", "84.6", "83.1"],
    ]


def test_stand_ins_are_named_with_our_numbers_and_not_with_the_published_ones():
    text = layout_markdown(layout(11, STAND_INS), values([result(11, O2O, 1)]), ["few images"])
    ours, theirs = text.split("## Published")
    assert "few images" in ours
    assert "(miniature: tiny)" in ours
    assert "92.0" in ours
    assert "miniature" not in theirs
    assert "91.0" in theirs


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        (8, ("accuracy", "wga", "adjusted_accuracy")),
        (6, (O2O, "spawrious-m2m-hard")),
        (21, ("accuracy",)),
    ],
)
def test_the_columns_of_other_tables(table, columns):
    assert set(layout(table).columns) == set(columns)


def test_rows_of_several_models_name_theirs():
    lines = list(csv.reader(io.StringIO(layout_csv(layout(8), values([result(8, "waterbirds")])))))
    assert lines[0] == ["row", "attention", "embedding", "accuracy", "wga", "adjusted_accuracy"]
    assert ["Center Crop", "", SMALL, "90.9", "78.7", ""] in lines
    assert len({tuple(line[:3]) for line in lines}) == len(lines)


@pytest.mark.parametrize("table", sorted({number.table for number in published()}))
def test_every_number_has_its_own_place(table):
    placed = [n for _, numbers in layout(table).lines for n in numbers if n]
    assert sorted(n.key for n in placed) == sorted(n.key for n in published(table))


# --- figures ------------------------------------------------------------------------------------

PUBLISHED = {number.key: number.value for number in published()}


def cell(table: int, attention: str, embedding: str) -> float:
    return next(
        n.value for n in published(table) if (n.attention, n.embedding) == (attention, embedding)
    )


def test_figure_6_shows_changes_from_the_smallest_model():
    where, what = panels_of("figure-6", PUBLISHED)
    models = (SMALL, BASE, LARGE, GIANT)
    for panel, pair in ((where, lambda m: (m, GIANT)), (what, lambda m: (SMALL, m))):
        *curves, mean = panel.curves
        expected = [
            [cell(t, *pair(m)) - cell(t, *pair(SMALL)) for m in models] for t in MATRIX_DATASETS
        ]
        assert [list(curve.values) for curve in curves] == expected
        assert mean.values == pytest.approx(
            [fmean(column) for column in zip(*expected, strict=True)]
        )
        assert panel.models == ("ViT-S", "ViT-B", "ViT-L", "ViT-G")


def test_figures_7_and_22_tell_families_apart():
    for name, metrics in (("figure-7", {"accuracy"}), ("figure-22", {"wga", "worst_class"})):
        dinov2, openclip = panels_of(name, PUBLISHED)
        assert dinov2.models == ("ViT-S", "ViT-B", "ViT-L", "ViT-G")
        assert openclip.models == ("ViT-B", "ViT-L", "ViT-H", "ViT-G")
        waterbirds = next(c for c in openclip.curves if c.name == "Waterbirds")
        found = [
            n.value
            for n in published(30)
            if n.dataset == "waterbirds"
            and n.metric in metrics
            and n.attention.startswith("openclip")
        ]
        assert waterbirds.values == pytest.approx([value - found[0] for value in found])


def test_figures_20_and_21_agree_in_their_mean():
    for alone, many in zip(
        panels_of("figure-20", PUBLISHED), panels_of("figure-21", PUBLISHED), strict=True
    ):
        assert len(many.curves) == 6
        assert many.curves[-1].values == pytest.approx(alone.curves[0].values)


def test_a_mean_is_drawn_only_where_every_curve_is():
    numbers = {k: v for k, v in PUBLISHED.items() if "waterbirds" not in k or "/row-1/" in k}
    *_, mean = panels_of("figure-21", numbers)[0].curves
    assert [math.isnan(value) for value in mean.values] == [False] + [True] * 5


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (SMALL, "ViT-S"),
        ("dinov3_vits16plus", "ViT-S+"),
        ("dinov3_vit7b16", "ViT-7B"),
        ("openclip_vitg14", "ViT-G"),
        ("demo_localizer_s", "demo_localizer_s"),
    ],
)
def test_short_names(model, name):
    assert short_name(model) == name


def test_published_figures_are_pictures(tmp_path):
    files = published_figures(tmp_path).files
    assert set(files) == {f"figure-{n}.png" for n in (6, 7, 20, 21, 22)}
    for path in files.values():
        with Image.open(path) as picture:
            assert picture.width > 600


def test_figures_of_results_say_what_is_left_out(tmp_path):
    folder = write(tmp_path / "results", result(11, O2O))
    pictures = CropPictures(
        O2O, np.zeros((2, 32, 32, 3), np.uint8), np.tile([[0, 0, 8, 8]], (2, 4, 1)).astype(np.int32)
    )
    (folder / "0" / "crops.npz").write_bytes(crops_bytes(pictures))
    written = write_figures([folder], tmp_path / "figures")
    assert set(written.files) == {"figure-6.png", "figure-16.png"}
    assert set(written.left_out) == {f"figure-{n}.png" for n in (7, 20, 21, 22)}


def test_outside_the_crops_the_image_is_pale():
    image = np.zeros((4, 4, 3), np.uint8)
    found = faded(image, np.array([[1, 1, 3, 2]]))
    assert found[1, 1:3].max() == 0
    assert found[0, 0].tolist() == [178] * 3  # 255 - 0.3 * 255 = 178.5, to even
    assert (found == 0).all(axis=2).sum() == 2


def test_crops_read_back(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (2, 8, 8, 3), np.uint8)
    boxes = rng.integers(0, 8, (2, 4, 4)).astype(np.int32)
    (tmp_path / "crops.npz").write_bytes(crops_bytes(CropPictures("d", images, boxes)))
    found = read_crops(tmp_path / "crops.npz")
    assert found.dataset == "d"
    assert (found.images == images).all()
    assert (found.boxes == boxes).all()
    with pytest.raises(A2pipeError, match="Cannot read the crops"):
        read_crops(tmp_path / "none.npz")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"text"])
def test_damaged_crops_are_one_sentence(tmp_path, content):
    (tmp_path / "crops.npz").write_bytes(content)
    with pytest.raises(A2pipeError, match="Cannot read the crops"):
        read_crops(tmp_path / "crops.npz")
