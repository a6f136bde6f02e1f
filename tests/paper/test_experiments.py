"""Presets as experiments: they hold exactly the cells that are wanted."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2pipe.errors import UsageError
from a2pipe.paper.cells import PaperCell, PaperHead, Source, Target, target_of
from a2pipe.paper.experiments import parts_of
from a2pipe.paper.presets import PRESETS, preset
from a2pipe.paper.published import published
from a2pipe.paper.results import Replacement
from a2pipe.paper.settings import (
    Settings,
    chosen_datasets,
    experiments,
    parse_replacements,
    replaced,
)
from a2pipe.pipeline.experiment.toml import load_experiment, to_toml

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
        parts = [p for p in parts_of("x", dataset, each.targets) if p.kind == "matrix"]
        found = [cell for part in parts for cell in cells_of(part.content, dataset)]
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
    parts = parts_of("x", ANY.dataset, targets)
    found = [cell for part in parts for cell in cells_of(part.content, "d")]
    assert len(found) == len(set(found))
    assert set(found) == cells


@pytest.mark.parametrize(
    ("id", "count"), [("table-11", 1), ("table-5", 2), ("table-21", 1), ("table-30", 5)]
)
def test_no_more_experiments_than_needed(id, count):
    chosen = preset(id)
    assert sum(len(parts_of("x", d, chosen.targets)) for d in chosen.datasets) == count


def test_the_experiment_of_table_11():
    (part,) = parts_of("x", "spawrious-o2o-hard", preset("table-11").targets)
    sizes = [f"dinov2_vit{letter}14_reg" for letter in "sblg"]
    assert part.content == {
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
        (part,) = parts_of("x", dataset, targets)
        assert part.content["head"] == [
            {"kind": "dfr", "name": f"dfr seed {seed}", "variant": variant, "seed": seed}
            for seed in range(5)
        ]


def test_the_concentration_of_waterbirds_is_measured_on_its_validation_split():
    (part,) = parts_of("x", "waterbirds", preset("table-20").targets)
    assert part.kind == "study"
    assert part.content["localize"] == {"split": "val"}


def test_experiments_read_back_from_what_is_shown():
    for each in PRESETS:
        for dataset in each.datasets:
            for _, experiment in experiments(each, dataset, Settings()):
                text = to_toml(experiment, with_defaults=False)
                assert load_experiment(tomllib.loads(text)) == experiment


# --- replacements -------------------------------------------------------------------------------


def test_a_model_is_replaced_in_both_roles_or_in_one():
    both = parse_replacements([f"{SMALL}=demo_localizer_s"])
    assert both == tuple(
        Replacement(role, SMALL, "demo_localizer_s") for role in ("attention", "embedding")
    )
    (one,) = parse_replacements([f"embedding:{SMALL}=demo_embedder_s"])
    cell = replaced(target_of(ANY), [one]).cells[0]
    assert (cell.source.attention, cell.embedding) == (SMALL, "demo_embedder_s")


def test_several_models_may_have_the_same_stand_in():
    """Then their cells are one."""
    chosen = parse_replacements([f"{SMALL}=demo_localizer_s", f"{BASE}=demo_localizer_s"])
    targets = [replaced(target, chosen) for target in preset("table-11").targets]
    assert len({target.cells for target in targets}) == 9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{SMALL}=no_such_model", "There is no model called 'no_such_model'"),
        ("resnet50=demo_localizer_s", "'resnet50' is no model of the paper"),
        ("demo_localizer_s", "write PAPER_MODEL=MODEL"),
        (f"head:{SMALL}=demo_localizer_s", "write PAPER_MODEL=MODEL"),
    ],
)
def test_replacements_that_are_refused(text, message):
    with pytest.raises(UsageError, match=message):
        parse_replacements([text])


def test_a_replacement_that_the_preset_has_no_use_for_is_refused():
    settings = Settings(replacements=parse_replacements(["mae_vitb16=demo_localizer_s"]))
    with pytest.raises(UsageError, match="table-11 has no attention or embedding model mae_vitb16"):
        experiments(preset("table-11"), "spawrious-o2o-hard", settings)


# --- which datasets -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("id", "settings", "message"),
    [
        ("table-11", {}, "table-11 needs the folder of spawrious-o2o-hard: give it as --dataset"),
        ("table-11", {"only": ("waterbirds",)}, "table-11 is not about dataset 'waterbirds'"),
        ("table-31", {}, "table-31 has nothing to run: TTR"),
        ("table-11", {"roots": {"spawrious-o2o-hard": "/none"}}, "There is no folder /none"),
    ],
)
def test_runs_that_are_refused_before_anything_is_read(id, settings, message):
    roots = {name: Path(path) for name, path in settings.pop("roots", {}).items()}
    with pytest.raises(UsageError, match=message):
        chosen_datasets(preset(id), Settings(roots=roots, **settings))


def test_datasets_without_a_folder_are_left_out(tmp_path):
    settings = Settings(roots={"waterbirds": tmp_path})
    assert chosen_datasets(preset("table-1"), settings) == ["waterbirds"]
