"""The head of a model's own, from its weights file."""

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from a2pipe.errors import UsageError
from a2pipe.models.own_head import read_own_head

NAME = "vit_tiny_patch16_224"


def tensors(**changes: torch.Tensor) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    model = timm.create_model(NAME, num_classes=5, depth=1)
    model.head.weight.data.normal_()
    model.head.bias.data.normal_()
    return {**model.state_dict(), **changes}


def test_classes_are_those_of_timm(tmp_path: Path) -> None:
    save_file(tensors(), tmp_path / "w.safetensors")
    head = read_own_head(NAME, tmp_path / "w.safetensors")
    features = torch.randn(40, 192)
    model = timm.create_model(NAME, num_classes=5, depth=1)
    model.load_state_dict(tensors())
    assert head.classes == 5
    np.testing.assert_array_equal(
        head.predict(features.numpy()), model.head(features).argmax(dim=1).numpy()
    )


def test_torchvision_calls_it_otherwise(tmp_path: Path) -> None:
    weight, bias = torch.randn(3, 192), torch.randn(3)
    file = tmp_path / "w.pth"
    torch.save({"model": {"model.heads.head.weight": weight, "model.heads.head.bias": bias}}, file)
    head = read_own_head(NAME, file)
    np.testing.assert_array_equal(head.weight, weight.numpy())
    np.testing.assert_array_equal(head.bias, bias.numpy())


def test_models_without_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"demo_localizer_s_random has no head of its own in rand"):
        read_own_head("demo_localizer_s_random")
    with pytest.raises(UsageError, match=r"demo_localizer_s has no head of its own in .*: choose"):
        read_own_head("demo_localizer_s")
    distilled = tensors(**{"head_dist.weight": torch.zeros(5, 192)})
    save_file(distilled, tmp_path / "w.safetensors")
    with pytest.raises(UsageError, match="has no head of its own"):
        read_own_head(NAME, tmp_path / "w.safetensors")
