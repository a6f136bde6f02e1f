"""What a backbone is, without loading it."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from a2pipe.errors import UsageError
from a2pipe.models import identity
from a2pipe.models.identity import identify, refuse_unusable
from a2pipe.models.outputs import Block, Pool, parse_pool, parse_statistic
from a2pipe.models.weights import hub
from a2pipe.models.zoo.names import resolve


def test_the_random_control_is_described() -> None:
    info = identify("demo_localizer_s_random")
    assert (info.input_size, info.patch, info.prefix_tokens) == (48, 8, 1)
    assert (info.heads, info.dim, info.blocks) == (3, 96, 4)


@pytest.mark.parametrize(
    ("asked", "resolved", "shape"),
    [
        (Block(4), Block(4), (3, 37)),
        (parse_pool("cls"), parse_pool("cls"), (96,)),
        (parse_pool("selective:N/4:paper"), parse_pool("selective:9:paper"), (96,)),
        (parse_statistic("patch-score"), parse_statistic("patch-score:cls"), (36,)),
        (parse_statistic("patch-score:mean"), parse_statistic("patch-score:mean"), (36,)),
        (parse_statistic("votes:N/9"), parse_statistic("votes:4"), (36,)),
    ],
    ids=str,
)
def test_an_output_is_resolved_to_what_results_have(asked, resolved, shape) -> None:
    info = identify("demo_localizer_s_random")
    assert info.resolve(asked, 48) == resolved == info.resolve(resolved, 48)
    assert info.shape(resolved, 48) == shape


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (Block(5), "has blocks 1 to 4, not 5"),
        (parse_statistic("votes:37"), "K = 37 is more than the 36 patches"),
        (parse_pool("selective:37"), "K = 37 is more than the 36 patches"),
    ],
    ids=str,
)
def test_an_output_that_the_model_lacks_is_refused(output, words) -> None:
    with pytest.raises(UsageError, match=words):
        identify("demo_localizer_s_random").resolve(output, 48)


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("dinov2_vits14", (518, 14, 1, 6, 384, 12)),
        ("dinov2_vitg14_reg", (518, 14, 5, 24, 1536, 40)),
        ("dinov3_vits16", (256, 16, 5, 6, 384, 12)),
        ("dinov3_vit7b16", (256, 16, 5, 32, 4096, 40)),
        ("mae_vith14", (224, 14, 1, 16, 1280, 32)),
        ("openclip_vitg14", (224, 14, 1, 16, 1408, 40)),
        ("dino_vitb8", (224, 8, 1, 12, 768, 12)),
        ("ibot_vitl16", (224, 16, 1, 16, 1024, 24)),
    ],
)
def test_facts_of_the_official_models_come_without_their_weights(name, facts, tmp_path) -> None:
    path = tmp_path / "any.safetensors"
    save_file({"weight": torch.zeros(1)}, path)
    info = identify(name, weights=path)
    found = (info.input_size, info.patch, info.prefix_tokens, info.heads, info.dim, info.blocks)
    assert found == facts


def test_the_architecture_is_canonical_and_free_of_weights_and_size() -> None:
    info = identify("demo_localizer_s_random")
    content = json.loads(info.architecture)
    assert info.architecture == json.dumps(content, sort_keys=True, separators=(",", ":"))
    assert "img_size" not in info.architecture
    assert content["positions"] == "antialias"


def test_another_checkpoint_is_another_identity(tmp_path) -> None:
    for name, value in (("a", 0.0), ("b", 1.0)):
        save_file({"weight": torch.full((3,), value)}, tmp_path / f"{name}.safetensors")
    one, other = (identify("dinov2_vits14", weights=tmp_path / f"{x}.safetensors") for x in "ab")
    assert one.weights != other.weights
    assert one.architecture == other.architecture


def test_two_names_of_a_backbone_are_one_identity(tmp_path) -> None:
    path = tmp_path / "any.safetensors"
    save_file({"weight": torch.zeros(1)}, path)
    info = identify("dinov2_vits14_reg", weights=path)
    assert identify("DINOv2 ViT-S", weights=path) == info
    assert info.name == "dinov2_vits14_reg"


def test_a_remembered_backbone_needs_no_torch(tmp_path) -> None:
    memo, path = tmp_path / "memo.json", tmp_path / "w.safetensors"
    save_file({"weight": torch.zeros(1)}, path)
    first = identify("dinov2_vits14", weights=path, memo=memo)
    program = (
        "import sys; from pathlib import Path; from a2pipe.models.identity import identify;"
        f"info = identify('dinov2_vits14', weights=Path({str(path)!r}), memo=Path({str(memo)!r}));"
        "print(info.weights); sys.exit(bool({'torch', 'timm'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == first.weights
    assert identify("dinov2_vits14", weights=path, memo=memo) == first


def test_no_weights_are_held_to_describe_a_giant(tmp_path, monkeypatch) -> None:
    path = tmp_path / "w.safetensors"
    save_file({"weight": torch.zeros(1)}, path)
    outlined = []
    original = identity.describe

    def spy(entry, design, module, digest):
        outlined.append(all(parameter.is_meta for parameter in module.parameters()))
        return original(entry, design, module, digest)

    monkeypatch.setattr(identity, "describe", spy)
    identify("dinov2_vitg14_reg", weights=path)
    assert outlined == [True]


# --- models without CLS attention ---------------------------------------------------------------

WITHOUT = ("test_resnet", "test_convnext", "vit_base_patch16_gap_224", "beit_base_patch16_224")
HAS = "its pools are native, mean and selective:K, and its sources of maps patch-score, votes:K"


@pytest.fixture
def info_of(tmp_path):
    """The facts of a model, for which its weights need not be there."""
    path = tmp_path / "any.safetensors"
    save_file({"weight": torch.zeros(1)}, path)
    return lambda name: identify(name, weights=path)


@pytest.mark.parametrize("name", WITHOUT)
@pytest.mark.parametrize("asked", [Block(1), Pool("cls"), parse_statistic("patch-score:cls")])
def test_what_needs_cls_is_refused_before_anything_is_fetched(name, asked, monkeypatch) -> None:
    monkeypatch.setattr(hub, "_cached", lambda _: None)
    monkeypatch.setattr(hub, "_fetch", lambda *_: pytest.fail("fetched"))
    with pytest.raises(UsageError, match=HAS) as refusal:
        refuse_unusable(resolve(name), [Pool("mean"), asked])
    assert "\n" not in str(refusal.value)
    assert str(refusal.value).startswith(name)


@pytest.mark.parametrize("name", ["crossvit_18_240", "pit_ti_224", "inception_v3"])
def test_a_network_without_a_square_grid_is_refused_before_anything_is_fetched(
    name, monkeypatch
) -> None:
    monkeypatch.setattr(hub, "_cached", lambda _: None)
    monkeypatch.setattr(hub, "_fetch", lambda *_: pytest.fail("fetched"))
    with pytest.raises(UsageError, match=f"^{name} .* gives no square grid of features"):
        identify(name)


@pytest.mark.parametrize("name", WITHOUT)
def test_resolve_refuses_what_needs_cls_and_compares_with_the_mean(name, info_of) -> None:
    info = info_of(name)
    for asked in (Block(1), Pool("cls"), parse_statistic("patch-score:cls")):
        with pytest.raises(UsageError, match=HAS):
            info.resolve(asked, info.input_size)
    assert info.resolve(parse_statistic("patch-score"), info.input_size).text == "patch-score:mean"
    selected = info.resolve(parse_pool("selective:N"), info.input_size)
    assert selected.text == f"selective:{info.patches(info.input_size)}"


def test_of_a_network_that_runs_as_a_whole_no_norm_before_the_last_is_had(info_of) -> None:
    with pytest.raises(UsageError, match=r"test_resnet runs as a whole, .* norm to stop before"):
        info_of("test_resnet").resolve(parse_statistic("norm:before"), 224)
    before = parse_statistic("norm:before")
    assert info_of("vit_base_patch16_gap_224").resolve(before, 224) == before


@pytest.mark.parametrize(
    ("name", "side", "facts", "native", "fixed"),
    [
        ("resnet18", 224, (32, 0, 0, 512, 0), 512, False),
        ("mobilenetv3_small_050", 224, (32, 0, 0, 288, 0), 1024, False),
        ("swin_tiny_patch4_window7_224", 224, (32, 0, 0, 768, 0), 768, True),
        ("vit_base_patch16_siglip_224", 224, (16, 0, 12, 768, 12), 768, False),
        ("vit_medium_patch16_reg1_gap_256", 256, (16, 1, 8, 512, 12), 512, False),
    ],
)
def test_facts_of_models_without_cls(name, side, facts, native, fixed, info_of) -> None:
    info = info_of(name)
    found = (info.patch, info.prefix_tokens, info.heads, info.dim, info.blocks)
    assert (info.input_size, found, info.fixed) == (side, facts, fixed)
    assert info.shape(Pool("native"), side) == (native,)
    assert info.shape(Pool("mean"), side) == (info.dim,)
    assert info.registers == info.prefix_tokens


def test_a_fixed_size_is_the_only_one(info_of) -> None:
    info = info_of("beit_base_patch16_224")
    assert info.resolve(Pool("native"), 224) == Pool("native")
    with pytest.raises(UsageError, match="takes images of 224 px alone, not 256"):
        info.resolve(Pool("native"), 256)


def test_registers_of_a_model_with_cls() -> None:
    assert identify("demo_localizer_s_random").registers == 0
