"""Models on the command line: listed, shown, fetched."""

import json
import re
from pathlib import Path

from click.testing import CliRunner
from huggingface_hub import constants

import a2pipe
from a2pipe.cli import cli

MODEL = "demo_localizer_s_random"


def test_models_are_listed():
    models = json.loads(CliRunner().invoke(cli, ["models", "list", "--json"]).stdout)
    assert {"dinov2_vits14", "demo_localizer_s"} <= {line["name"] for line in models}
    assert "demo_localizer_s" in CliRunner().invoke(cli, ["models"]).stdout
    assert (
        "vit_small_patch14" in CliRunner().invoke(cli, ["models", "show", "dinov2_vits14"]).stdout
    )


def test_the_list_of_models_fits_into_120_columns():
    lines = CliRunner().invoke(cli, ["models"]).stdout.splitlines()
    assert max(map(len, lines)) <= 120
    assert re.split(" {2,}", lines[0])[:4] == ["name", "also called", "family", "size"]
    (line,) = [line for line in lines if line.startswith("dinov2_vitg14_reg ")]
    assert re.split(" {2,}", line)[1:5] == ["DINOv2 ViT-G/14", "DINOv2", "1.1B", "14"]


def test_the_documented_list_is_what_is_printed(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    page = (Path(a2pipe.__file__).parent / "docs" / "models.md").read_text(encoding="utf-8")
    documented = page.partition("$ a2pipe models\n")[2].partition("```")[0]
    assert CliRunner().invoke(cli, ["models"]).stdout == documented


def test_a_model_is_shown_by_any_of_its_names():
    shown = CliRunner().invoke(cli, ["models", "show", "openclip vit-g-14", "--json"])
    found = json.loads(shown.stdout)
    assert found["name"] == "openclip_vitg14"
    assert "ViT-g-14/laion2b_s12b_b42k" in found["aliases"]
    assert found["timm"] == "vit_giant_patch14_clip_224.laion2b"


def test_fetching_says_what_it_did_and_fails_if_one_did(command):
    done = command("models", "fetch", "iBOT ViT-S/16", "demo_localizer_s", MODEL)
    first, second = done.out.splitlines()
    assert first.startswith("demo_localizer_s: ships with the package, ")
    assert second == f"{MODEL}: needs no weights"
    assert done.code == 1
    assert done.err.startswith("a2pipe: No weights of ibot_vits16 are published on the hub")
