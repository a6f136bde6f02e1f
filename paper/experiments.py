"""From wanted cells to experiments: as few grids as hold these cells and no other.

An experiment is a grid of sources x embedding models x heads; a table of the paper is not. So cells
are gathered into rectangles, each of which is one experiment on the same dataset.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from .cells import CANVAS, CROPS, PaperCell, PaperHead, PaperMap, Source, Target, head_parameters

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
Content = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """One experiment of a preset on a dataset, as a mapping for `load_experiment`; kind: whether a
    matrix or a localisation study answers it."""

    kind: Literal["matrix", "study"]
    content: Content


@dataclass(frozen=True)
class _Grid:
    """Sources that are a full product of models, crop lists and aggregators, and baselines."""

    models: tuple[str, ...]
    crops: tuple[tuple[int, ...], ...]
    heads: tuple[str, ...]
    baselines: tuple[str, ...]


def parts_of(name: str, dataset: str, targets: Iterable[Target]) -> tuple[Part, ...]:
    """The experiments that give the targets of one dataset, named NAME or NAME-1, NAME-2, ..."""
    here = [target for target in targets if dataset in target.datasets]
    cells = dict.fromkeys(cell for target in here for cell in target.cells)
    maps = dict.fromkeys(target.map for target in here if target.map)
    found = [*_matrices(dataset, cells), *_studies(maps)]
    base = {"dataset": {"name": dataset}}
    return tuple(
        Part(part.kind, {"name": f"{name}-{i}" if len(found) > 1 else name, **base, **part.content})
        for i, part in enumerate(found, 1)
    )


def gathered(pairs: Iterable[tuple[K, V]]) -> dict[K, tuple[V, ...]]:
    """The values of every key, each once, in order of appearance."""
    found: dict[K, dict[V, None]] = {}
    for key, value in pairs:
        found.setdefault(key, {})[value] = None
    return {key: tuple(values) for key, values in found.items()}


def _matrices(dataset: str, cells: Iterable[PaperCell]) -> Iterator[Part]:
    for (sources, heads), embeddings in _rectangles(cells).items():
        for grid in _grids(sources, CROPS.get(dataset, (64,))):
            yield Part("matrix", _matrix(dataset, grid, embeddings, heads))


def _rectangles(
    cells: Iterable[PaperCell],
) -> dict[tuple[tuple[Source, ...], tuple[PaperHead, ...]], tuple[str, ...]]:
    """(sources, heads) -> embedding models, such that every cell is in exactly one."""
    sources = gathered(((cell.embedding, cell.head), cell.source) for cell in cells)
    heads = gathered(((embedding, found), head) for (embedding, head), found in sources.items())
    return gathered(((found, of), embedding) for (embedding, found), of in heads.items())


def _grids(sources: Iterable[Source], default_crops: tuple[int, ...]) -> Iterator[_Grid]:
    """Sources as products; baselines go with the attention of the same crops, else alone."""
    sources = list(sources)
    attended = [each for each in sources if each.attention]
    free = [each.baseline for each in sources if each.baseline and not each.crops]
    random = [each for each in sources if each.baseline and each.crops]
    drawn = gathered((each.crops, each.baseline) for each in random)
    heads = gathered(((each.attention, each.crops), each.heads) for each in attended)
    crops = gathered(((model, ways), sizes) for (model, sizes), ways in heads.items())
    models = gathered(((sizes, ways), model) for (model, ways), sizes in crops.items())
    for (sizes, ways), names in models.items():
        alike = drawn.pop(sizes[0], ()) if len(sizes) == 1 else ()
        yield _Grid(names, sizes, ways, (*alike, *free))
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


def _studies(maps: Iterable[PaperMap]) -> Iterator[Part]:
    """A study for every split: models that share their aggregators."""
    ways = gathered(((each.split, each.attention), each.heads) for each in maps)
    models = gathered(((split, heads), model) for (split, model), heads in ways.items())
    for (split, heads), names in models.items():
        attention = {"models": list(names), "heads": list(heads)}
        sections = {"attention": attention, "localize": {"split": split}}
        yield Part("study", {"image": {"size": CANVAS}, **sections})
