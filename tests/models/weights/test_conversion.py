"""Checkpoints as each family's authors publish them: small, under the real names and nesting."""

import argparse
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import open_clip
import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models.swin_transformer import SwinTransformer
from torch import Tensor, nn
from torch.nn.functional import silu
from torchvision.models.vision_transformer import VisionTransformer

from a2pipe.errors import A2pipeError
from a2pipe.models.backbone import load_backbone
from a2pipe.models.preprocessing import normalize
from a2pipe.models.weights.conversion import to_timm
from a2pipe.models.zoo.model_entry import IMAGENET
from a2pipe.models.zoo.names import resolve

NARROW: dict[str, Any] = {"embed_dim": 48, "depth": 3, "num_heads": 3}
SWIN: dict[str, Any] = {"embed_dim": 16, "depths": (1, 1, 1, 1), "num_heads": (1, 2, 4, 4)}
SWIN["num_classes"] = 0
Checkpoint = dict[str, Any]


@pytest.fixture(autouse=True)
def network(monkeypatch, sharpened) -> Callable[[str], Any]:
    """Make every timm model narrow; give one by its timm name, with sharp attention."""
    original = timm.create_model

    def narrow(model: str, **given: Any) -> nn.Module:
        return original(model, **{**NARROW, **given})

    monkeypatch.setattr(timm, "create_model", narrow)
    return lambda name: sharpened(narrow(name, num_classes=0))


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape)))


def renamed(state: Checkpoint, *pairs: tuple[str, str]) -> Checkpoint:
    """timm's names under the official ones."""
    found = {}
    for name, tensor in state.items():
        for old, new in pairs:
            name = name.replace(old, new)
        found[name] = tensor
    return found


# --- one function a format: what the file of a timm network holds -------------------------------


def timm_file(state: Checkpoint) -> Checkpoint:
    return {**state, "head.weight": noise(10, 48), "head.bias": noise(10)}


def dino_hub(state: Checkpoint) -> Checkpoint:
    return dict(state)


def dino_full(state: Checkpoint) -> Checkpoint:
    backbone = {f"module.backbone.{name}": tensor for name, tensor in state.items()}
    head = {"module.head.mlp.0.weight": noise(64, 48), "module.head.last_layer.weight_g": noise(64)}
    return {
        "student": {name: torch.zeros_like(tensor) for name, tensor in backbone.items()},
        "teacher": {**backbone, **head},
        "optimizer": {"state": {}, "param_groups": [{"lr": 1e-4, "params": [0]}]},
        "epoch": 100,
        "args": argparse.Namespace(arch="vit_small", patch_size=16, lr=5e-4, use_fp16=True),
        "dino_loss": {"center": noise(1, 64)},
    }


def dinov2(state: Checkpoint) -> Checkpoint:
    return {**state, "mask_token": noise(1, 48)}


def dinov2_registers(state: Checkpoint) -> Checkpoint:
    of_cls = noise(1, 1, 48)
    rest = {n: t for n, t in state.items() if n not in ("reg_token", "cls_token", "pos_embed")}
    return {
        **rest,
        "cls_token": state["cls_token"] - of_cls,
        "pos_embed": torch.cat([of_cls, state["pos_embed"]], dim=1),
        "register_tokens": state["reg_token"],
        "mask_token": noise(1, 48),
    }


def dinov2_giant(state: Checkpoint) -> Checkpoint:
    swiglu = ((".mlp.fc1.", ".mlp.w12."), (".mlp.fc2.", ".mlp.w3."))
    return renamed(dinov2_registers(state), *swiglu)


def without_mask_token(checkpoint: Checkpoint) -> Checkpoint:
    return {name: tensor for name, tensor in checkpoint.items() if name != "mask_token"}


