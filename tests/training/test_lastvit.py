"""One classifier is trained."""

import torch

from a2pipe.training.arms import arms_of
from a2pipe.training.run import train_lastvit


def weights(path):
    from safetensors.torch import load_file

    return load_file(path)


def test_all_patches_and_the_mean_train_to_the_same_bits(experiment, tmp_path, progress):
    made = experiment(pool=["mean", "selective:N"])
    train_lastvit(made, tmp_path / "cache", tmp_path / "out", progress)
    for file in ("backbone.safetensors", "head.safetensors"):
        one, other = (weights(tmp_path / "out" / arm.name / file) for arm in arms_of(made, 2))
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)
    one, other = (
        (tmp_path / "out" / arm.name / "curves.csv").read_text() for arm in arms_of(made, 2)
    )
    assert one == other
