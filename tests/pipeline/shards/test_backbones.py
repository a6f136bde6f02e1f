"""New weights are looked into without PyTorch in the process that only looks."""

import json
import subprocess
import sys

import pytest

from a2pipe.cache.fingerprint import fingerprint
from a2pipe.pipeline.session import open_session

LOOK = """
import json, sys
from a2pipe.cache.fingerprint import fingerprint
from a2pipe.pipeline.session import open_session

session = open_session(json.loads(sys.argv[1]), sys.argv[2], looking=True)
specs = [fingerprint(spec) for spec in session.plan.specs()]
print(json.dumps([specs, "torch" in sys.modules]))
"""


def looked(experiment, cache):
    """Fingerprints that a process finds that only looks, and whether it has PyTorch."""
    command = [sys.executable, "-c", LOOK, json.dumps(experiment), str(cache)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("model", ["demo_localizer_s", "demo_localizer_s_random"])
def test_a_look_at_new_weights_finds_the_same_addresses_without_pytorch(
    experiment, tmp_path, model
):
    whole = experiment(attention={"models": [model]})
    here = open_session(whole, tmp_path / "here").plan.specs()
    assert looked(whole, tmp_path / "there") == [[fingerprint(spec) for spec in here], False]


def test_weights_that_cannot_be_read_are_one_sentence(images, tmp_path):
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"no tensors")
    words = ["plan", "--dataset", images / "manifest.csv", "--attention-model", "dinov2_vits14"]
    words += ["--weights", f"dinov2_vits14={broken}", "--cache", tmp_path / "cache"]
    command = [sys.executable, "-c", "from a2pipe.cli import main; main()", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith(f"a2pipe: The weights file {broken} cannot be read (")
    assert done.stderr.count("\n") == 1
