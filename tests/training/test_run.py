"""All arms are trained, summed up and refused where they cannot be."""

import sys

import pytest

from a2pipe.datasets.registry import load
from a2pipe.errors import UsageError
from a2pipe.training.curves import read_rows
from a2pipe.training.run import recipe_of, settings_of, train_lastvit


def test_a_table_has_a_row_for_each_arm(experiment, tmp_path, progress):
    made = experiment(pool=["cls", "selective:1"], window=[0, 3])
    found = train_lastvit(made, tmp_path / "cache", tmp_path / "out", progress)
    assert len(found.rows) == 4
    assert found.remarks == ()
    assert {"pool", "window", "accuracy", "pib_votes", "accuracy_lowest_50"} <= {*found.rows[0]}
    assert (tmp_path / "out" / "curves.png").exists()
    folder = tmp_path / "out" / "cls_patch-8_seed-0"
    steps = [row["step"] for row in read_rows(folder / "curves.csv")]
    assert steps == [0, 2, 4, 6]

    before = (folder / "checkpoint.safetensors").stat().st_mtime_ns
    again = train_lastvit(made, tmp_path / "cache", tmp_path / "out", progress)
    assert again.rows == found.rows
    assert (folder / "checkpoint.safetensors").stat().st_mtime_ns == before


def test_another_dataset_or_recipe_is_not_gone_on_with(experiment, tmp_path, progress):
    train_lastvit(experiment(), tmp_path / "cache", tmp_path / "out", progress)
    with pytest.raises(UsageError, match=r"of a training with other settings \(decay\)"):
        train_lastvit(experiment(decay=0.1), tmp_path / "cache", tmp_path / "out", progress)


def test_the_recipe_follows_epochs_and_batch(experiment):
    recipe = recipe_of(experiment(epochs=100, batch=512, warmup=0.01), 1_281_167)
    assert (recipe.steps, recipe.warmup, recipe.decay) == (250_228, 2502, 0.3)
    assert recipe_of(experiment(epochs=0.001), 20).steps == 1


def test_settings_hold_what_decides_the_bits(experiment, photos):
    from a2pipe.training.arms import arms_of

    made = experiment(tensorboard=True)
    (arm,) = arms_of(made, 2)
    collection = load(str(photos / "manifest.csv"))
    settings = settings_of(made, collection, arm)
    assert settings["pool"] == "selective:1"
    assert settings["dataset"] == collection.digest
    assert "tensorboard" not in settings


@pytest.mark.parametrize(
    ("section", "values", "reason"),
    [
        ("run", {"precision": "fp16"}, "fp16 would overflow"),
        ("image", {"decode": "nvjpeg"}, "decodes with Pillow"),
    ],
)
def test_what_the_rest_of_an_experiment_may_not_say(
    experiment, tmp_path, progress, section, values, reason
):
    made = experiment()
    changed = getattr(made, section).model_copy(update=values)
    with pytest.raises(UsageError, match=reason):
        train_lastvit(made.model_copy(update={section: changed}), None, tmp_path, progress)


def test_a_resnet_is_an_arm_like_the_others(experiment, tmp_path, progress):
    made = experiment(network="resnet18", epochs=0.2)
    found = train_lastvit(made, tmp_path / "cache", tmp_path / "out", progress)
    (row,) = found.rows
    assert (row["network"], row["pool"], row["step"]) == ("resnet18", "selective:1", 1)
    assert "pib_cls" not in row
    assert 0 <= row["pib_pooled"] <= 1


def test_event_files_without_tensorboard_are_refused_before_anything(
    experiment, tmp_path, progress, monkeypatch
):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError, match="TensorBoard"):
        train_lastvit(experiment(tensorboard=True), None, tmp_path / "out", progress)
    assert not (tmp_path / "out").exists()