def dinov3(state: Checkpoint) -> Checkpoint:
    official = renamed(
        state,
        ("reg_token", "storage_tokens"),
        (".gamma_1", ".ls1.gamma"),
        (".gamma_2", ".ls2.gamma"),
        (".mlp.fc1_g.", ".mlp.w1."),
        (".mlp.fc1_x.", ".mlp.w2."),
    )
    if any(".mlp.w1." in name for name in official):
        official = renamed(official, (".mlp.fc2.", ".mlp.w3."))
    return {**official, "mask_token": noise(1, 48), "rope_embed.periods": noise(4).bfloat16()}


def dinov3_biases(state: Checkpoint, value: float = 0.0) -> Checkpoint:
    """With the biases that LinearKMaskedBias keeps: those of the keys are never used."""
    official = dinov3(state)
    for block in range(3):
        name = f"blocks.{block}.attn.qkv.bias"
        bias = torch.full((144,), value)
        bias[48:96] = torch.nan
        mask = torch.ones(144)
        mask[48:96] = 0
        official |= {name: bias, f"{name}_mask": mask}
    return official


def dinov3_7b(state: Checkpoint) -> Checkpoint:
    local = {"local_cls_norm.weight": noise(48), "local_cls_norm.bias": noise(48)}
    return {**dinov3(state), **local}


def mae(state: Checkpoint) -> Checkpoint:
    return {"model": dict(state)}


def mae_full(state: Checkpoint) -> Checkpoint:
    decoder = {
        "mask_token": noise(1, 1, 32),
        "decoder_pos_embed": noise(1, 197, 32),
        "decoder_embed.weight": noise(32, 48),
        "decoder_blocks.0.attn.qkv.weight": noise(96, 32),
        "decoder_norm.bias": noise(32),
        "decoder_pred.weight": noise(768, 32),
    }
    return {"model": {**state, **decoder}, "epoch": 799, "args": argparse.Namespace(mask_ratio=0.7)}


def ibot(state: Checkpoint) -> Checkpoint:
    return {"state_dict": {**state, "masked_embed": noise(1, 48), "head.mlp.0.bias": noise(64)}}


def ibot_prefixed(state: Checkpoint) -> Checkpoint:
    return {"state_dict": {f"module.backbone.{n}": t for n, t in ibot(state)["state_dict"].items()}}


FORMATS = {
    "timm": ("dino_vits16", timm_file),
    "DINO hub": ("dino_vitb8", dino_hub),
    "DINO full": ("dino_vits16", dino_full),
    "DINOv2": ("dinov2_vits14", dinov2),
    "DINOv2 without mask": ("dinov2_vitb14", lambda state: without_mask_token(dinov2(state))),
    "registers": ("dinov2_vits14_reg", dinov2_registers),
    "registers without mask": (
        "dinov2_vitl14_reg",
        lambda state: without_mask_token(dinov2_registers(state)),
    ),
    "giant": ("dinov2_vitg14_reg", dinov2_giant),
    "giant without mask": (
        "dinov2_vitg14_reg",
        lambda state: without_mask_token(dinov2_giant(state)),
    ),
    "DINOv3": ("dinov3_vits16", dinov3),
    "DINOv3 with zero biases": ("dinov3_vitb16", dinov3_biases),
    "DINOv3 SwiGLU": ("dinov3_vith16plus", dinov3_biases),
    "DINOv3 7B": ("dinov3_vit7b16", dinov3_7b),
    "MAE": ("mae_vitb16", mae),
    "MAE full": ("mae_vith14", mae_full),
    "iBOT": ("ibot_vits16", ibot),
    "iBOT prefixed": ("ibot_vitl16", ibot_prefixed),
}


def assert_same_function(backbone: Any, network: Any, pixels: Tensor) -> None:
    """Oracle: timm's own forward pass of the network whose tensors the file holds."""
    entry = resolve(backbone.info.name)
    expected = network.forward_features(normalize(pixels, entry.mean, entry.std))[:, 0]
    np.testing.assert_allclose(backbone.embed(pixels), expected, atol=2e-5)


