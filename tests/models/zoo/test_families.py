"""The table of backbones, held to timm and to the official names."""

import pytest
import timm
from timm.models import get_pretrained_cfg

from a2pipe.models.zoo.families import TABLE, hub_entry
from a2pipe.models.zoo.model_entry import CLIP, IMAGENET

PUBLISHED = [entry for entry in TABLE.values() if entry.repo]


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


def test_no_two_backbones_are_called_the_same() -> None:
    called = [n.casefold() for entry in TABLE.values() for n in (entry.name, *entry.called)]
    assert len(called) == len(set(called))
    assert not any(timm.is_model(name) for name in called)


def test_only_openclip_l14_is_normalised_by_halves() -> None:
    halves = {name for name, entry in TABLE.items() if entry.mean == (0.5, 0.5, 0.5)}
    assert {name for name in halves if not name.startswith("demo_")} == {"openclip_vitl14"}
    assert TABLE["openclip_vitb16"].mean == CLIP[0]


def test_positions_follow_the_official_code_of_each_family() -> None:
    """DINO, iBOT and DINOv2 without registers resample with an offset."""
    offset = {name for name, entry in TABLE.items() if entry.positions == "offset"}
    expected = {n for n in TABLE if n.startswith(("dino_", "ibot_", "dinov2_"))}
    assert offset == {name for name in expected if not name.endswith("_reg")}


def test_an_entry_has_defaults_that_facts_replace() -> None:
    entry = hub_entry("mine", "vit_x.y", ("Paper ViT", "other"), 3.5, 8, family="Mine", repo="a/b")
    assert (entry.paper_name, entry.aliases) == ("Paper ViT", ("other",))
    assert (entry.mean, entry.std) == IMAGENET
    assert (entry.input_size, entry.prefix_tokens, entry.source) == (224, 1, "hub")
    assert entry.repo == "a/b"
