"""What a backbone is, without loading it."""

import json
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from a2pipe.errors import UsageError
from a2pipe.models import identity
from a2pipe.models.identity import identify
from a2pipe.models.outputs import Block, parse_pool, parse_statistic


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


@pytest.mark.parametrize("name", ["resnet50", "convnext_tiny", "vit_base_patch16_gap_224"])
def test_a_model_without_cls_is_refused_before_anything_is_fetched(name, capsys) -> None:
    with pytest.raises(UsageError, match="CLS token"):
        identify(name)
    assert "fetching" not in capsys.readouterr().err
