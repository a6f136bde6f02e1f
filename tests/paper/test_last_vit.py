"""The numbers of the LaSt-ViT paper as data, under names that this package knows."""

from a2pipe.datasets.registry import DATASETS
from a2pipe.paper.last_vit import _numbers, published_of


def test_the_rows_of_object_discovery():
    found = {
        (each.method, each.dataset): each.value
        for each in _numbers()
        if each.table == "object-discovery"
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


def test_numbers_are_of_known_datasets_and_in_percent():
    for each in _numbers():
        assert each.dataset in DATASETS
        assert each.metric in ("corloc", "miou")
        assert 0 < each.value < 100
    assert len({(each.label, each.dataset, each.metric) for each in _numbers()}) == len(_numbers())


def test_numbers_of_a_dataset_and_a_metric():
    labels = [each.label for each in published_of("coco20k", ["corloc"])]
    assert labels == ["DINO-seg, DINO ViT-S", "LOST, DINO ViT-S", "LaSt-ViT, DINO ViT-S"]
    assert {each.metric for each in published_of("voc12", ["miou"])} == {"miou"}
    assert published_of("waterbirds", ["corloc"]) == ()
    assert published_of("voc07", []) == ()
