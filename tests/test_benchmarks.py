"""The check of a GPU machine, on this machine's CPU: it runs from a checkout, and it can fail."""

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
    speed = report["speed"]["ViT-S, fp32, eager"]["images_per_second"]
    assert {"forward_features", "attention, last block", "embedding"} <= speed.keys()
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
