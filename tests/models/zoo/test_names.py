"""The names of backbones: near ones, plug-ins, and no heavy import."""

import subprocess
import sys
from dataclasses import replace

import pytest

from a2pipe.errors import A2pipeError, UsageError
from a2pipe.models.zoo import names
from a2pipe.models.zoo.families import CLIP, TABLE


@pytest.fixture
def plugins(plug_in):
    """Set what the entry points load to."""

    def install(loaded) -> None:
        plug_in("a2pipe.models", "extra", loaded)
        names._plugins.cache_clear()

    yield install
    names._plugins.cache_clear()


def test_listing_names_imports_neither_torch_nor_timm() -> None:
    program = (
        "import sys; from a2pipe.models.zoo import names;"
        "names.entries(); names.resolve('dinov2_vits14'); names.canonical('MAE ViT-H/14');"
        "names.canonical('no such model');"
        "sys.exit(bool({'torch', 'timm'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


PAPER_NAMES = {
    "DINOv1 ViT-S/16": "dino_vits16",
    "DINOv1 ViT-B/16": "dino_vitb16",
    "DINOv1 ViT-S": "dino_vits16",
    "DINO ViT-S/16": "dino_vits16",
    "DINO ViT-B/8": "dino_vitb8",
    "DINOv2 ViT-S": "dinov2_vits14_reg",
    "DINOv2 ViT-B": "dinov2_vitb14_reg",
    "DINOv2 ViT-L": "dinov2_vitl14_reg",
    "DINOv2 ViT-G": "dinov2_vitg14_reg",
    "DINOv2 ViT-g": "dinov2_vitg14_reg",
    "DINOv2 ViT-S/14": "dinov2_vits14_reg",
    "DINOv2 ViT-B/14": "dinov2_vitb14_reg",
    "DINOv2 ViT-L/14": "dinov2_vitl14_reg",
    "DINOv2 ViT-G/14": "dinov2_vitg14_reg",
    "DINOv2 ViT-g/14": "dinov2_vitg14_reg",
    "DINOv2 ViT-G/14 without registers": "dinov2_vitg14",
    "DINOv3 ViT-S/16": "dinov3_vits16",
    "DINOv3 ViT-S+/16": "dinov3_vits16plus",
    "DINOv3 ViT-S+": "dinov3_vits16plus",
    "DINOv3 ViT-B/16": "dinov3_vitb16",
    "DINOv3 ViT-L/16": "dinov3_vitl16",
    "DINOv3 ViT-H+/16": "dinov3_vith16plus",
    "DINOv3 ViT-H+": "dinov3_vith16plus",
    "DINOv3 ViT-7B/16": "dinov3_vit7b16",
    "DINOv3 ViT-7B": "dinov3_vit7b16",
    "MAE ViT-B/16": "mae_vitb16",
    "MAE ViT-L/16": "mae_vitl16",
    "MAE ViT-H/14": "mae_vith14",
    "iBOT ViT-S/16": "ibot_vits16",
    "iBOT ViT-B/16": "ibot_vitb16",
    "iBOT ViT-L/16": "ibot_vitl16",
    "OpenCLIP ViT-B/16": "openclip_vitb16",
    "OpenCLIP ViT-L/14": "openclip_vitl14",
    "OpenCLIP ViT-H/14": "openclip_vith14",
    "OpenCLIP ViT-g/14": "openclip_vitg14",
    "OpenCLIP ViT-B-16": "openclip_vitb16",
    "OpenCLIP ViT-L-14": "openclip_vitl14",
    "OpenCLIP ViT-H-14": "openclip_vith14",
    "OpenCLIP ViT-G-14": "openclip_vitg14",
}
OFFICIAL_NAMES = {
    "mae_vit_base_patch16": "mae_vitb16",
    "mae_vit_large_patch16": "mae_vitl16",
    "mae_vit_huge_patch14": "mae_vith14",
    "ViT-B-16/laion2b_s34b_b88k": "openclip_vitb16",
    "ViT-L-14/laion2b_s32b_b82k": "openclip_vitl14",
    "ViT-H-14/laion2b_s32b_b79k": "openclip_vith14",
    "ViT-g-14/laion2b_s12b_b42k": "openclip_vitg14",
}


@pytest.mark.parametrize(("called", "name"), [*PAPER_NAMES.items(), *OFFICIAL_NAMES.items()])
def test_the_papers_and_the_official_names_are_known_in_any_case(called, name) -> None:
    for spelling in (called, called.lower(), called.upper()):
        assert names.canonical(spelling) == name
        assert names.resolve(spelling) is TABLE[name]


@pytest.mark.parametrize("name", TABLE)
def test_a_name_of_the_table_is_its_own(name) -> None:
    assert names.canonical(name) == name


@pytest.mark.parametrize(
    "near", ["dinov2-vits14", "DINOV2_VITS14", "DINOv2 ViT-S 14", "DINOv2 ViT-S/16", " DINO ViT-S"]
)
def test_a_name_is_matched_whole_and_never_nearly(near) -> None:
    assert names.canonical(near) == near
    with pytest.raises(UsageError, match="There is no model called"):
        names.resolve(near)


def test_a_label_without_its_family_is_refused_with_the_families() -> None:
    with pytest.raises(UsageError, match="'DINOv3 ViT-S/16' or 'DINOv1 ViT-S/16' or"):
        names.resolve("ViT-S/16")


def test_openclip_l14_is_normalised_by_halves() -> None:
    assert names.resolve("openclip_vitl14").mean == (0.5, 0.5, 0.5)
    assert names.resolve("openclip_vitb16").mean[0] == pytest.approx(0.48145466)


def test_a_timm_name_brings_what_timm_knows() -> None:
    entry = names.resolve("vit_base_patch16_clip_224.laion2b")
    assert (entry.timm, entry.mean) == ("vit_base_patch16_clip_224.laion2b", CLIP[0])
    assert names.resolve("vit_small_patch14_dinov2").timm == "vit_small_patch14_dinov2.lvd142m"


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("dinov2_vits41", "dinov2_vits14"),
        ("demo_localiser_s", "demo_localizer_s"),
        ("vit_small_patch14_dinov2.lvd142", "vit_small_patch14_dinov2.lvd142m"),
    ],
)
def test_an_unknown_name_is_refused_with_near_ones(wrong, near) -> None:
    with pytest.raises(UsageError, match="There is no model called") as refusal:
        names.resolve(wrong)
    assert near in str(refusal.value)


