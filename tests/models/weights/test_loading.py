"""Weights put into a network: what fits, what is named that does not, and what comes out."""

from typing import Any

import pytest
import timm
import torch
from torch import Tensor

from a2pipe.errors import A2pipeError
from a2pipe.models.architecture import Architecture, empty_network
from a2pipe.models.weights.loading import check_fit, check_numbers, load_weights
from a2pipe.models.weights.random_init import random_tensors

ARGUMENTS = (("depth", 1), ("embed_dim", 8), ("num_heads", 2), ("patch_size", 4))


@pytest.fixture
def network() -> Any:
    """A network of one block on the meta device."""
    return empty_network(Architecture("VisionTransformer", ARGUMENTS, "antialias", grid=2))


@pytest.fixture
def tensors(network) -> dict[str, Tensor]:
    return random_tensors(network)


def refusal(check, *given: Any) -> str:
    with pytest.raises(A2pipeError) as refused:
        check(*given, "w.pth")
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_what_is_loaded_is_float32_frozen_and_in_evaluation_mode(network, tensors) -> None:
    half = {name: tensor.half() for name, tensor in tensors.items()}
    loaded = load_weights(network, half, "w.pth")
    assert not loaded.training
    for name, parameter in loaded.named_parameters():
        assert parameter.dtype == torch.float32
        assert not parameter.requires_grad
        assert torch.equal(parameter, half[name].float())


def test_what_is_missing_left_over_or_of_another_shape_is_counted_and_named(
    network, tensors
) -> None:
    check_fit(network, tensors, "w.pth")
    del tensors["norm.bias"]
    tensors |= {f"extra.{number}": torch.zeros(1) for number in range(5)}
    tensors["cls_token"] = torch.zeros(1, 1, 9)
    said = refusal(check_fit, network, tensors)
    assert "do not fit the model: 7 tensors differ, 1 missing (norm.bias)" in said
    assert "5 left over (extra.0, extra.1, extra.2, ...)" in said
    assert "1 of another shape (cls_token 1x1x9 for 1x1x8)" in said


def test_one_difference_is_said_in_the_singular(network, tensors) -> None:
    del tensors["norm.bias"]
    assert "1 tensor differs, 1 missing" in refusal(check_fit, network, tensors)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused(value) -> None:
    check_numbers({"a": torch.zeros(2)}, "w.pth")
    said = refusal(check_numbers, {"a": torch.zeros(2), "b": torch.tensor([0.0, value])})
    assert "not finite floating-point numbers (tensor b)" in said


def test_whole_numbers_are_no_weights() -> None:
    assert "(tensor a)" in refusal(check_numbers, {"a": torch.zeros(2, dtype=torch.int8)})


def test_buffers_that_no_file_holds_are_computed() -> None:
    arguments = (("depth", 1), ("embed_dim", 48), ("num_heads", 3))
    network = empty_network(Architecture("vit_small_patch16_dinov3", arguments, "antialias"))
    assert any(buffer.is_meta for buffer in network.buffers())
    loaded = load_weights(network, random_tensors(network), "w.pth")
    assert not any(buffer.is_meta for buffer in loaded.buffers())
    assert all(bool(buffer.isfinite().all()) for buffer in loaded.buffers())


# --- networks that are no ViTs ------------------------------------------------------------------


def outlined(name: str):
    with torch.device("meta"):
        return timm.create_model(name, num_classes=0)


@pytest.mark.parametrize("name", ["test_resnet", "test_convnext", "test_efficientnet"])
def test_any_network_of_timm_loads_from_timms_own_file_without_its_classifier(name) -> None:
    whole = timm.create_model(name)
    module = load_weights(outlined(name), whole.state_dict(), "here")
    assert not module.training
    wanted = timm.create_model(name, num_classes=0).state_dict()
    state = module.state_dict()
    assert state.keys() == wanted.keys()
    for key, values in state.items():
        assert torch.equal(values, whole.state_dict()[key]), key
        assert values.dtype == wanted[key].dtype


def test_counts_of_batches_may_lack_and_nothing_else() -> None:
    state = timm.create_model("test_resnet").state_dict()
    older = {name: value for name, value in state.items() if "num_batches" not in name}
    load_weights(outlined("test_resnet"), older, "here")
    del older["bn1.running_mean"]
    with pytest.raises(A2pipeError, match=r"1 tensor differs, 1 missing \(bn1\.running_mean\)"):
        load_weights(outlined("test_resnet"), older, "here")


def test_statistics_that_are_not_finite_are_refused() -> None:
    state = timm.create_model("test_resnet").state_dict()
    state["bn1.running_var"][0] = torch.nan
    with pytest.raises(A2pipeError, match=r"not finite .* \(tensor bn1\.running_var\)"):
        load_weights(outlined("test_resnet"), state, "here")


def test_attention_is_fused_wherever_it_is(monkeypatch) -> None:
    """In Swin's windows too, which timm leaves to the environment."""
    small = {"embed_dim": 16, "depths": (1, 1, 1, 1), "num_heads": (1, 2, 4, 4)}
    create = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda name, **given: create(name, **small, **given))
    name = "swin_tiny_patch4_window7_224"
    module = load_weights(outlined(name), timm.create_model(name).state_dict(), "here")
    fused = [part.fused_attn for part in module.modules() if hasattr(part, "fused_attn")]
    assert fused == [True] * 4
