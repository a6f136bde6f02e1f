"""The samples of an experiment: those of its dataset, held out and limited as it says."""

from a2pipe import load_collection


def test_the_dataset_is_loaded_whole(experiment, tmp_path):
    collection = load_collection(experiment(), cache=tmp_path)
    assert len(collection) == 80
    assert set(collection.splits) == {"train", "test"}


def test_a_part_of_the_training_images_is_held_out_before_the_limit(experiment, tmp_path):
    """The limit takes from the collection as it is split, so a validation split is left in it."""
    given = experiment()
    split = {**given, "dataset": {**given["dataset"], "split_val": 0.2}}
    assert set(load_collection(split, cache=tmp_path).splits) == {"train", "val", "test"}
    limited = load_collection({**split, "run": {**given["run"], "limit": 40}}, cache=tmp_path)
    assert len(limited) == 40
    assert "val" in set(limited.splits)


def test_what_is_known_of_files_is_remembered_in_the_cache(experiment, tmp_path):
    load_collection(experiment(), cache=tmp_path / "cache")
    assert any((tmp_path / "cache" / "index").iterdir())
