"""A trained network is weights of a backbone at once."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load

from a2pipe.errors import A2pipeError
from a2pipe.models.backbone import load_backbone
from a2pipe.models.classifiers.design import Design
from a2pipe.models.classifiers.network import build_classifier, settle
from a2pipe.models.classifiers.saving import backbone_bytes, head_bytes
from a2pipe.models.preprocessing import normalize
from a2pipe.models.zoo.model_entry import IMAGENET

DESIGN = Design("vit", "cls", 3, 24, 4, 24, 2, 2)


def test_the_backbone_computes_what_was_trained(tmp_path):
    network = settle(build_classifier(DESIGN, 0).eval(), torch.device("cpu"), "fp32")
    path = tmp_path / "backbone.safetensors"
    path.write_bytes(backbone_bytes(network))
    backbone = load_backbone("lastvit", weights=path, device="cpu")
    info = backbone.info
    assert (info.dim, info.blocks, info.heads, info.patch, info.input_size) == (24, 2, 2, 4, 24)

    pixels = torch.rand(2, 3, 24, 24)
    with torch.no_grad():
        expected = network.tokens(normalize(pixels, *IMAGENET)).cls
    torch.testing.assert_close(torch.from_numpy(backbone.embed(pixels)), expected)


def test_a_windowed_network_is_no_backbone(tmp_path):
    network = build_classifier(replace(DESIGN, window=3), 0)
    path = tmp_path / "backbone.safetensors"
    path.write_bytes(backbone_bytes(network))
    with pytest.raises(A2pipeError, match="windowed attention"):
        load_backbone("lastvit", weights=path, device="cpu")


def test_the_head_lies_in_a_file_of_its_own():
    network = build_classifier(DESIGN, 0)
    assert {*load(head_bytes(network, ("a", "b", "c")))} == {"weight", "bias"}
    assert not [name for name in load(backbone_bytes(network)) if name.startswith("head")]


def test_a_resnet_fits_the_network_of_timm():
    import timm

    network = build_classifier(Design("resnet18", "mean", 3, 64), 0)
    tensors = load(backbone_bytes(network))
    timm.create_model("resnet18", num_classes=0).load_state_dict(tensors, strict=True)
