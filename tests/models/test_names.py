"""The table of backbones: facts, near names, plug-ins, and no heavy import."""

import subprocess
import sys
from dataclasses import replace

import pytest
from timm.models import get_pretrained_cfg

from a2pipe.errors import A2pipeError, UsageError
from a2pipe.models import names
from a2pipe.models.families import CLIP, TABLE

PUBLISHED = [entry for entry in TABLE.values() if entry.repo]


@pytest.fixture
def plugins(monkeypatch):
    """Set what the entry points load to."""

    class Point:
        name, value = "extra", "extra_package:MODELS"

        def __init__(self, loaded) -> None:
            self.load = loaded

    def install(loaded) -> None:
        monkeypatch.setattr(names, "entry_points", lambda **_: [Point(loaded)])
        names._plugins.cache_clear()

    yield install
    monkeypatch.undo()
    names._plugins.cache_clear()


def test_listing_names_imports_neither_torch_nor_timm() -> None:
    program = (
        "import sys; from a2pipe.models import names;"
        "names.entries(); names.resolve('dinov2_vits14');"
        "sys.exit(bool({'torch', 'timm'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("entry", PUBLISHED, ids=lambda entry: entry.name)
def test_the_table_agrees_with_timm(entry) -> None:
    config = get_pretrained_cfg(entry.timm)
    assert (tuple(config.mean), tuple(config.std)) == (entry.mean, entry.std)
    assert config.input_size == (3, entry.input_size, entry.input_size)
    assert config.hf_hub_id == entry.repo


def test_the_official_names_are_there() -> None:
    dinov2 = {f"dinov2_vit{size}14{reg}" for size in "sblg" for reg in ("", "_reg")}
    dino = {f"dino_vit{size}{patch}" for size in "sb" for patch in (8, 16)}
    dinov3 = {f"dinov3_vit{rest}" for rest in ("s16", "s16plus", "b16", "l16", "h16plus", "7b16")}
    assert dinov2 | dino | dinov3 <= TABLE.keys()


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
    plugins(lambda: [extra, taken])
    assert names.resolve("their_vit") is extra
    assert names.resolve("dinov2_vits14").family == "DINOv2"
    assert extra in names.entries()


@pytest.mark.parametrize("loaded", [lambda: 1 / 0, lambda: ["their_vit"], lambda: 7])
def test_a_broken_plugin_is_named(loaded, plugins) -> None:
    plugins(loaded)
    with pytest.raises(A2pipeError, match="extra_package:MODELS"):
        names.entries()