def test_an_installed_package_adds_models_but_takes_no_name(plugins) -> None:
    extra = replace(TABLE["demo_localizer_s"], name="their_vit", file="/elsewhere/w.safetensors")
    taken = replace(extra, name="dinov2_vits14")
    plugins([extra, taken])
    assert names.resolve("their_vit") is extra
    assert names.resolve("dinov2_vits14").family == "DINOv2"
    assert extra in names.entries()


def test_what_a_package_calls_its_models_is_known_unless_it_is_taken(plugins) -> None:
    extra = replace(TABLE["demo_localizer_s"], name="their_vit", paper_name="Their ViT")
    plugins([replace(extra, aliases=("MAE ViT-H/14", "theirs"))])
    assert [names.canonical(n) for n in ("their vit", "THEIRS")] == ["their_vit"] * 2
    assert names.canonical("MAE ViT-H/14") == "mae_vith14"


@pytest.mark.parametrize("loaded", ["extra_package:MODELS", ["their_vit"], 7])
def test_a_broken_plugin_is_named(loaded, plugins) -> None:
    plugins(loaded)
    with pytest.raises(A2pipeError, match="model plug-in 'extra'"):
        names.entries()


def test_names_that_timm_has_given_up_are_no_models() -> None:
    with pytest.raises(UsageError, match="There is no model called"):
        names.resolve("vit_tiny_patch16_224_in21k")


def test_a_timm_name_is_of_the_family_of_its_model() -> None:
    assert names.resolve("vit_small_patch14_dinov2.lvd142m").family == "DINOv2"
    assert names.resolve("vit_base_patch16_224.augreg_in21k").family == "timm"


def test_another_case_of_a_name_is_told_the_name_itself() -> None:
    with pytest.raises(UsageError, match=r"did you mean 'dinov2_vits14'\?"):
        names.resolve("DINOV2_VITS14")