@pytest.mark.parametrize("kind", FORMATS)
def test_the_official_file_loads(kind, network, pixels, tmp_path) -> None:
    name, official = FORMATS[kind]
    expected = network(resolve(name).timm.split(".")[0])
    torch.save(official(expected.state_dict()), tmp_path / "official.pth")
    backbone = load_backbone(name, weights=tmp_path / "official.pth")
    assert_same_function(backbone, expected, pixels(backbone.info.input_size, 1))


def test_a_safetensors_file_loads(network, pixels, tmp_path) -> None:
    expected = network("vit_small_patch16_dinov3")
    save_file(expected.state_dict(), tmp_path / "model.safetensors")
    backbone = load_backbone("DINOv3 ViT-S/16", weights=tmp_path / "model.safetensors")
    assert_same_function(backbone, expected, pixels(256, 1))


@pytest.mark.parametrize("kind", ["giant", "DINOv3 SwiGLU"])
def test_the_gate_is_the_official_one(kind, network, tmp_path) -> None:
    name, official = FORMATS[kind]
    state = network(resolve(name).timm.split(".")[0]).state_dict()
    checkpoint = official(state)
    torch.save(checkpoint, tmp_path / "w.pth")
    block = load_backbone(name, weights=tmp_path / "w.pth")._module.blocks[0]
    mlp = {n.removeprefix("blocks.0.mlp."): t for n, t in checkpoint.items() if "s.0.mlp." in n}
    if "w12.weight" in mlp:
        (mlp["w1.weight"], mlp["w2.weight"]) = mlp["w12.weight"].chunk(2)
        (mlp["w1.bias"], mlp["w2.bias"]) = mlp["w12.bias"].chunk(2)
    tokens = noise(2, 5, 48)

    def layer(number: int, given: Tensor) -> Tensor:
        return given @ mlp[f"w{number}.weight"].T + mlp[f"w{number}.bias"]

    expected = layer(3, silu(layer(1, tokens)) * layer(2, tokens))
    torch.testing.assert_close(block.mlp(tokens), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["registers", "DINOv3", "iBOT"])
def test_half_precision_becomes_float32(kind, network, tmp_path) -> None:
    name, official = FORMATS[kind]
    state = network(resolve(name).timm.split(".")[0]).state_dict()
    torch.save(official({n: t.half() for n, t in state.items()}), tmp_path / "half.pth")
    module = load_backbone(name, weights=tmp_path / "half.pth")._module
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}
    assert torch.equal(module.norm.weight, state["norm.weight"].half().float())


# --- OpenCLIP, against the library itself -------------------------------------------------------


@pytest.fixture
def clip() -> Any:
    """A tiny CLIP of open_clip's, with sharp attention in its vision tower."""
    torch.manual_seed(0)
    vision = {"image_size": 224, "patch_size": 16, "width": 48, "head_width": 16, "layers": 3}
    text = {"context_length": 8, "vocab_size": 50, "width": 32, "heads": 2, "layers": 1}
    model = open_clip.CLIP(embed_dim=32, vision_cfg=vision, text_cfg=text).eval()
    for name, parameter in model.visual.named_parameters():
        if name.endswith("in_proj_weight"):
            nn.init.normal_(parameter, std=2.0 / 48**0.5)
        elif parameter.ndim == 1:
            parameter.data += 0.1 * noise(len(parameter))
    return model.requires_grad_(False)


def write_clip(model: Any, how: str, folder: Any) -> Any:
    state = model.state_dict()
    path = folder / ("open_clip_model.safetensors" if how == "safetensors" else "epoch_32.pt")
    if how == "safetensors":
        save_file(state, path)
    elif how == "plain":
        torch.save(state, path)
    else:
        named = {f"module.{name}": tensor for name, tensor in state.items()}
        optimizer = torch.optim.AdamW(model.parameters()).state_dict()
        whole = {"epoch": 32, "name": "run", "state_dict": named, "optimizer": optimizer}
        torch.save(whole, path)
    return path


