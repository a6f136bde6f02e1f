"""`localize`, `discover`, `patches` and `probe-masking` measure maps and patches; `plot` draws."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .flags import (
    ATTENTION,
    CROPS,
    DATASET,
    EXTRACTION,
    IMAGE,
    INTERVALS,
    LOCALIZATION,
    LOOKING,
    MAPS,
    MASKING,
    MODEL_THAT_ATTENDS,
    MODEL_THAT_EMBEDS,
    NAME,
    PATCHES,
    READING,
    RUN,
    SPLIT,
)
from .options import (
    PATH,
    HeadedCommand,
    experiment_options,
    out_option,
    path_option,
    session_options,
)
from .output import emit_all
from .session import open_experiment

if TYPE_CHECKING:
    from ..paper.last_vit import LastVitNumber
    from ..reports.localization.write import Written


_OWN = {flag.key: flag.name.replace("localize-", "") for flag in (*LOCALIZATION, *INTERVALS)}
_MASKING = {flag.key: flag.name.replace("masking-", "") for flag in MASKING}
"""Both give short names of the flags that a command is about."""

DESCRIBED = ("norm:before", "norm", "patch-score", "votes:1")
"""These statistics are what `patches` is about, beside those that an experiment names."""


@click.command(cls=HeadedCommand)
@experiment_options(
    *(NAME, DATASET, IMAGE, ATTENTION, PATCHES, CROPS, LOCALIZATION, INTERVALS, RUN),
    short={**MODEL_THAT_ATTENDS, **_OWN},
)
@out_option
@session_options
def localize(out: Path | None, as_json: bool, **options: Any) -> None:
    """Compare attention maps and crops with ground-truth boxes.

    For every attention map this measures mass in box, hit rate, crop hit rate, shares of the token
    groups and concentration, with intervals, and writes tables and plots. If the dataset has no
    boxes, what needs them is left out.
    """
    from ..pipeline.results.study import publish_study
    from ..reports.localization.study import left_out_words, study_table

    study, written = publish_study(open_experiment(**options), out)
    files = {name: str(path) for name, path in written.files.items()}
    below = [*_lines(written), *filter(None, [left_out_words(study)])]
    emit_all({**study.to_json(), "files": files}, study_table(study), below, as_json)


@click.command(cls=HeadedCommand)
@experiment_options(
    *(NAME, DATASET, IMAGE, ATTENTION, PATCHES, MAPS, SPLIT, INTERVALS, RUN),
    short={**MODEL_THAT_ATTENDS, **_OWN},
)
@session_options
def discover(as_json: bool, **options: Any) -> None:
    """Find one object in each image by every map.

    Every map is thresholded; the part around its peak becomes a box, which is compared with the
    boxes of the dataset (CorLoc), and the whole with its masks, where it has some (mIoU).
    """
    from ..paper.last_vit import published_of
    from ..pipeline.results.discover import discover as discovered
    from ..reports.localization.discovery import PublishedLine, discovery_table

    found = discovered(open_experiment(**options))
    lines = found.lines
    measured = {"corloc": lines[0].corloc, "miou": lines[0].miou} if lines else {}
    numbers = published_of(found.dataset, [name for name, each in measured.items() if each])
    published = [PublishedLine(each.label, **{each.metric: each.value / 100}) for each in numbers]
    content = {**found.to_json(), "published": [asdict(each) for each in numbers]}
    emit_all(content, discovery_table(found, published), found.notes, as_json)


@click.command(cls=HeadedCommand)
@experiment_options(
    *(NAME, DATASET, IMAGE, LOOKING, PATCHES, SPLIT, RUN), short={**MODEL_THAT_ATTENDS, **_OWN}
)
@click.option(
    "--cut",
    type=click.FloatRange(min=0),
    metavar="NORM",
    show_default=False,
    help="Count the patches above this norm.",
)
@click.option(
    "--images",
    type=click.IntRange(0, 100),
    default=6,
    metavar="N",
    show_default=False,
    help="How many images the figure of votes shows.  [6]",
)
@out_option
@session_options
def patches(
    source: Path | None,
    overrides: Mapping[str, Any],
    cut: float | None,
    images: int,
    out: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Describe the norms, scores and votes of patches.

    For every model this gives the distribution of the norms of its patches, before and after the
    final norm, and of their scores, apart for foreground and background if the dataset has masks
    or boxes. It writes tables and plots, and a figure of the patches that get votes. Missing
    statistics are computed and stored. With --statistic only those are described that are named.
    """
    from ..paper.last_vit import published_of
    from ..pipeline.experiment.load import load_experiment
    from ..pipeline.results.patch_study import publish_patches
    from ..reports.patches.study import foreground_words, patches_table

    # A flag names all, as a model may lack some of what the command is about.
    if "patches.statistics" not in overrides:
        named = load_experiment(source, overrides).patches.statistics
        overrides = {**overrides, "patches.statistics": (*named, *DESCRIBED)}
    session = open_experiment(source=source, overrides=overrides, **options)
    study, written = publish_patches(session, cut, images, out)
    files = {name: str(path) for name, path in written.items()}
    numbers = published_of(study.dataset, ("norm_mean", "norm_median", "norm_tail"))
    below = [*filter(None, [foreground_words(study)]), *_read_off(numbers)]
    below += [f"{name}: {path}" for name, path in files.items()]
    content = {**study.to_json(), "published": list(map(asdict, numbers)), "files": files}
    emit_all(content, patches_table(study), below, as_json)


