"""The paper's figures: which numbers a panel shows, and what is left out."""

import math
from statistics import fmean

import numpy as np
import pytest
from PIL import Image

from a2pipe.paper.crops import CropPictures, crops_bytes
from a2pipe.paper.figures import panels_of, published_figures, short_name, write_figures
from a2pipe.paper.published import published

from .kit import BASE, GIANT, LARGE, MATRIX_DATASETS, O2O, SMALL, result, write

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
