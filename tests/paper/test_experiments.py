"""Presets as experiments: they hold exactly the cells that are wanted."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2pipe.paper.cells import PaperCell, PaperHead, Source, Target
from a2pipe.paper.experiments import preset_experiments
from a2pipe.paper.presets import PRESETS, preset
from a2pipe.paper.published import published
from a2pipe.paper.settings import Settings, experiments
from a2pipe.pipeline.experiment.load import load_experiment
from a2pipe.pipeline.experiment.toml import to_toml

SMALL, BASE = "dinov2_vits14_reg", "dinov2_vitb14_reg"
ANY = published(11)[0]


def cells_of(content: dict, dataset: str) -> list[PaperCell]:
    """Every cell of an experiment's grid, counted here by plain loops."""
    attention, embedding = content.get("attention", {}), content["embedding"]
    sources = [
        Source(model, tuple(crops), heads)
        for model in attention.get("models", [])
        for heads in attention["heads"]
        for crops in content["crops"]["sizes"]
    ]
    for baseline in embedding.get("baselines", []):
        drawn = content["crops"]["sizes"] if baseline.startswith("random") else [()]
        sources += [Source(crops=tuple(crops), baseline=baseline) for crops in drawn]
    return [
        PaperCell(dataset, source, model, head)
        for source in sources
        for model in embedding["models"]
        for head in map(head_of, content["head"])
    ]


def head_of(content: dict) -> PaperHead:
    return PaperHead(content["kind"], content.get("seed", -1), content.get("projected", False))


@pytest.mark.parametrize("each", PRESETS, ids=lambda each: each.id)
def test_the_experiments_of_a_preset_hold_its_cells_and_no_other(each):
    for dataset in each.datasets:
        planned = [p for p in preset_experiments("x", dataset, each.targets) if p.kind == "matrix"]
        found = [cell for one in planned for cell in cells_of(one.content, dataset)]
        wanted = {cell for t in each.targets for cell in t.cells if cell.dataset == dataset}
        assert len(found) == len(set(found))
        assert set(found) == wanted


SOURCES = st.sampled_from(
    [Source(model, crops, "mean") for model in "abc" for crops in ((64,), (64, 32))]
    + [Source("a", (64,), "max"), Source(baseline="full"), Source(crops=(9,), baseline="random:1")]
)
CELLS = st.builds(
    PaperCell,
    st.just("d"),
    SOURCES,
    st.sampled_from("xyz"),
    st.sampled_from([PaperHead("logistic"), PaperHead("dfr", 1)]),
)


@given(st.sets(CELLS, max_size=30))
def test_any_set_of_cells_is_cut_into_grids_without_rest(cells):
    targets = [Target(ANY, "cells", (cell,)) for cell in cells]
    planned = preset_experiments("x", ANY.dataset, targets)
    found = [cell for one in planned for cell in cells_of(one.content, "d")]
    assert len(found) == len(set(found))
    assert set(found) == cells


@pytest.mark.parametrize(
    ("id", "count"), [("table-11", 1), ("table-5", 2), ("table-21", 1), ("table-30", 5)]
)
def test_no_more_experiments_than_needed(id, count):
    chosen = preset(id)
    assert sum(len(preset_experiments("x", d, chosen.targets)) for d in chosen.datasets) == count


def test_the_experiment_of_table_11():
    (found,) = preset_experiments("x", "spawrious-o2o-hard", preset("table-11").targets)
    sizes = [f"dinov2_vit{letter}14_reg" for letter in "sblg"]
    assert found.content == {
        "name": "x",
        "dataset": {"name": "spawrious-o2o-hard"},
        "image": {"size": 224},
        "attention": {"models": sizes, "heads": ["mean"]},
        "crops": {"sizes": [[64, 32]]},
        "embedding": {"models": sizes},
        "head": [{"kind": "logistic"}],
    }


def test_dfr_of_waterbirds_uses_the_validation_split_and_elsewhere_the_training_split():
    for table, dataset, variant in ((8, "waterbirds", "val"), (9, "metashift-cat-dog", "train")):
        targets = [t for t in preset(f"table-{table}").targets if t.number.method == "dfr-a2"]
        (found,) = preset_experiments("x", dataset, targets)
        assert found.content["head"] == [
            {"kind": "dfr", "name": f"dfr seed {seed}", "variant": variant, "seed": seed}
            for seed in range(5)
        ]


def test_the_concentration_of_waterbirds_is_measured_on_its_validation_split():
    (found,) = preset_experiments("x", "waterbirds", preset("table-20").targets)
    assert found.kind == "study"
    assert found.content["localize"] == {"split": "val"}


def test_experiments_read_back_from_what_is_shown():
    for each in PRESETS:
        for dataset in each.datasets:
            for _, experiment in experiments(each, dataset, Settings()):
                text = to_toml(experiment, with_defaults=False)
                assert load_experiment(tomllib.loads(text)) == experiment