@pytest.mark.parametrize("how", ["plain", "trainer", "safetensors"])
def test_the_vision_tower_of_openclip_is_the_librarys(how, clip, pixels, tmp_path) -> None:
    path = write_clip(clip, how, tmp_path)
    backbone = load_backbone("ViT-B-16/laion2b_s34b_b88k", weights=path)
    images = pixels(224)
    rows = backbone.attention(images, [1, 2, 3])
    assert rows.max(axis=-1).mean() > 20 / rows.shape[-1], "the check needs a sharp softmax"
    clip.visual.proj = None
    expected = clip.visual(normalize(images, backbone.info.mean, backbone.info.std))
    np.testing.assert_allclose(backbone.embed(images), expected, atol=2e-5)


# --- torchvision, against the library itself ----------------------------------------------------


@pytest.fixture
def vit() -> VisionTransformer:
    """A small ViT of torchvision's with sharp attention, which returns its CLS features."""
    vit = VisionTransformer(224, 16, 3, 3, 48, 192, num_classes=10).requires_grad_(False).eval()
    for number, (name, parameter) in enumerate(vit.named_parameters()):
        gain = 2.0 if "in_proj" in name else 1.0
        drawn = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number))
        if parameter.ndim < 2 or "embedding" in name or "token" in name:
            parameter += 0.3 * drawn
        else:
            parameter.copy_(gain * drawn / parameter[0].numel() ** 0.5)
    return vit


def detectron2(state: Checkpoint) -> Checkpoint:
    """As detectron2's checkpointer saves a model that keeps the network as `model`."""
    whole = {"model": {f"model.{name}": tensor for name, tensor in state.items()}}
    return {**whole, "iteration": 190_000, "optimizer": {"state": {}, "param_groups": []}}


def before_mlp(state: Checkpoint) -> Checkpoint:
    """As versions of torchvision saved it that had no MLP of layers 0 and 3."""
    return renamed(state, (".mlp.0.", ".mlp.linear_1."), (".mlp.3.", ".mlp.linear_2."))


@pytest.mark.parametrize("name", ["vit_base_patch16_224", "deit_base_patch16_224"])
@pytest.mark.parametrize("layout", [dict, detectron2, before_mlp])
def test_the_vit_of_torchvision_is_the_librarys(layout, name, vit, pixels, tmp_path) -> None:
    torch.save(layout(vit.state_dict()), tmp_path / "ViT_190k.pth")
    backbone = load_backbone(name, weights=tmp_path / "ViT_190k.pth")
    images = pixels(224)
    rows = backbone.attention(images, [1, 2, 3])
    assert rows.max(axis=-1).mean() > 10 / rows.shape[-1], "the check needs a sharp softmax"
    vit.heads = nn.Identity()
    expected = vit(normalize(images, backbone.info.mean, backbone.info.std))
    np.testing.assert_allclose(backbone.embed(images), expected, atol=2e-5)


def test_the_same_network_is_normalised_as_imagenet_under_another_name() -> None:
    assert (resolve("deit_base_patch16_224").mean, resolve("deit_base_patch16_224").std) == IMAGENET


# --- refused ------------------------------------------------------------------------------------


def refusal(name: str, checkpoint: Checkpoint, folder: Any) -> str:
    """The sentence with which a checkpoint is refused."""
    torch.save(checkpoint, folder / "w.pth")
    with pytest.raises(A2pipeError) as refused:
        load_backbone(name, weights=folder / "w.pth")
    sentence = str(refused.value)
    assert "w.pth" in sentence
    assert re.fullmatch(r"[^\n]+\.", sentence)
    return sentence


def test_biases_that_would_be_left_out_are_refused(network, tmp_path) -> None:
    state = network("vit_small_patch16_dinov3").state_dict()
    sentence = refusal("dinov3_vits16", dinov3_biases(state, 0.1), tmp_path)
    assert "biases in their attention (blocks.0.attn.qkv.bias)" in sentence
    assert "vit_small_patch16_dinov3_qkvb" in sentence


