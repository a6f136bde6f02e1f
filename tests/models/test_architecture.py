"""What shapes a network, and networks without memory."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from a2pipe.errors import A2pipeError, UsageError
from a2pipe.models.architecture import (
    Architecture,
    architecture_of,
    count_parameters,
    empty_network,
)
from a2pipe.models.backbone import load_backbone
from a2pipe.models.zoo.families import TABLE
from a2pipe.models.zoo.names import resolve

DESIGN = {"dim": 96, "depth": 4, "heads": 3, "patch": 8, "grid": 6}


def test_a_hub_name_is_its_timm_name_unless_positions_differ() -> None:
    def canonical(name: str) -> str:
        return architecture_of(resolve(name), None).canonical()

    assert canonical("dinov2_vits14_reg") == canonical("vit_small_patch14_reg4_dinov2.lvd142m")
    assert canonical("dinov2_vits14") != canonical("vit_small_patch14_dinov2.lvd142m")


def test_weights_that_do_not_say_their_architecture_are_refused(tmp_path) -> None:
    save_file({"cls_token": torch.zeros(1, 1, 96)}, tmp_path / "w.safetensors")
    with pytest.raises(A2pipeError, match="do not say the architecture"):
        load_backbone("demo_localizer_s", weights=tmp_path / "w.safetensors")


@pytest.mark.parametrize(
    "change",
    [{"heads": 5}, {"heads": 0}, {"dim": "96"}, {"grid": 6.5}, {"depth": -1}, {"patch": None}],
    ids=str,
)
def test_an_architecture_that_cannot_be_is_refused(change, tmp_path) -> None:
    path = tmp_path / "odd.safetensors"
    save_file({"a": torch.zeros(1)}, path, {"architecture": json.dumps({**DESIGN, **change})})
    with pytest.raises(A2pipeError) as refusal:
        load_backbone("demo_localizer_s", weights=path, device="cpu")
    assert "\n" not in str(refusal.value)


def test_the_description_leaves_out_the_grid_and_orders_its_keys() -> None:
    found = Architecture("VisionTransformer", (("depth", 2), ("embed_dim", 24)), "offset", grid=9)
    assert found.canonical() == (
        '{"arguments":{"depth":2,"embed_dim":24},"library":"timm","model":"VisionTransformer",'
        '"positions":"offset"}'
    )
    assert replace(found, grid=3).canonical() == found.canonical()


def test_a_weights_file_that_says_its_architecture_is_believed(tmp_path) -> None:
    path = tmp_path / "w.safetensors"
    save_file({"a": torch.zeros(1)}, path, {"architecture": json.dumps({**DESIGN, "depth": 2})})
    entry = TABLE["demo_localizer_s_random"]
    assert dict(architecture_of(entry, path).arguments)["depth"] == 2
    assert dict(architecture_of(entry, None).arguments)["depth"] == 4
    assert architecture_of(entry, path).grid == 6


def test_a_network_on_the_meta_device_has_shapes_and_no_numbers() -> None:
    before = torch.get_rng_state()
    network = empty_network(architecture_of(TABLE["demo_localizer_s_random"], None))
    assert {parameter.device.type for parameter in network.parameters()} == {"meta"}
    assert network.pos_embed.shape == (1, 1 + 6 * 6, 96)
    assert torch.equal(torch.get_rng_state(), before)


def test_parameters_are_counted_by_hand() -> None:
    arguments = (("depth", 1), ("embed_dim", 8), ("num_heads", 2), ("patch_size", 4))
    network = empty_network(Architecture("VisionTransformer", arguments, "antialias", grid=2))
    attention, mlp, norms = 4 * 8 * 8 + 4 * 8, 2 * 8 * 32 + 32 + 8, 3 * 2 * 8
    patches, positions = 3 * 4 * 4 * 8 + 8, 5 * 8 + 8
    assert count_parameters(network) == attention + mlp + norms + patches + positions


def test_what_timm_cannot_build_is_one_sentence() -> None:
    odd = Architecture("vit_base_patch16_224", (("embed_dim", 7),), "antialias")
    with pytest.raises(UsageError, match="Timm cannot outline vit_base_patch16_224") as refusal:
        empty_network(odd)
    assert "\n" not in str(refusal.value)
