"""Experiment files on the command line: written, shown, and overruled by flags."""

import json

import pytest
from click.testing import CliRunner

from a2pipe.cli import cli


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
