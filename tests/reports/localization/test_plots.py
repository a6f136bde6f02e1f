"""Plots of studies: what stands in them, and which are left out."""

from __future__ import annotations

import io
import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from a2pipe.errors import A2pipeError
from a2pipe.reports.drawing import png
from a2pipe.reports.labels import wrapped
from a2pipe.reports.localization.axes import millions
from a2pipe.reports.localization.plots import (
    PLOTS,
    by_block,
    by_size,
    by_token,
    series,
    study_plots,
)
from a2pipe.reports.localization.study import Line, Measure, Study
from a2pipe.reports.localization.write import write_plots, write_study

SHARES = {"cls": 0.1, "registers": 0.3, "patches": 0.6}
CONCENTRATION = {"entropy": 0.9, "top10": 0.4, "top25": 0.7}
ALL = {"mass": 0.6, "hit": 0.8, **SHARES, **CONCENTRATION}


def line(model: str, block: int = 12, blocks: int = 12, **changes: object) -> Line:
    """A map whose every measure is known; `means` replaces them."""
    means = changes.pop("means", ALL)
    assert isinstance(means, dict)
    measures = tuple(Measure(k, 50, v, 0.2, v - 0.05, v + 0.03) for k, v in means.items())
    plain = Line(
        model=model,
        family="DINOv2",
        parameters=22.0,
        kind="attention",
        block=block,
        blocks=blocks,
        registers=4,
        heads="mean",
        reading="slice",
        smooth=1,
        evaluation="pixels",
        n=50,
        n_left_out=0,
        measures=measures,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def study(lines: Sequence[Line], name: str = "birds") -> Study:
    return Study(name, name, "ab" * 16, "test", 224, "2026", "0", 1000, 0.95, 0, tuple(lines))


SIZES = [
    line("s", parameters=22, means={**ALL, "mass": 0.8}),
    line("g", parameters=1100, means={**ALL, "mass": 0.6}),
    line("clip_b", family="OpenCLIP", parameters=86, registers=0),
    line("clip_l", family="OpenCLIP", parameters=303, registers=0),
    line("s_random", kind="control", means={**ALL, "mass": 0.3}),
]
BLOCKS = [line("s", block, 3) for block in (3, 1, 2)] + [line("l", block, 4) for block in (1, 2)]


def curves(panel: object) -> dict[str, object]:
    """Lines of a panel by what the legend calls them."""
    handles, labels = panel.get_legend_handles_labels()  # type: ignore[attr-defined]
    return dict(zip(labels, handles, strict=True))


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


def test_sizes_that_are_nearly_equal_have_ticks_that_differ() -> None:
    lines = [line("a", parameters=21.6), line("b", parameters=22.1)]
    figure = by_size([study(lines)], ("mass",))
    png(figure, cropped=True)
    (panel,) = figure.axes
    low, high = panel.get_xlim()
    ticks = [
        t.get_text()
        for x, t in zip(panel.get_xticks(), panel.get_xticklabels(), strict=True)
        if low <= x <= high
    ]
    assert len(ticks) == len(set(ticks)) >= 2


def test_ticks_stand_at_the_blocks_that_were_measured() -> None:
    some = [line("s", block, 12) for block in (2, 5, 12)]
    (panel,) = by_token([study(some)]).axes
    assert panel.get_xticks().tolist() == [2, 5, 12]
    (panel,) = by_block([study(some)], ("mass",)).axes
    assert panel.get_xticks().tolist() == [2, 5, 12]


@pytest.mark.parametrize("name", [name for name in PLOTS if "size" not in name])
def test_long_names_fit_into_the_picture(name: str) -> None:
    long = "vit_base_patch16_clip_quickgelu_224.metaclip_400m"
    lines = [
        line(f"{long}_{i}", block, 2, heads="head_pruned_registers:0.5")
        for i in range(9)
        for block in (1, 2)
    ]
    figure = PLOTS[name]([study(lines, f"{long}, {long}")])
    figure.draw_without_rendering()
    texts = [panel.title for panel in figure.axes] + figure.legends[0].get_texts()
    extents = [text.get_window_extent() for text in texts if text.get_text()]
    assert len(extents) > 9
    assert all(each.x0 >= 0 and each.x1 <= figure.bbox.width for each in extents)


@pytest.mark.parametrize("width", [1, 5, 12, 200])
def test_wrapping_loses_nothing_and_keeps_to_the_width(width: int) -> None:
    text = "vit_base_patch16_clip.openai, slice with-out end"
    lines = wrapped(text, width).split("\n")
    assert max(map(len, lines)) <= width
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_blocks_are_in_order_and_the_last_is_starred() -> None:
    mass, hit = by_block([study(BLOCKS)], ("mass", "hit")).axes
    found = curves(mass)
    assert found["s"].get_xdata().tolist() == [1, 2, 3]  # type: ignore[attr-defined]
    stars = [each for each in hit.lines if each.get_marker() == "*" and len(each.get_xdata())]
    assert [each.get_xydata().tolist() for each in stars] == [[[3, 80]]]  # `l` was not seen whole


def test_shares_are_stacked_to_one_with_the_mass_on_top() -> None:
    panel, _ = by_token([study(BLOCKS)]).axes
    areas = [area.get_paths()[0].get_extents() for area in panel.collections]
    assert [(round(a.y0, 3), round(a.y1, 3)) for a in areas] == [(0, 0.6), (0.6, 0.9), (0.9, 1)]
    assert curves(panel)["mass in box"].get_linestyle() == "--"  # type: ignore[attr-defined]


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
        (
            [replace(each, parameters=0.0) for each in SIZES],
            set(PLOTS),
        ),
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


def test_an_interval_beside_its_mean_is_drawn() -> None:
    skewed = [replace(each, measures=(Measure("mass", 9, 0.5, 0.2, 0.6, 0.7),)) for each in SIZES]
    assert "localization-by-size.png" in study_plots([study(skewed)]).drawn


def test_nothing_at_all_is_an_error() -> None:
    with pytest.raises(A2pipeError, match="nothing to plot"):
        study_plots([study(SIZES), study([])])


def test_files_are_written_and_an_outdated_plot_is_removed(tmp_path: Path) -> None:
    whole = write_study(study(SIZES + BLOCKS), tmp_path)
    assert set(whole.files) == {*PLOTS, "localization.json", "localization.csv"}
    written = write_plots([study(SIZES)], tmp_path)
    assert "token-shares.png" in written.left_out
    assert not (tmp_path / "token-shares.png").exists()
    assert (tmp_path / "localization.json").exists()


def test_a_folder_in_place_of_a_plot_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "token-shares.png").mkdir()
    with pytest.raises(A2pipeError, match="Cannot remove the outdated plot"):
        write_plots([study(SIZES)], tmp_path)
    with pytest.raises(A2pipeError, match="Cannot write"):
        write_plots([study(BLOCKS)], tmp_path)


def test_numbers_of_parameters_are_short() -> None:
    assert [millions(v) for v in (0.47, 22.06, 304.4, 1136, 6716)] == [
        *("470k", "22.1M", "304M", "1.1B", "6.7B")
    ]


def test_pyplot_stays_unloaded() -> None:
    code = (
        "import sys; from a2pipe.reports.localization import write; "
        "assert 'matplotlib' not in sys.modules; from matplotlib.figure import Figure; "
        "import a2pipe.reports.localization.plots; assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
