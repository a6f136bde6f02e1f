"""Turn the cells that a preset wants into experiments: as few as hold these cells and no other.

An experiment is a grid of sources x embedding models x heads; a table of the paper is not. So cells
are gathered into rectangles, each of which is one experiment on the same dataset.
"""

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from .cells import CANVAS, CROPS, PaperCell, PaperHead, PaperMap, Source, Target, head_parameters

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
Content = dict[str, Any]


@dataclass(frozen=True)
class PresetExperiment:
    """A PresetExperiment is one experiment of a preset on a dataset.

    kind: whether a matrix or a localisation study gives its numbers. content: what its file would
    hold, as a mapping for `load_experiment`.
    """

    kind: Literal["matrix", "study"]
    content: Content

    @property
    def models(self) -> set[str]:
        """Return every attention and embedding model that it names."""
        sections = [self.content.get(name, {}) for name in ("attention", "embedding")]
        return {model for section in sections for model in section.get("models", [])}


@dataclass(frozen=True)
class _Grid:
    """A _Grid holds the sources of one experiment.

    Every one of the attention models goes with every one of the crop lists and of the aggregators
    of heads; baselines are rows of their own.
    """

    models: tuple[str, ...]
    crops: tuple[tuple[int, ...], ...]
    heads: tuple[str, ...]
    baselines: tuple[str, ...]


def preset_experiments(
    name: str, dataset: str, targets: Iterable[Target]
) -> tuple[PresetExperiment, ...]:
    """Return the experiments that give the targets of one dataset.

    A single one is called `name`, several are called NAME-1, NAME-2 and so on. Targets that are
    measured elsewhere are passed over.
    """
    here = [target for target in targets if dataset in target.datasets]
    cells = dict.fromkeys(cell for target in here for cell in target.cells)
    maps = dict.fromkeys(target.map for target in here if target.map)
    found = [*_matrices(dataset, cells), *_studies(maps)]
    base = {"dataset": {"name": dataset}}
    names = [f"{name}-{i}" for i in range(1, len(found) + 1)] if len(found) > 1 else [name]
    return tuple(
        PresetExperiment(each.kind, {"name": called, **base, **each.content})
        for called, each in zip(names, found, strict=False)
    )


def gathered(pairs: Iterable[tuple[K, V]]) -> dict[K, tuple[V, ...]]:
    """Return the values of every key, each once and in order of appearance."""
    found: dict[K, dict[V, None]] = {}
    for key, value in pairs:
        found.setdefault(key, {})[value] = None
    return {key: tuple(values) for key, values in found.items()}


def _matrices(dataset: str, cells: Iterable[PaperCell]) -> Iterator[PresetExperiment]:
    for (sources, heads), embeddings in _rectangles(cells).items():
        for grid in _grids(sources, CROPS.get(dataset, (64,))):
            yield PresetExperiment("matrix", _matrix(dataset, grid, embeddings, heads))


def _rectangles(
    cells: Iterable[PaperCell],
) -> dict[tuple[tuple[Source, ...], tuple[PaperHead, ...]], tuple[str, ...]]:
    """Return embedding models by the sources and heads they share; every cell is in one of them."""
    sources = gathered(((cell.embedding, cell.head), cell.source) for cell in cells)
    heads = gathered(((embedding, found), head) for (embedding, head), found in sources.items())
    return gathered(((found, of), embedding) for (embedding, found), of in heads.items())


def _grids(sources: Iterable[Source], default_crops: tuple[int, ...]) -> Iterator[_Grid]:
    """Split sources into products. Baselines join the attention of the same crops, or are alone.

    Random crops have the sizes of a crop list, so they may only join a product of that one list.
    """
    sources = list(sources)
    attended = [each for each in sources if each.attention]
    free = [each.baseline for each in sources if each.baseline and not each.crops]
    random = [each for each in sources if each.baseline and each.crops]
    drawn = gathered((each.crops, each.baseline) for each in random)
    heads = gathered(((each.attention, each.crops), each.heads) for each in attended)
    crops = gathered(((model, ways), sizes) for (model, sizes), ways in heads.items())
    models = gathered(((sizes, ways), model) for (model, ways), sizes in crops.items())
    for (sizes, ways), names in models.items():
        # Random crops are drawn for every list of an experiment: they join one with a single list.
        alike = drawn.pop(sizes[0], ()) if len(sizes) == 1 else ()
        yield _Grid(names, sizes, ways, (*alike, *free))
        # A baseline is in one experiment only, the first, lest its cells be computed twice.
        free = []
    for crops_of_random, baselines in drawn.items():
        yield _Grid((), (crops_of_random,), ("mean",), (*baselines, *free))
        free = []
    if free:
        yield _Grid((), (default_crops,), ("mean",), tuple(free))


def _matrix(
    dataset: str, grid: _Grid, embeddings: tuple[str, ...], heads: tuple[PaperHead, ...]
) -> Content:
    attention = {"models": list(grid.models), "heads": list(grid.heads)}
    baselines = {"baselines": list(grid.baselines)} if grid.baselines else {}
    return {
        "image": {"size": CANVAS},
        **({"attention": attention} if grid.models else {}),
        "crops": {"sizes": [list(sizes) for sizes in grid.crops]},
        "embedding": {"models": list(embeddings), **baselines},
        "head": [_head(head, dataset) for head in heads],
    }


def _head(head: PaperHead, dataset: str) -> Content:
    name = {} if head.label == head.kind else {"name": head.label}
    return {"kind": head.kind, **name, **head_parameters(head, dataset)}


def _studies(maps: Iterable[PaperMap]) -> Iterator[PresetExperiment]:
    """Yield one study for every split and every set of aggregators that models share."""
    ways = gathered(((each.split, each.attention), each.heads) for each in maps)
    models = gathered(((split, heads), model) for (split, model), heads in ways.items())
    for (split, heads), names in models.items():
        attention = {"models": list(names), "heads": list(heads)}
        sections = {"attention": attention, "localize": {"split": split}}
        yield PresetExperiment("study", {"image": {"size": CANVAS}, **sections})
