"""Made-up studies of the shape real ones have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from a2pipe.reports.localization.study import Line, Measure, Study

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