def test_timms_model_with_biases_takes_them(network, pixels, tmp_path) -> None:
    expected = network("vit_small_patch16_dinov3_qkvb")
    state = expected.state_dict()
    official = dinov3({n: t for n, t in state.items() if not n.endswith("_bias")})
    for block in range(3):
        stem = f"blocks.{block}.attn"
        keys = torch.full((48,), torch.nan)
        parts = [state[f"{stem}.q_bias"], keys, state[f"{stem}.v_bias"]]
        official[f"{stem}.qkv.bias"] = torch.cat(parts)
        official[f"{stem}.qkv.bias_mask"] = torch.tensor([1.0, 0.0, 1.0]).repeat_interleave(48)
    torch.save(official, tmp_path / "w.pth")
    backbone = load_backbone("vit_small_patch16_dinov3_qkvb", weights=tmp_path / "w.pth")
    assert_same_function(backbone, expected, pixels(256, 1))


def test_a_bias_on_the_keys_is_refused(network, tmp_path) -> None:
    official = dinov3(network("vit_small_patch16_dinov3").state_dict())
    bias = torch.zeros(144)
    bias[50] = 1
    unmasked = {**official, "blocks.1.attn.qkv.bias": bias}
    assert "a bias on the keys (blocks.1" in refusal("dinov3_vits16", unmasked, tmp_path)


def test_another_patch_size_is_refused_and_not_resampled(network, tmp_path) -> None:
    state = network("vit_small_patch8_224").state_dict()
    sentence = refusal("dino_vits16", state, tmp_path)
    assert "patch_embed.proj.weight 48x3x8x8 for 48x3x16x16" in sentence
    assert "pos_embed 1x785x48 for 1x197x48" in sentence


@pytest.mark.parametrize("name", ["dinov2_vits14", "dinov2_vits14_reg", "mae_vitb16"])
def test_another_grid_is_refused_and_not_resampled(name, network, tmp_path) -> None:
    module = network(resolve(name).timm.split(".")[0])
    module.set_input_size((112, 112))
    official = dinov2_registers if name.endswith("_reg") else dinov2
    sentence = refusal(name, official(module.state_dict()), tmp_path)
    assert "1 tensor differs, 1 of another shape (pos_embed 1x" in sentence


def test_what_is_missing_and_left_over_is_named(network, tmp_path) -> None:
    state = network("vit_small_patch16_224").state_dict()
    odd = {name: tensor for name, tensor in state.items() if not name.startswith("norm.")}
    odd |= {f"fc_norm.{number}": noise(2) for number in range(5)}
    sentence = refusal("mae_vitb16", odd, tmp_path)
    assert "7 tensors differ, 2 missing (norm.bias, norm.weight)" in sentence
    assert "5 left over (fc_norm.0, fc_norm.1, fc_norm.2, ...)" in sentence


@pytest.mark.parametrize("layout", [dict, detectron2])
def test_torchvisions_tensors_are_missed_and_left_over_by_name(layout, vit, tmp_path) -> None:
    state = renamed(vit.state_dict(), ("encoder.ln.bias", "encoder.extra"))
    sentence = refusal("vit_base_patch16_224", layout(state), tmp_path)
    assert "2 tensors differ, 1 missing (norm.bias); 1 left over (encoder.extra)" in sentence


def test_a_layer_under_its_old_name_and_its_new_one_is_left_over(vit, tmp_path) -> None:
    state = vit.state_dict()
    stem = "encoder.layers.encoder_layer_0.mlp"
    state[f"{stem}.linear_1.bias"] = state[f"{stem}.0.bias"] + 1
    sentence = refusal("vit_base_patch16_224", state, tmp_path)
    assert f"1 tensor differs, 1 left over ({stem}.linear_1.bias)" in sentence


