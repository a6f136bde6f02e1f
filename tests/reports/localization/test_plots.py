"""Plots of studies: what stands in them, and which are left out."""

from __future__ import annotations

import io
import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from a2pipe.errors import A2pipeError
from a2pipe.reports.localization.plots import (
    PLOTS,
    by_block,
    by_size,
    by_token,
    series,
    study_plots,
)
from a2pipe.reports.localization.study import Line, Study

from .studies import BLOCKS, SIZES, curves, line, study


def test_sizes_are_joined_along_a_family() -> None:
    mass, _ = by_size([study(SIZES)], ("mass", "hit")).axes
    found = curves(mass)
    assert set(found) == {"DINOv2", "OpenCLIP", "random weights (control)"}
    points, _, bars = found["DINOv2"]  # type: ignore[misc]
    assert points.get_xydata().tolist() == [[22, 80], [1100, 60]]
    assert np.allclose(bars[0].get_segments()[0], [[22, 75], [22, 83]])
    assert found["OpenCLIP"][0].get_linestyle() == "--"  # type: ignore[index]
    assert points.get_linestyle() == "-"
    control = found["random weights (control)"]
    assert control.get_linestyle() == ":"  # type: ignore[attr-defined]
    assert control.get_ydata() == [30, 30]  # type: ignore[attr-defined]
    assert mass.get_xscale() == "log"


def test_models_with_and_without_registers_are_lines_of_their_own() -> None:
    mixed = [line("a"), line("b", registers=0), line("c", family="MAE", registers=0)]
    assert [series(each, mixed) for each in mixed] == [
        "DINOv2 with registers",
        "DINOv2 without registers",
        "MAE",
    ]


def test_a_model_of_no_known_family_is_a_line_of_its_own() -> None:
    lines = [line("vit_a", family="timm"), line("vit_b", family="timm", parameters=86)]
    (panel,) = by_size([study(lines)], ("mass",)).axes
    assert set(curves(panel)) == {"vit_a", "vit_b"}


def test_models_of_one_size_are_told_by_their_patch() -> None:
    sizes = {"s16": (21.6, 16), "s8": (21.7, 8), "b16": (85.8, 16), "b8": (85.9, 8)}
    dino = [line(n, family="DINO", parameters=p, patch=patch) for n, (p, patch) in sizes.items()]
    assert [series(each, dino) for each in dino] == ["DINO patch 16", "DINO patch 8"] * 2
    sizes = {"b": (86, 16), "l": (304, 16), "h": (632, 14)}
    mae = [line(n, family="MAE", parameters=p, patch=patch) for n, (p, patch) in sizes.items()]
    assert {series(each, [*mae, *dino]) for each in mae} == {"MAE"}


def test_several_studies_are_columns_and_many_models_rows() -> None:
    two = [study(BLOCKS, "birds"), study(BLOCKS, "imagenet")]
    titles = [panel.get_title() for panel in by_block(two, ("mass",)).axes]
    assert [title.split(",")[0] for title in titles] == ["birds", "imagenet"]
    many = [line(f"m{i}", block, 2) for i in range(7) for block in (1, 2)]
    assert len([p for p in by_token([study(many)]).axes if p.axison]) == 7


def test_one_way_of_reading_is_drawn() -> None:
    other = [replace(each, heads="max", model="other") for each in BLOCKS]
    (panel,) = by_block([study([*BLOCKS, *other])], ("mass",)).axes
    assert set(curves(panel)) == {"s", "l", "last block"}


@pytest.mark.parametrize(
    ("lines", "left_out"),
    [
        (SIZES + BLOCKS, set()),
        (SIZES, {"localization-by-block.png", "concentration-by-block.png", "token-shares.png"}),
        (SIZES[:1], set(PLOTS)),
        (
            [replace(each, measures=each.measures[2:]) for each in SIZES + BLOCKS],
            {"localization-by-size.png", "localization-by-block.png"},
        ),
        ([replace(each, parameters=0.0) for each in SIZES], set(PLOTS)),
    ],
    ids=["all", "one block", "one size", "no boxes", "unknown sizes"],
)
def test_plots_without_data_are_left_out_with_a_reason(
    lines: list[Line], left_out: set[str]
) -> None:
    plots = study_plots([study(lines)])
    assert set(plots.left_out) == left_out
    assert set(plots.drawn) == set(PLOTS) - left_out
    assert all(plots.left_out.values())
    assert plots.remarks == ()


def test_a_study_without_data_gets_no_panel_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[list[str]] = []
    plain = PLOTS["token-shares.png"]

    def noted(studies: Sequence[Study]) -> Figure:
        shown.append([each.name for each in studies])
        return plain(studies)

    monkeypatch.setitem(PLOTS, "token-shares.png", noted)
    birds, pets, cars = (
        study(SIZES + BLOCKS, "birds"),
        study(SIZES, "pets"),
        study(BLOCKS, "cars"),
    )
    plots = study_plots([birds, pets, cars])
    assert plots.left_out == {}
    assert shown[-1] == ["birds", "cars"]
    said = [each for each in plots.remarks if each.startswith("token-shares.png")]
    assert said == [
        "token-shares.png: without study 2 (pets), as it needs two blocks of one model "
        "(attention.layers)"
    ]


def test_which_of_several_ways_is_shown_is_said() -> None:
    other = [replace(each, heads="max", smooth=3) for each in SIZES]
    assert study_plots([study([*other, *SIZES]), study(SIZES, "pets")]).remarks[-1] == (
        "birds: plots show the first of 2 ways (heads: max, slice, smooth 3, pixels)"
    )


def test_undefined_measures_are_not_drawn() -> None:
    def undefined(*names: str) -> Study:
        nothing = dict.fromkeys(names, math.nan)
        changed = [
            replace(each, measures=tuple(replace(m, **nothing) for m in each.measures))
            for each in SIZES + BLOCKS
        ]
        return study(changed)

    assert set(study_plots([undefined("mean", "std", "low", "high")]).left_out) == set(PLOTS)
    assert set(study_plots([undefined("std", "low", "high")]).drawn) == set(PLOTS)


def test_pictures_are_png_and_the_same_every_time() -> None:
    first = study_plots([study(SIZES + BLOCKS)] * 2).drawn
    for content in first.values():
        with Image.open(io.BytesIO(content)) as picture:
            assert min(picture.size) > 400
    assert study_plots([study(SIZES + BLOCKS)] * 2).drawn == first


def test_dollar_signs_are_no_formulas() -> None:
    strange = [replace(each, model="$x{$", family="$_$") for each in BLOCKS + SIZES]
    assert len(study_plots([study(strange, r"$\frac{$")]).drawn) == len(PLOTS)


def test_nothing_at_all_is_an_error() -> None:
    with pytest.raises(A2pipeError, match="nothing to plot"):
        study_plots([study(SIZES), study([])])


def test_pyplot_stays_unloaded() -> None:
    code = (
        "import sys; from a2pipe.reports.localization import write; "
        "assert 'matplotlib' not in sys.modules; from matplotlib.figure import Figure; "
        "import a2pipe.reports.localization.plots; assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
