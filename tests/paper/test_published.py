"""The paper's numbers as data: all there, named as this package names things, and consistent."""

from __future__ import annotations

from collections import Counter
from statistics import fmean

import pytest

from a2pipe.datasets.benchmarks.celeba import GROUPS
from a2pipe.datasets.benchmarks.metashift_animals import CLASSES
from a2pipe.datasets.registry import DATASETS
from a2pipe.errors import UsageError
from a2pipe.models.zoo.families import TABLE
from a2pipe.models.zoo.names import canonical
from a2pipe.paper.published import Number, published
from a2pipe.stages.aggregators import parse_aggregator

COUNTS = {
    **{1: 65, 2: 65, 3: 88, 4: 24, 5: 16, 6: 56, 7: 12, 8: 58, 9: 44, 10: 44},
    **dict.fromkeys(range(11, 16), 16),
    **{16: 6, 17: 12, 18: 42, 19: 12, 20: 12, 21: 4, 22: 12, 23: 12},
    **dict.fromkeys(range(24, 30), 12),
    **{30: 90, 31: 25},
}
DEVIATIONS = {
    **{6: 10, 7: 10, 8: 12, 9: 10, 10: 10, 16: 4, 17: 8},
    **dict.fromkeys((19, 20, 22, 23), 12),
}
SIZES = [f"dinov2_vit{letter}14_reg" for letter in "sblg"]
SMALL, GIANT = SIZES[0], SIZES[-1]
CLIP = "openclip_vitl14"
FIVE = {
    "spawrious-o2o-hard": ("accuracy", 11, 6, 27),
    "spawrious-m2m-hard": ("accuracy", 12, 6, 28),
    "waterbirds": ("wga", 13, 8, 29),
    "metashift-cat-dog": ("wga", 14, 9, 26),
    "metashift-animals": ("worst_class", 15, 10, 25),
}
"""Dataset -> metric and number of its matrix, its full table, its table with DINOv3."""


def one(table: int, **fields: object) -> Number:
    """The only number of a table with these fields."""
    (found,) = (
        each
        for each in published(table)
        if all(getattr(each, name) == value for name, value in fields.items())
    )
    return found


def test_every_table_has_all_its_numbers():
    assert Counter(each.table for each in published()) == COUNTS


def test_every_standard_deviation_is_there():
    assert Counter(each.table for each in published() if each.std is not None) == DEVIATIONS


def test_the_rows_of_a_table_are_numbered_without_gaps():
    for table in COUNTS:
        rows = [each.row for each in published(table)]
        assert rows == sorted(rows)
        assert set(rows) == set(range(1, max(rows) + 1))


@pytest.mark.parametrize(
    ("table", "row", "fields", "value", "std"),
    [
        (1, 11, {"dataset": "waterbirds"}, 94.4, None),
        (2, 13, {"dataset": "metashift-animals"}, 89.7, None),
        (3, 12, {"dataset": "waterbirds", "metric": "mass"}, 0.577, None),
        (3, 19, {"dataset": "imagenet-val", "metric": "hit"}, 0.291, None),
        (6, 4, {"dataset": "spawrious-m2m-hard"}, 58.70, None),
        (7, 2, {"dataset": "spawrious-o2o-hard"}, 88.8, 1.2),
        (8, 9, {"metric": "adjusted_accuracy"}, 94.2, 0.4),
        (9, 13, {"metric": "wga"}, 65.9, 5.1),
        (10, 14, {"metric": "accuracy"}, 91.4, 0.0),
        (17, 4, {"method": "a2-adapter"}, 66.11, 1.57),
        (18, 1, {"method": "center-lr", "metric": "wga"}, 63.6, None),
        (20, 1, {"metric": "entropy"}, 0.8763, 0.0303),
        (22, 3, {"metric": "top10"}, 0.7185, 0.1056),
        (30, 9, {"dataset": "metashift-cat-dog", "metric": "wga"}, 87.1, None),
        (31, 2, {"dataset": "metashift-animals"}, 0.71, None),
    ],
)
def test_numbers_read_off_the_paper(table, row, fields, value, std):
    found = one(table, row=row, **fields)
    assert (found.value, found.std) == (value, std)