@pytest.mark.parametrize(
    ("beside", "named"), [("module.neck.weight", "neck.weight"), ("queue", "queue")]
)
def test_what_is_neither_backbone_nor_head_of_a_teacher_is_left_over(
    beside, named, network, tmp_path
) -> None:
    checkpoint = dino_full(network("vit_small_patch16_224.dino").state_dict())
    checkpoint["teacher"][beside] = noise(2)
    sentence = refusal("dino_vits16", checkpoint, tmp_path)
    assert f"1 tensor differs, 1 left over ({named})" in sentence


@pytest.mark.parametrize("drop", ["norm.bias", "blocks.2.mlp.fc2.weight"])
def test_what_a_teacher_lacks_is_named(drop, network, tmp_path) -> None:
    checkpoint = dino_full(network("vit_small_patch16_224.dino").state_dict())
    del checkpoint["teacher"][f"module.backbone.{drop}"]
    assert f"1 missing ({drop})" in refusal("dino_vits16", checkpoint, tmp_path)


def test_what_the_image_tower_of_a_trainer_lacks_is_named(clip, tmp_path) -> None:
    named = {f"module.{name}": tensor for name, tensor in clip.state_dict().items()}
    named["module.visual.adapter"] = named.pop("module.visual.ln_post.bias")
    sentence = refusal("ViT-B-16/laion2b_s34b_b88k", {"state_dict": named}, tmp_path)
    assert "1 missing (norm.bias); 1 left over (adapter)" in sentence


@pytest.mark.parametrize(
    ("name", "other"),
    [("dinov2_vits14", "dinov2_vits14_reg"), ("dinov2_vits14_reg", "dinov2_vits14")],
)
def test_with_and_without_registers_are_not_each_other(name, other, network, tmp_path) -> None:
    official = dinov2_registers if other.endswith("_reg") else dinov2
    state = network(resolve(other).timm.split(".")[0]).state_dict()
    assert "reg_token" in refusal(name, official(state), tmp_path)


def test_what_only_timm_converts_still_loads(network, pixels, tmp_path) -> None:
    expected = network("vit_small_patch14_dinov2")
    state = renamed(expected.state_dict(), (".ls1.gamma", ".gamma_1"), (".ls2.gamma", ".gamma_2"))
    torch.save(state, tmp_path / "beit_names.pth")
    backbone = load_backbone("dinov2_vits14", weights=tmp_path / "beit_names.pth")
    assert_same_function(backbone, expected, pixels(518, 1))


@pytest.mark.parametrize("value", [torch.tensor(float("nan")), torch.tensor(3, dtype=torch.int8)])
def test_numbers_that_no_network_has_are_refused(value, network, tmp_path) -> None:
    state = timm_file(network("vit_small_patch16_224.dino").state_dict())
    state["norm.bias"] = value.expand(state["norm.bias"].shape).clone()
    said = refusal("dino_vits16", state, tmp_path)
    assert "not finite floating-point numbers (tensor norm.bias)" in said


def test_buffers_that_older_files_of_a_family_hold_are_left_out() -> None:
    """Swin's files once held the masks of its windows, and the head without a layer of its own."""
    network = SwinTransformer(**SWIN)
    state = network.state_dict()
    older = {**state, "layers.0.blocks.0.attn_mask": torch.zeros(64, 49, 49)}
    older["head.fc.weight"] = torch.zeros(1000, 128)
    found = to_timm(network, older, "here")
    assert found.keys() == state.keys()
    assert all(torch.equal(found[key], value) for key, value in state.items())


def test_a_file_of_another_window_is_not_resampled() -> None:
    network = SwinTransformer(**SWIN)
    other = SwinTransformer(**SWIN, img_size=256, window_size=8)
    found = to_timm(network, other.state_dict(), "here")
    key = "layers.0.blocks.0.attn.relative_position_bias_table"
    assert found[key].shape == other.state_dict()[key].shape != network.state_dict()[key].shape
