"""What is listed of the backbones, held to the networks themselves."""

import subprocess
import sys

import pytest
from huggingface_hub import constants

from a2pipe.errors import UsageError
from a2pipe.models.architecture import architecture_of, empty_network
from a2pipe.models.listing import columns, details, summary
from a2pipe.models.weights import hub
from a2pipe.models.zoo.families import TABLE
from a2pipe.models.zoo.names import resolve

ENTRIES = list(TABLE.values())


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch) -> None:
    """An empty hub cache, and no hub."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(hub, "_reachable", lambda _: pytest.fail("touched the network"))


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_the_facts_are_those_of_the_network(entry) -> None:
    path = hub.locate(entry) if entry.source == "shipped" else None
    module = empty_network(architecture_of(entry, path))
    assert all(parameter.is_meta for parameter in module.parameters())
    count = sum(parameter.numel() for parameter in module.parameters())
    assert entry.parameters == pytest.approx(count / 1e6, abs=0.01)
    assert (entry.patch, entry.patch) == module.patch_embed.patch_size
    assert entry.prefix_tokens == module.num_prefix_tokens
    assert module.patch_embed.img_size == (entry.input_size, entry.input_size)
    assert entry.rotary == (module.pos_embed is None)


def test_the_whole_list_needs_no_torch() -> None:
    program = (
        "import sys; from a2pipe.models import listing; from a2pipe.models.zoo import names;"
        "[listing.summary(entry) for entry in names.entries()];"
        "listing.details(names.resolve('DINOv2 ViT-S'));"
        "sys.exit(bool({'torch', 'timm'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_one_backbone_is_summed_up() -> None:
    found = summary(TABLE["dinov3_vits16plus"])
    expected = {
        "paper_name": "DINOv3 ViT-S+/16",
        "parameters": 28.68,
        "patch": 16,
        "grid": "14x14",
        "prefix_tokens": 5,
        "normalization": "ImageNet",
        "weights": "no",
    }
    assert expected.items() <= found.items()


def test_the_normalisations_are_told_apart() -> None:
    names = ("openclip_vitb16", "openclip_vitl14", "dino_vits8")
    assert [summary(TABLE[name])["normalization"] for name in names] == [
        "CLIP",
        "halves",
        "ImageNet",
    ]


def test_where_weights_are_is_found_without_a_network(tmp_path) -> None:
    def where(name: str) -> str:
        return str(summary(TABLE[name])["weights"])

    folder = tmp_path / "models--timm--vit_base_patch16_224.mae"
    (folder / "snapshots" / "0a").mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("0a")
    assert where("mae_vitb16") == "no"
    (folder / "snapshots" / "0a" / "model.safetensors").write_bytes(b"weights")
    assert where("mae_vitb16") == "yes"
    assert (where("demo_localizer_s"), where("demo_localizer_s_random")) == ("shipped", "random")
    assert where("ibot_vits16") == "no"


def test_sizes_are_short_in_the_table() -> None:
    names = ("demo_localizer_s", "dinov3_vits16plus", "dinov3_vith16plus", "openclip_vitg14")
    rows = columns([summary(TABLE[name]) for name in names])
    assert [row["size"] for row in rows] == ["0.5M", "29M", "841M", "1.0B"]
    assert [row["prefix"] for row in rows] == ["1", "5", "5", "1"]


def test_a_timm_model_is_measured() -> None:
    entry = resolve("vit_tiny_patch16_224.augreg_in21k")
    assert entry.parameters == 0
    found = details(entry)
    assert (found["parameters"], found["patch"], found["prefix_tokens"]) == (5.52, 16, 1)
    assert "models fetch vit_tiny" in found["how_to_get_them"]
    rotary = details(resolve("vit_small_patch16_dinov3_qkvb"))
    assert "nothing is resampled" in rotary["other_sizes"]


@pytest.mark.parametrize(
    ("name", "patch", "grid", "other_sizes", "why"),
    [
        ("vit_base_patch16_gap_224", 16, "14x14", "as timm does", "has no CLS token"),
        ("test_resnet", 32, "7x7", "every multiple of 32 px", "is a ResNet"),
        ("beit_base_patch16_224", 16, "14x14", "none", "is a Beit"),
    ],
)
def test_of_a_timm_model_without_cls_attention_it_is_told_why(
    name, patch, grid, other_sizes, why
) -> None:
    found = details(resolve(name))
    assert (found["patch"], found["grid"], found["prefix_tokens"]) == (patch, grid, None)
    assert other_sizes in found["other_sizes"]
    assert why in found["cls_attention"]


def test_a_network_without_a_grid_is_refused() -> None:
    with pytest.raises(UsageError, match="gives no square grid of features"):
        details(resolve("pit_ti_224"))


@pytest.mark.parametrize(
    ("name", "other_sizes", "how"),
    [
        ("dinov2_vits14", "0.1 patches too large", "a2pipe models fetch dinov2_vits14, or"),
        ("dinov2_vits14_reg", "as timm does", "--weights dinov2_vits14_reg=FILE"),
        ("dinov3_vits16", "nothing is resampled", "a2pipe models fetch dinov3_vits16"),
        ("demo_localizer_s", "as timm does", "in the package"),
        ("demo_localizer_s_random", "as timm does", "there are none"),
    ],
)
def test_sizes_and_ways_to_get_weights_are_told(name, other_sizes, how) -> None:
    found = details(TABLE[name])
    assert other_sizes in found["other_sizes"]
    assert how in found["how_to_get_them"]


def test_unpublished_weights_are_not_said_to_be_fetchable() -> None:
    assert "fetch" not in details(TABLE["ibot_vits16"])["how_to_get_them"]


def test_text_towers_are_told() -> None:
    tower = details(TABLE["openclip_vitl14"])["text_tower"]
    assert tower.startswith("ViT-L-14 of open_clip, from laion/CLIP-ViT-L-14-laion2B-s32B-b82K; ")
    assert tower.endswith("a2pipe models fetch --text openclip_vitl14")
    assert details(TABLE["dinov2_vitl14"])["text_tower"] is None
