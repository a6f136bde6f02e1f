"""Every published number is mapped to cells of an experiment, or there is a reason."""

from collections import Counter

import pytest

from a2pipe.paper.cells import PaperCell, PaperHead, PaperMap, Source, head_parameters, target_of
from a2pipe.paper.presets import PRESETS, preset
from a2pipe.paper.published import Number, published

SMALL, GIANT = "dinov2_vits14_reg", "dinov2_vitg14_reg"
FIVE = {
    "spawrious-o2o-hard": (64, 32),
    "spawrious-m2m-hard": (64, 32),
    "waterbirds": (64,),
    "metashift-cat-dog": (64, 32),
    "metashift-animals": (64, 32),
}
LOGISTIC = PaperHead("logistic")
PROBE = PaperHead("logistic", projected=True)


def number(table: int, **fields: object) -> Number:
    """The first number of a table with these fields."""
    return next(n for n in published(table) if all(getattr(n, k) == v for k, v in fields.items()))


def cells(table: int, **fields: object) -> tuple[PaperCell, ...]:
    return target_of(number(table, **fields)).cells


@pytest.mark.parametrize("each", PRESETS, ids=lambda each: each.id)
def test_every_number_is_measured_somewhere_or_has_a_reason(each):
    assert each.targets
    for target in each.targets:
        wanted = {"cells": target.cells, "map": target.map, "none": target.reason}
        assert wanted.get(target.how, True), target.number.key
        assert bool(target.reason) == (target.how == "none")


def test_how_the_numbers_of_the_tables_are_made():
    counted = Counter((t.number.table, t.how) for each in PRESETS for t in each.targets)
    numbers = {place: n for place, n in counted.items() if place[0] not in range(24, 30)}
    assert numbers == {
        **{(1, "cells"): 50, (1, "none"): 15, (2, "cells"): 50, (2, "none"): 15},
        **{(3, "map"): 88, (4, "count"): 24, (5, "coverage"): 4, (5, "cells"): 12},
        **{(6, "cells"): 46, (6, "none"): 10, (7, "cells"): 12},
        **{(8, "cells"): 46, (8, "none"): 12, (9, "cells"): 44, (10, "cells"): 44},
        **{(table, "cells"): 16 for table in range(11, 16)},
        **{(16, "cells"): 2, (16, "none"): 4, (17, "cells"): 4, (17, "none"): 8},
        **{(18, "cells"): 28, (18, "none"): 14, (21, "cells"): 4},
        **{(table, "map"): 12 for table in (19, 20, 22, 23)},
        **{(30, "cells"): 90, (31, "none"): 25},
    }
    assert counted[24, "mean"] == 12


def test_the_cells_of_a_matrix():
    """Four attention by four embedding models, each once, on one dataset."""
    for table, dataset in zip(range(11, 16), FIVE, strict=True):
        found = [target.cells for target in preset(f"table-{table}").targets]
        assert {len(each) for each in found} == {1}
        places = {(cell.source.attention, cell.embedding) for (cell,) in found}
        assert len(places) == 16
        assert {cell.dataset for (cell,) in found} == {dataset}
        assert {cell.source.crops for (cell,) in found} == {FIVE[dataset]}
        assert {cell.head for (cell,) in found} == {LOGISTIC}


def test_crops_of_every_attention_row():
    for n in published():
        if n.method in ("a2-lr", "dfr-a2") and n.table not in (5, 24):
            assert {cell.source.crops for cell in target_of(n).cells} == {FIVE[n.dataset]}
        if n.method == "a2-zs":
            assert {cell.source.crops for cell in target_of(n).cells} == {(128,)}


def test_crops_of_the_ablation():
    found = [cells(5, row=row, dataset="metashift-animals") for row in (1, 2, 3, 4)]
    assert [cell.source.crops for (cell,) in found] == [(64,) * n for n in (1, 2, 3, 4)]


def test_baselines():
    place = {"dataset": "waterbirds", "metric": "wga"}
    one = [
        cells(8, method="full-lr", image_size=224, embedding=SMALL, **place),
        cells(8, method="full-lr", image_size=518, embedding=SMALL, **place),
        cells(8, method="center-lr", embedding=GIANT, **place),
        cells(8, method="s2-lr", **place),
    ]
    sources = [cell.source for (cell,) in one]
    assert sources == [Source(baseline=b) for b in ("full", "full@518", "center:128", "s2")]
    assert {cell.head for (cell,) in one} == {LOGISTIC}


def test_random_crops_are_those_of_the_dataset_under_five_seeds():
    found = cells(9, method="random-lr")
    assert [cell.source for cell in found] == [
        Source(crops=(64, 32), baseline=f"random:{seed}") for seed in range(5)
    ]


def test_dfr_is_refitted_under_five_seeds():
    found = cells(6, method="dfr-a2", dataset="spawrious-m2m-hard")
    assert [cell.head for cell in found] == [PaperHead("dfr", seed) for seed in range(5)]
    assert {cell.source for cell in found} == {Source(SMALL, (64, 32), "mean")}
    assert {cell.source for cell in cells(6, method="dfr")} == {Source(baseline="full")}


def test_zero_shot_on_the_full_image_and_on_one_crop():
    full, crop = cells(30, method="full-zs"), cells(30, method="a2-zs", row=2)
    assert full[0].source == Source(baseline="full")
    assert crop[0].source == Source(SMALL, (128,), "mean")
    assert {full[0].head, crop[0].head} == {PaperHead("zero-shot")}


def test_the_aggregators_of_table_21():
    heads = [target.cells[0].source.heads for target in preset("table-21").targets]
    assert sorted(heads) == ["entropy_weighted", "lowest_entropy_k:6", "max", "mean"]


def test_attention_maps_of_the_localisation_tables():
    assert target_of(number(20, row=1)).map == PaperMap("waterbirds", "val", SMALL, "mean")
    assert target_of(number(3, row=1)).map == PaperMap("waterbirds", "test", "dino_vits16", "mean")
    assert len({target.map for target in preset("table-3").targets}) == 44


@pytest.mark.parametrize(
    ("table", "method", "why"),
    [
        (6, "erm", "ResNet-50 rows are from earlier papers: published numbers only"),
        (8, "dfr", "ResNet-50 rows are from earlier papers: published numbers only"),
        (18, "ifam-k8", "iFAM is trained end to end: published numbers only"),
        (16, "a2-adapter", "the adapter for CelebA is not implemented"),
    ],
)
def test_why_a_row_cannot_be_run(table, method, why):
    assert target_of(number(table, method=method)).reason == why


def test_openclips_own_probe_sees_projected_features():
    """Section 13 of A2: logistic regression on the image features of OpenCLIP."""
    probes = [t for n in published(8) if (t := target_of(n)).cells and "openclip" in n.embedding]
    heads = {cell.head for target in probes for cell in target.cells}
    assert heads == {PROBE, PaperHead("zero-shot")}
    assert head_parameters(PROBE, "waterbirds") == {"projected": True}
