"""The numbers of the LaSt-ViT paper as data, under names that this package knows."""

from a2pipe.cli import cli
from a2pipe.datasets.registry import DATASETS
from a2pipe.paper.last_vit import numbers, overview, published_of
from a2pipe.reports.masking.published import READ_OFF


def test_the_rows_of_object_discovery():
    found = {
        (each.method, each.dataset): each.value
        for each in numbers()
        if each.table == "object-discovery" and each.metric == "corloc"
    }
    datasets = ("voc07", "voc12", "coco20k")
    printed = {
        "DINO-seg": (45.8, 46.2, 42.1),
        "LOST": (61.9, 64.0, 50.7),
        "LaSt-ViT": (64.4, 67.6, 51.6),
    }
    assert found == {
        (method, dataset): value
        for method, values in printed.items()
        for dataset, value in zip(datasets, values, strict=True)
    }


def test_numbers_are_of_known_datasets_and_stand_once():
    for each in numbers():
        assert each.dataset in DATASETS or not each.dataset
        assert each.value > 0
        if not each.metric.startswith(("norm_", "images_per")):
            assert each.value < 100
    assert len({(each.label, each.dataset, each.metric) for each in numbers()}) == len(numbers())


def rows(table, metric):
    return {
        each.label: each.value
        for each in numbers()
        if each.table == table and each.metric == metric
    }


def test_point_in_box_of_the_paper():
    found = rows("point-in-box", "point_in_box")
    assert len(found) == 12
    assert found["plain, supervised ViT"] == 42.7
    assert found["LaSt-ViT, supervised ViT"] == 55.1
    assert found["LaSt-ViT, DINO ViT"] == 69.7
    assert rows("window-attention", "top1") == {
        "global attention, supervised ViT-S": 72.3,
        "window attention in four layers, supervised ViT-S": 71.7,
        "window attention in all layers, supervised ViT-S": 63.9,
    }


def test_the_masking_curves_are_those_that_the_probe_draws():
    found = list(rows("masking", "top1").values())
    orders = ("highest", "random", "lowest")
    assert found == [value for order in orders for value in READ_OFF[order]]


def test_what_a_figure_alone_has_is_read_off():
    read_off = {each.table for each in numbers() if each.read_off}
    assert read_off == {"patch-size", "masking", "norms"}
    assert read_off.isdisjoint(each.table for each in numbers() if not each.read_off)


def test_the_overview_has_every_table_with_a_command_that_exists():
    found = {line["id"].removeprefix("last-vit/"): line for line in overview()}
    assert {table: line["numbers"] for table, line in found.items()} == {
        "object-discovery": 11,
        "choice-of-k": 33,
        "coarse-segmentation": 6,
        "point-in-box": 12,
        "window-attention": 6,
        "patch-size": 4,
        "masking": 21,
        "norms": 6,
        "checkpoint": 5,
    }
    assert found["norms"] == {
        "id": "last-vit/norms",
        "what": "norms of patches (a figure)",
        "datasets": ["imagenet-val"],
        "numbers": 6,
        "read_off": 6,
        "command": "a2pipe patches",
    }
    commands = {line["command"].split()[1] for line in found.values() if line["command"]}
    assert commands <= {*cli.commands}


def test_numbers_of_a_dataset_and_a_metric():
    labels = [each.label for each in published_of("coco20k", ["corloc"])]
    assert labels == ["DINO-seg, DINO ViT-S", "LOST, DINO ViT-S", "LaSt-ViT, DINO ViT-S"]
    assert {each.metric for each in published_of("voc12", ["miou"])} == {"miou"}
    assert published_of("waterbirds", ["corloc"]) == ()
    assert published_of("voc07", []) == ()