def test_a_whole_line():
    assert one(8, row=14, metric="wga") == Number(
        table=8,
        row=14,
        label="DFR + A2",
        method="dfr-a2",
        dataset="waterbirds",
        split="test",
        subset="",
        metric="wga",
        unit="percent",
        value=91.0,
        std=0.6,
        n=0,
        attention=SMALL,
        embedding=SMALL,
        heads="",
        crops=(64,),
        image_size=0,
        parameters=21.0,
        group_labels=True,
        seeds=5,
    )


def test_no_number_is_there_twice():
    places = [
        (n.table, n.row, n.dataset, n.split, n.subset, n.metric, n.method, n.embedding)
        for n in published()
    ]
    assert len(set(places)) == len(places)


def test_names_are_those_of_this_package():
    numbers = published()
    models = {name for n in numbers for name in (n.attention, n.embedding)} - {"", "resnet50"}
    assert models <= set(TABLE)
    datasets = {n.dataset for n in numbers} - {"", "mean-of-five"}
    assert len(datasets) == 7
    assert all(name in DATASETS for name in datasets)
    assert {parse_aggregator(n.heads).kind for n in numbers if n.heads} == {
        "mean",
        "max",
        "entropy_weighted",
        "lowest_entropy_k",
    }
    assert {n.subset for n in published(17)} == set(GROUPS)
    assert {n.subset for n in published(4)} > set(CLASSES)


@pytest.mark.parametrize("table", [3, 30])
def test_models_are_those_that_the_labels_name(table):
    named = {n.label: n.attention for n in published(table) if n.attention}
    named.pop("OpenCLIP ViT-G-14", None)  # there is none of that size: it is ViT-g/14
    assert {label: canonical(label) for label in named} == named


def test_units_bound_the_values():
    bounds = {"percent": 100, "share": 1, "count": 11_000, "setting": 28}
    assert {n.unit for n in published()} == set(bounds)
    assert [n for n in published() if not 0 < n.value <= bounds[n.unit]] == []


def test_the_worst_is_better_than_all_once():
    overall: dict[tuple[object, ...], float] = {}
    worst: dict[tuple[object, ...], float] = {}
    for n in published():
        place = (n.table, n.row, n.dataset, n.method, n.subset)
        if n.metric in ("accuracy", "adjusted_accuracy"):
            overall[place] = n.value
        elif n.metric in ("wga", "worst_class", "worst"):
            worst[place] = n.value
    compared = {place: (worst[place], overall[place]) for place in worst.keys() & overall}
    assert len(compared) == 182
    assert {place: pair for place, pair in compared.items() if pair[0] > pair[1]} == {
        (18, 5, "waterbirds", "ifam-k8", "bottom5"): (100.0, 99.7)  # printed so
    }


def main_numbers() -> list[tuple[Number, list[float]]]:
    """Every number of tables 1 and 2, and what the appendix has for the same."""
    appendix = [n for table in (6, 7, 8, 9, 10, 30) for n in published(table)]
    return [(n, [a.value for a in appendix if same(n, a)]) for n in (*published(1), *published(2))]


def same(main: Number, other: Number) -> bool:
    """Whether both are about one method, its models, dataset and metric, at the usual size."""
    fields = ("method", "dataset", "metric", "attention", "embedding")
    alike = all(getattr(main, name) == getattr(other, name) for name in fields)
    return alike and other.image_size in (0, 224)


def test_the_main_tables_agree_with_the_appendix():
    for number, found in main_numbers():
        assert set(found) <= {number.value}, number


def test_what_the_main_tables_alone_have():
    alone = {(n.method, n.dataset) for n, found in main_numbers() if not found}
    spawrious = ("spawrious-o2o-hard", "spawrious-m2m-hard")
    assert alone == {
        *((method, name) for method in ("ifam-k4", "ifam-k8", "ttr") for name in FIVE),
        *((method, name) for method in ("full-lr", "a2-lr") for name in spawrious),
    }


def test_the_counts_of_the_animals_sum_to_their_totals():
    for split, total in (("train", 3690), ("test", 10_829)):
        images = {n.subset: n.value for n in published(4) if n.split == split}
        assert sum(images[name] for name in CLASSES) == images["images"] == total


