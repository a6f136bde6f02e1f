"""Weights put into a network: what fits, what is named that does not, and what comes out."""

from typing import Any

import pytest
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
