"""The checks of a GPU machine, on this machine's CPU: they run from a checkout and can fail."""

import importlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import a2pipe

BENCHMARKS = Path(a2pipe.__file__).parent / "benchmarks"
SMALL = ("--device", "cpu", "--sizes", "S", "--precisions", "fp32", "--batch", "1", "--rounds", "1")


def run(*options: str) -> subprocess.CompletedProcess[str]:
    """The one command, with this Python."""
    command = [str(BENCHMARKS / "gpu_check.sh"), *SMALL, "--no-compile", *options]
    environment = {**os.environ, "PYTHON": sys.executable}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_gpu_check_runs_and_writes_its_json(tmp_path):
    done = run("--families", "DINO", "DINOv3", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "all checks passed" in done.stdout
    (path,) = tmp_path.glob("gpu_check-*.json")
    report = json.loads(path.read_text())
    assert report["correctness"].keys() == {"DINO, fp32", "DINOv3, fp32"}
    speed = report["speed"]["ViT-S, fp32"]["images_per_second"]
    assert {"plain, eager", "attention, last block, eager", "embedding, eager"} <= speed.keys()
    assert min(speed.values()) > 0


def test_a_wrong_number_fails_the_gpu_check(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location("gpu_check", BENCHMARKS / "gpu_check.py")
    check = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(check)
    cpu = check.outputs

    def outputs(name, device, precision, images):
        rows, features = cpu(name, "cpu", precision, images)
        return rows + (2e-5 if device == "elsewhere" else 0), features

    monkeypatch.setattr(check, "outputs", outputs)
    monkeypatch.setattr(check, "FAMILIES", {"tiny": "vit_tiny_patch16_224"})
    options = SimpleNamespace(families=["tiny"], precisions=["fp32"], device="elsewhere")
    (found,) = check.correctness(options).values()
    assert not found["passed"]
    assert found["attention_largest"] == pytest.approx(2e-5, rel=0.1)


@pytest.mark.slow
def test_the_benchmark_of_nvjpeg_runs_with_the_cpu_in_its_place():
    command = [sys.executable, str(BENCHMARKS / "nvjpeg.py"), "--device", "cpu"]
    command += ["--images", "2", "--batch", "2", "--rounds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    report = json.loads(done.stdout)
    assert min(report["rates"].values()) > 0
    for found in report["beside_pillow"].values():
        assert found["cpu"]["pixels_largest"] <= 2
        assert found["cpu"]["attention_total_variation"] < 0.05


@pytest.mark.slow
def test_the_check_from_end_to_end_does_every_part_and_keeps_what_it_has(tmp_path):
    command = [
        str(BENCHMARKS / "gpu_check.sh"),
        "--end-to-end",
        "--dry-run",
        "--out",
        str(tmp_path),
    ]
    environment = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.glob("gpu_end_to_end-*.json")
    parts = json.loads(path.read_text())["parts"]
    assert parts["extract-attn, S"]["images"] == 24
    matrix = parts["Table 13, a part"]
    assert set(matrix["forward_passes"].values()) == {5 * matrix["images"]}
    assert matrix["share"] > 0
    assert matrix["hours_of_all"] > 0


def check_of(tmp_path, monkeypatch, budget):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = importlib.import_module("gpu_end_to_end")
    options = SimpleNamespace(only=[], budget=budget)
    report = {"seconds_of_parts": {}, "parts": {}}
    return module.Check(options, tmp_path, tmp_path / "report.json", report)


def test_the_check_from_end_to_end_goes_on_after_a_part_that_fails(tmp_path, monkeypatch):
    check = check_of(tmp_path, monkeypatch, budget=60)
    check.part("bad", 1, lambda: 1 / 0)
    check.part("long", 600, lambda: 1)
    check.part("good", 1, lambda: {"images": 3})
    parts = json.loads((tmp_path / "report.json").read_text())["parts"]
    assert parts["bad"] == {"failed": "ZeroDivisionError: division by zero"}
    assert parts["long"].keys() == {"left out"}
    assert parts["good"] == {"images": 3}


def test_missing_and_old_packages_are_named(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    dependencies = importlib.import_module("dependencies")
    project = tmp_path / "pyproject.toml"
    needed = ["numpy>=1.0", "no-such-package[all]>=2.5", "pytest>=9999.1"]
    project.write_text(f"[project]\ndependencies = {json.dumps(needed)}\n")
    missing, old = dependencies.lacking(project)
    assert missing == "missing: no-such-package[all]>=2.5"
    assert old.startswith("too old: pytest ")