def _read_off(numbers: Sequence[LastVitNumber]) -> Iterator[str]:
    """Say of each row of published norms what was read off the figure."""
    for label, row in groupby(numbers, key=lambda each: each.label):
        mean, median, tail = (each.value for each in row)
        yield (
            f"published, read off a figure: {label}: norm after the final norm: mean about "
            f"{mean:g}, median about {median:g}, tail to about {tail:g}"
        )


@click.command()
@click.argument("studies", nargs=-1, required=True, type=PATH)
@path_option("--out", "DIR", "Folder of the plots.  [beside the file; of several, results/A+B]")
def plot(studies: tuple[Path, ...], out: Path | None) -> None:
    """Draw the plots of `localize` again.

    STUDIES are one or several files localization.json; each is a column of panels. This computes
    nothing.
    """
    from ..reports.localization.study import read_study
    from ..reports.localization.write import write_plots

    found = [read_study(path) for path in studies]
    for line in _lines(write_plots(found, (out or _beside(studies)).resolve())):
        click.echo(line)


@click.command("probe-masking", cls=HeadedCommand)
@experiment_options(
    *(NAME, DATASET, IMAGE, EXTRACTION, READING, MASKING, RUN),
    short={**MODEL_THAT_EMBEDS, **_MASKING},
)
@out_option
@session_options
def probe_masking(out: Path | None, as_json: bool, **options: Any) -> None:
    """Hide ever more patches, and see what is still recognised.

    Patches are ranked once, on the whole image, and hidden in the input: those of the highest score
    first, of the lowest, or at random. The table has the top-1 accuracy by hidden patches; a plot,
    masking.json and masking.csv are written with it.
    """
    from ..pipeline.results.masking.probe import publish_probe
    from ..reports.masking.probe import probe_table

    probe, written = publish_probe(open_experiment(**options), out)
    files = {name: str(path) for name, path in written.items()}
    below = [*(f"{name}: {path}" for name, path in files.items()), *probe.notes]
    emit_all({**probe.to_json(), "files": files}, probe_table(probe), below, as_json)


def _beside(files: tuple[Path, ...]) -> Path:
    """Return the folder of the files; if there are several, one in results named for all."""
    folders = list(dict.fromkeys(file.resolve().parent for file in files))
    return folders[0] if len(folders) == 1 else Path("results") / "+".join(f.name for f in folders)


def _lines(written: Written) -> list[str]:
    """Say where each file lies, why a plot was not drawn, and remarks on those that were."""
    files = [f"{name}: {path}" for name, path in written.files.items()]
    left_out = [f"{name}: left out, as {reason}" for name, reason in written.left_out.items()]
    return [*files, *left_out, *written.remarks]