def test_coverage_is_that_of_the_crops():
    for row in range(1, 5):
        crops = one(5, row=row, dataset="spawrious-o2o-hard").crops
        coverage = 100 * sum(side**2 for side in crops) / 224**2
        assert len(crops) == row
        assert one(5, row=row, metric="coverage").value == round(coverage, 1)


@pytest.mark.parametrize("dataset", FIVE)
def test_diagonals_are_the_same_model_rows(dataset):
    metric, matrix, full, _ = FIVE[dataset]
    for name in SIZES:
        same_model = {"attention": name, "embedding": name, "metric": metric, "method": "a2-lr"}
        row = one(full, dataset=dataset, **same_model)
        assert one(matrix, **same_model).value == row.value


@pytest.mark.parametrize("dataset", FIVE)
def test_matrices_hold_every_pair(dataset):
    metric, matrix, _, _ = FIVE[dataset]
    assert [(n.attention, n.embedding) for n in published(matrix, dataset, metric)] == [
        (attention, embedding) for attention in SIZES for embedding in SIZES
    ]


def test_the_smallest_attention_is_best_in_18_of_20_columns():
    best = []
    for dataset, (metric, matrix, _, _) in FIVE.items():
        for embedding in SIZES:
            column = [n for n in published(matrix, dataset, metric) if n.embedding == embedding]
            best.append(max(column, key=lambda n: n.value).attention)
    assert best.count(SMALL) == 18


def test_the_mean_table_is_the_mean_of_the_five():
    tables = [table for *_, table in FIVE.values()]
    for number in published(24):
        worst = number.metric == "worst"
        metrics = ("wga", "worst_class") if worst else ("accuracy",)
        five = [
            n.value
            for table in tables
            for n in published(table)
            if n.attention == number.attention and n.metric in metrics
        ]
        assert len(five) == 5
        assert number.value == pytest.approx(fmean(five), abs=1e-9)


@pytest.mark.parametrize("method", ["a2-adapter", "a2-default", "full-classifier"])
def test_the_groups_of_celeba_make_its_accuracies(method):
    groups = [n for n in published(17) if n.method == method]
    rounding = 0.1 if method == "full-classifier" else 0.01  # half of it on either side
    mean = sum(n.n * n.value for n in groups) / sum(n.n for n in groups)
    printed = one(16, method=method, metric="accuracy").value
    assert printed == pytest.approx(mean, abs=rounding)
    assert one(16, method=method, metric="wga").value == min(n.value for n in groups)


@pytest.mark.parametrize(
    ("method", "table", "row"), [("center-lr", 8, 2), ("a2-lr", 8, 22), ("ifam-k8", 2, 8)]
)
def test_all_strata_together_are_the_test_set(method, table, row):
    whole = one(18, method=method, metric="accuracy", subset="")
    assert whole.n == 5794
    assert whole.value == one(table, row=row, dataset="waterbirds", metric="accuracy").value


def test_the_mean_over_heads_is_the_default():
    cell = one(11, attention=GIANT, embedding=SMALL)
    assert one(21, heads="mean").value == cell.value
    for metric in ("entropy", "top10", "top25"):
        by_heads = one(23, heads="mean", metric=metric)
        by_model = one(19, attention=GIANT, metric=metric)
        assert (by_heads.value, by_heads.std) == (by_model.value, by_model.std)


def test_numbers_by_table_dataset_and_metric():
    found = published(table=30, dataset="waterbirds", metric="wga")
    assert [n.value for n in found] == [46.9, 64.5, 64.7, 58.3, 57.6, 58.4, 63.5, 62.0, 61.3]
    assert {n.embedding for n in found} == {CLIP}
    assert published(table=30, dataset="celeba") == ()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"table": 32}, "table 32; choose from: 1, 2, 3"),
        ({"dataset": "waterbird"}, "dataset 'waterbird'; choose from: spawrious-o2o-hard"),
        ({"dataset": ""}, "dataset ''; choose from:"),
        ({"metric": "f1"}, "metric 'f1'; choose from: wga, worst_class, accuracy"),
    ],
)
def test_what_the_paper_does_not_have_is_refused_in_a_sentence(asked, message):
    with pytest.raises(UsageError) as caught:
        published(**asked)
    assert message in str(caught.value)
    assert str(caught.value).count("\n") == 0
