"""The commands as a user types them, on a tiny folder of images."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from huggingface_hub import constants
from PIL import Image

import a2pipe
from a2pipe.cache.references import Reference, experiments, remember
from a2pipe.cli import cli
from a2pipe.errors import UsageError

MODEL = "demo_localizer_s_random"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """train/ and test/ with two classes of twelve and six images."""
    root = tmp_path_factory.mktemp("pets")
    rng = np.random.default_rng(0)
    for split, count in (("train", 12), ("test", 6)):
        for name, brightness in (("cat", 40), ("dog", 160)):
            (root / split / name).mkdir(parents=True)
            for index in range(count):
                pixels = rng.integers(0, 80, (24, 32, 3)) + brightness
                image = Image.fromarray(pixels.astype(np.uint8))
                image.save(root / split / name / f"{index}.png")
    return root


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def run(folder, cache, monkeypatch, tmp_path):
    """Run a command in an empty folder; flags for the tiny dataset are added."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, dataset: bool = True):
        flags = ["--cache", str(cache)]
        if dataset:
            flags += ["--dataset", str(folder), "--image-size", "48", "--device", "cpu", "-q"]
        return CliRunner(catch_exceptions=False).invoke(cli, [*arguments, *flags])

    return call


def test_each_stage_says_where_its_result_lies(run, cache):
    result = run("extract-attn", "--model", MODEL, "--json")
    (line,) = json.loads(result.stdout)
    assert line["rows"] == 36
    assert Path(line["folder"]).is_relative_to(cache)
    assert (Path(line["folder"]) / "spec.json").is_file()


def test_stages_one_by_one_end_in_a_matrix_without_further_passes(run):
    crops = ["--crop-sizes", "16,8"]
    both = ["--attention-model", MODEL, "--embedding-model", MODEL, *crops, "--baseline", "full"]
    assert len(json.loads(run("select-crops", "--model", MODEL, *crops, "--json").stdout)) == 2
    assert run("embed-crops", *both).exit_code == 0
    result = run("fit-heads", *both, "--head-option", "C=0.5", "--json", "--out", "out")
    matrix = json.loads(result.stdout)
    assert matrix["run"]["forward_passes_total"] == 0
    assert len(matrix["cells"]) == 2
    assert {Path(path).name for path in matrix["files"].values()} == {
        "matrix.json",
        "matrix.csv",
        "matrix.md",
        "matrix.png",
        "report.html",
    }
    assert all(Path(path).is_file() for path in matrix["files"].values())


def test_flags_win_over_the_file(run, tmp_path):
    (tmp_path / "e.toml").write_text('[dataset]\nname = "demo-01"\n[image]\nsize = 96\n')
    shown = json.loads(run("experiment", "show", "e.toml", "--json").stdout)
    assert shown["image"]["size"] == 48


