"""Models are identified while the dataset is read, and what is wrong is told in the same order.

New weights are looked into without PyTorch in the process that only looks.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from a2pipe.cache.fingerprint import fingerprint
from a2pipe.errors import A2pipeError, UsageError
from a2pipe.models import identity
from a2pipe.models.weights import hub
from a2pipe.pipeline import session
from a2pipe.pipeline.planning import identification
from a2pipe.pipeline.session import open_session

LOOK = """
import json, sys
from a2pipe.cache.fingerprint import fingerprint
from a2pipe.pipeline.session import open_session

session = open_session(json.loads(sys.argv[1]), sys.argv[2], looking=len(sys.argv) > 3)
specs = [fingerprint(spec) for spec in session.plan.specs()]
print(json.dumps([specs, "torch" in sys.modules]))
"""


def looked(experiment, cache, looking=True):
    """Fingerprints that a process finds that perhaps only looks, and whether it has PyTorch."""
    command = [sys.executable, "-c", LOOK, json.dumps(experiment), str(cache)]
    command += ["looking"] * looking
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


# --- while the dataset is read ------------------------------------------------------------------

UNFETCHED = {"attention": {"models": ["dinov2_vits14_reg"]}, "embedding": {"models": []}}


@pytest.fixture
def network(monkeypatch):
    """What was asked of the network, which cannot be reached; no weights are on this machine."""
    asked = []
    monkeypatch.setattr(hub, "_cached", lambda _: None)
    monkeypatch.setattr(hub, "_reachable", asked.append)
    return asked


def test_models_are_identified_while_the_dataset_is_read(experiment, tmp_path, monkeypatch):
    identified = threading.Event()
    original, load = identification.identify, session.load_collection

    def identify(*arguments, **options):
        identified.set()
        return original(*arguments, **options)

    def load_meanwhile(*arguments, **options):
        assert identified.wait(timeout=60)
        return load(*arguments, **options)

    monkeypatch.setattr(identification, "identify", identify)
    monkeypatch.setattr(session, "load_collection", load_meanwhile)
    assert open_session(experiment(), tmp_path / "cache").plan.attention


def test_a_model_is_identified_once(experiment, tmp_path, monkeypatch):
    """Even where the answer cannot be remembered."""
    inspected, original = [], identity._inspect

    def inspect(entry, *arguments):
        inspected.append(entry.name)
        return original(entry, *arguments)

    monkeypatch.setattr(identity, "_inspect", inspect)
    monkeypatch.setattr(identity, "remember", lambda *_: None)
    open_session(experiment(), tmp_path / "cache")
    assert inspected == ["demo_localizer_s_random"]


def test_where_all_models_are_known_pytorch_is_not_imported(experiment, tmp_path):
    first = looked(experiment(), tmp_path, looking=False)
    assert first[1]
    assert looked(experiment(), tmp_path, looking=False) == [first[0], False]


def test_nothing_is_fetched_for_a_dataset_that_is_wrong(experiment, tmp_path, network):
    wrong = experiment(dataset={"name": str(tmp_path / "nowhere")}, **UNFETCHED)
    with pytest.raises(UsageError, match="nowhere"):
        open_session(wrong, tmp_path)
    assert network == []


def test_weights_are_fetched_once_the_dataset_was_read(experiment, tmp_path, network, capsys):
    with pytest.raises(A2pipeError, match=r"are not on this machine and .* cannot be reached"):
        open_session(experiment(**UNFETCHED), tmp_path)
    assert len(network) == 1
    assert capsys.readouterr().err.count("fetching") == 1


def test_the_first_model_that_is_wrong_is_told(experiment, tmp_path, network):
    models = ["demo_localizer_s", "no_such_model", "dinov2_vits14_reg"]
    wrong = experiment(attention={"models": models}, embedding={"models": []})
    with pytest.raises(UsageError, match="no_such_model"):
        open_session(wrong, tmp_path)
    assert network == []


# --- the end of a command that does not wait for an import --------------------------------------


@pytest.fixture
def run(images, tmp_path):
    """Start `a2pipe run` with a PyTorch that takes a minute to be imported, and says so first."""
    (tmp_path / "slow" / "torch").mkdir(parents=True)
    code = "import os, time\nos.write(2, b'importing\\n')\ntime.sleep(60)\n"
    (tmp_path / "slow" / "torch" / "__init__.py").write_text(code)
    path = os.pathsep.join([str(tmp_path / "slow"), *filter(None, sys.path)])

    def start(dataset):
        words = ["run", "--dataset", images / dataset, "--attention-model", "demo_localizer_s"]
        words += ["--cache", tmp_path / "cache"]
        program = "from a2pipe.cli import program; program()"
        return subprocess.Popen(
            [sys.executable, "-c", program, *map(str, words)],
            env={**os.environ, "PYTHONPATH": path},
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def test_a_wrong_dataset_is_told_at_once(run):
    start = time.monotonic()
    process = run("nowhere.csv")
    _, said = process.communicate(timeout=50)
    assert process.returncode == 2
    assert "nowhere.csv" in said
    assert time.monotonic() - start < 50


@pytest.mark.parametrize(
    ("stop", "code", "sentence"),
    [
        (signal.SIGINT, 130, "a2pipe: Interrupted; what was committed is kept."),
        (signal.SIGTERM, 143, "a2pipe: Terminated; what was committed is kept."),
    ],
)
def test_a_stop_does_not_wait_for_the_import(run, stop, code, sentence):
    process = run("manifest.csv")
    assert process.stderr.readline() == "importing\n"
    time.sleep(0.5)  # most of which the main thread waits for the other
    process.send_signal(stop)
    _, said = process.communicate(timeout=50)
    assert (process.returncode, said.strip()) == (code, sentence)
