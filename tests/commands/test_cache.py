"""The cache on the command line: listed, shown, verified, exported, cleaned."""

import json

import numpy as np
from click.testing import CliRunner

from a2pipe.cache.references import Reference, experiments, remember
from a2pipe.cli import cli
from a2pipe.errors import UsageError

MODEL = "demo_localizer_s_random"


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