def test_a_new_experiment_loads_and_is_not_overwritten(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(cli, ["experiment", "new", "a.toml"]).exit_code == 0
    shown = CliRunner().invoke(cli, ["experiment", "show", "a.toml"])
    assert 'models = ["dinov2_vits14_reg"]' in shown.stdout
    assert CliRunner().invoke(cli, ["experiment", "new", "a.toml"]).exit_code != 0


def test_plan_computes_nothing_and_status_counts(run):
    crops = ["--shard-size", "10", "--crop-sizes", "16", "--attention-model", MODEL]
    plan = json.loads(run("plan", *crops, "--json").stdout)
    needs = plan["needs"]
    assert {line["stage"] for line in needs} == {"attention", "boxes"}
    assert needs[0]["shards"] == 4
    assert needs[0]["shards_done"] == 0
    assert needs[0]["rows_reusable"] == 36
    assert plan["total"]["forward_passes_total"] == 0
    run("extract-attn", "--shard-size", "10", "--model", MODEL)
    status = json.loads(run("status", *crops, "--json").stdout)
    assert status["stages"][0] == {
        "stage": "attention",
        "artifacts": 1,
        "shards_done": 4,
        "shards_missing": 0,
        "rows_missing": 0,
        "bad_images": 0,
        "images_per_second": None,
        "seconds_left": None,
    }
    assert status["submissions"] == []


def test_ranks_share_the_shards(run):
    sizes = ["--attention-model", MODEL, "--shard-size", "7", "--crop-sizes", "24"]
    sizes += ["--embedding-model", MODEL]
    for rank in range(3):
        assert run("run", *sizes, "--rank", str(rank), "--world-size", "3").exit_code == 0
    status = json.loads(run("status", *sizes, "--json").stdout)
    assert [line["shards_missing"] for line in status["stages"]] == [0, 0, 0]


def test_the_cache_is_listed_verified_exported_and_cleaned(run, tmp_path):
    run("extract-attn", "--model", MODEL)
    listed = json.loads(run("cache", "ls", "--json", dataset=False).stdout)
    attention = next(line for line in listed if line["stage"] == "attention")
    assert attention["model"] == MODEL
    shown = json.loads(run("cache", "show", attention["fingerprint"], dataset=False).stdout)
    assert shown["model"]["name"] == MODEL
    verified = run("cache", "verify", "--deep", dataset=False)
    assert (verified.exit_code, verified.stdout) == (0, "no damage found\n")
    out = tmp_path / "attention.npy"
    run("cache", "export", attention["fingerprint"], str(out), dataset=False)
    assert np.load(out).shape == (36, 3, 37)
    assert run("cache", "gc", dataset=False).exit_code == 0


def test_models_and_datasets_are_listed(run):
    models = json.loads(CliRunner().invoke(cli, ["models", "list", "--json"]).stdout)
    assert {"dinov2_vits14", "demo_localizer_s"} <= {line["name"] for line in models}
    assert "demo_localizer_s" in CliRunner().invoke(cli, ["models"]).stdout
    assert (
        "vit_small_patch14" in CliRunner().invoke(cli, ["models", "show", "dinov2_vits14"]).stdout
    )
    assert "demo-01" in CliRunner().invoke(cli, ["datasets"]).stdout
    shown = json.loads(run("datasets", "show", "--json").stdout)
    assert sum(line["samples"] for line in shown["groups"]) == 36


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


def test_two_names_of_a_model_are_one_model(run):
    models = ["--attention-model", "DINOv2 ViT-S/14", "--attention-model", "dinov2_vits14_reg"]
    weights = ["--weights", "dinov2 vit-s=w.pth"]
    shown = json.loads(run("experiment", "show", *models, *weights, "--json").stdout)
    assert shown["attention"]["models"] == ["dinov2_vits14_reg"]
    assert shown["run"]["weights"] == {"dinov2_vits14_reg": "w.pth"}


def test_weights_alone_are_for_the_one_model(run, tmp_path):
    (tmp_path / "a=b.pth").touch()
    one = ["--attention-model", "MAE ViT-B/16", "--embedding-model", "mae_vitb16"]
    for file in ("w.pth", "a=b.pth"):
        shown = json.loads(run("experiment", "show", *one, "--weights", file, "--json").stdout)
        assert shown["run"]["weights"] == {"mae_vitb16": file}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--weights", "a.pth"], "a.pth could be those of no model that is named"),
        (
            ["--weights", "a.pth", "--attention-model", "m", "--embedding-model", "n"],
            "The weights a.pth could be those of m or n; write MODEL=FILE.",
        ),
        (["--weights", "a.pth", "--weights", "b.pth"], "write MODEL=FILE"),
        (["--weights", "m=a.pth", "--weights", "m=b.pth"], "two files are given for m"),
        (["--weights", "MAE ViT-B=a", "--weights", "mae_vitb16=b"], "two files are given for mae"),
        (["--weights", "mae_vitb16="], "write mae_vitb16=FILE"),
    ],
)
def test_weights_for_no_certain_model_are_refused(arguments, message, folder, command):
    done = command("experiment", "show", "--dataset", folder, *arguments)
    assert done.code == 2
    assert message in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("command", [[], *([name] for name in cli.commands)])
def test_every_command_explains_itself(command):
    result = CliRunner().invoke(cli, [*command, "--help"])
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) > 4


def test_help_needs_nothing_heavy():
    code = (
        "import sys; sys.argv = ['a2pipe', '--help']\n"
        "from a2pipe.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'timm', 'numpy', 'zarr', 'h5py', 'sklearn', 'pydantic', 'rich'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_a_forgotten_experiment_is_left_to_gc(tmp_path):
    study = Reference("birds", purpose="localize")
    remember(tmp_path, Reference("birds"), ["ab" * 16])
    remember(tmp_path, study, ["cd" * 16])
    done = CliRunner().invoke(cli, ["cache", "forget", "birds", "--cache", str(tmp_path)])
    assert (done.exit_code, done.output) == (
        0,
        "forgot birds; `a2pipe cache gc` shows what that leaves to be freed\n",
    )
    assert experiments(tmp_path).keys() == {study}
    again = CliRunner().invoke(cli, ["cache", "forget", "birds", "--cache", str(tmp_path)])
    assert isinstance(again.exception, UsageError)
    assert "noted there: 'birds localize'." in str(again.exception)


def test_an_experiment_is_forgotten_by_its_file_too(tmp_path, monkeypatch):
    files = [tmp_path / project / "experiment.toml" for project in ("a", "b")]
    for file in files:
        remember(tmp_path, Reference("birds", str(file)), ["ab" * 16])
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["cache", "forget", "a/experiment.toml", "--cache", "."])
    assert done.exit_code == 0
    assert experiments(tmp_path).keys() == {Reference("birds", str(files[1]))}


def test_a_stop_when_all_is_done_does_not_change_the_exit_code(tmp_path):
    """A batch system would take 143 for work that was cut short."""
    words = ["a2pipe", "cache", "ls", "--cache", str(tmp_path)]
    program = (
        f"import os, signal, sys; sys.argv = {words}; from a2pipe.cli import main; main();"
        "os.kill(os.getpid(), signal.SIGTERM)"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True).returncode == 0
