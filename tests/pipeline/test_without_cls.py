"""Models without CLS attention in the whole chain: maps of statistics, pools of their own."""

import json
from pathlib import Path

import numpy as np
import pytest
import timm
import tomli_w
import torch
from safetensors.torch import load_file, save_file

from a2pipe.errors import UsageError
from a2pipe.models.weights import hub
from a2pipe.pipeline.inspect.estimate import estimate
from a2pipe.pipeline.inspect.probe import probe
from a2pipe.pipeline.results.matrix import build_matrix
from a2pipe.pipeline.results.study import make_study
from a2pipe.pipeline.session import open_session
from a2pipe.stages.geometry import Canvas
from a2pipe.stages.pixels import load_canvas

RESNET, CONVNEXT = "test_resnet", "test_convnext"


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> dict[str, str]:
    """Files with random weights of two networks of timm, by their names."""
    folder = tmp_path_factory.mktemp("weights")
    for name in (RESNET, CONVNEXT):
        torch.manual_seed(0)
        state = timm.create_model(name).state_dict()
        save_file({key: value.contiguous() for key, value in state.items()}, folder / name)
        (folder / name).rename(folder / f"{name}.safetensors")
    return {name: str(folder / f"{name}.safetensors") for name in (RESNET, CONVNEXT)}


@pytest.fixture
def without_cls(experiment, weights):
    """An experiment in which a ResNet tells where to look, and both networks embed."""

    def make(**sections):
        given = {
            "image": {"size": 96},
            "attention": {"models": [RESNET], "source": ["patch-score", "votes:N/2"]},
            "crops": {"sizes": [32]},
            "embedding": {"models": [RESNET, CONVNEXT], "pool": ["native", "mean"]},
            "head": [{"kind": "nearest-mean"}],
            "run": {"batch_size": 16, "shard_size": 32, "device": "cpu", "weights": weights},
        }
        return experiment(**{**given, **sections})

    return make


@pytest.fixture
def network(monkeypatch) -> list[str]:
    """What was asked of the network, which cannot be reached; no weights are on this machine."""
    asked: list[str] = []
    monkeypatch.setattr(hub, "_cached", lambda _: None)
    monkeypatch.setattr(hub, "_reachable", asked.append)
    return asked


def passes(experiment, cache: Path) -> dict[str, int]:
    return build_matrix(open_session(experiment, cache)).record.stats.forward_passes


def test_a_matrix_of_native_pools_runs_cold_and_again_without_a_pass(without_cls, tmp_path) -> None:
    cold = build_matrix(open_session(without_cls(), tmp_path / "cache"))
    # Maps of both sources share a pass, and so do both pools of a box.
    assert cold.record.stats.forward_passes == {RESNET: 3 * 80, CONVNEXT: 2 * 80}
    assert cold.matrix.columns == (
        *(f"{RESNET}, native", f"{RESNET}, mean"),
        *(f"{CONVNEXT}, native", f"{CONVNEXT}, mean"),
    )
    assert len(cold.matrix.rows) == 2
    assert passes(without_cls(), tmp_path / "cache") == {}


def test_an_embedding_in_the_cache_is_timms_own(without_cls, weights, tmp_path) -> None:
    """The native pool of whole images, against timm's network on the same pixels."""
    whole = without_cls(
        attention={"models": []},
        embedding={"models": [CONVNEXT], "pool": ["native"], "baselines": ["full"]},
        run={"device": "cpu", "weights": {CONVNEXT: weights[CONVNEXT]}},
    )
    session = open_session(whole, tmp_path / "cache")
    build_matrix(session)
    (spec,) = (each for each in session.plan.specs() if each.stage == "embeddings")
    images = session.collection.images[:3]
    found = session.read(spec, images)
    network = timm.create_model(CONVNEXT).eval()
    network.load_state_dict(load_file(weights[CONVNEXT]))
    info = session.plan.backbones[CONVNEXT]
    shown = [load_canvas(session.collection.path_of[each], Canvas(96)) for each in images]
    pixels = torch.from_numpy(np.stack(shown)).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (info.mean, info.std))
    with torch.no_grad():
        features = network.forward_features((pixels - mean) / std)
        expected = network.forward_head(features, pre_logits=True)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("evaluation", ["pixels", "patch-overlap", "point-in-box", "centre"])
def test_maps_of_a_convolutional_network_are_localised(without_cls, tmp_path, evaluation) -> None:
    given = without_cls(localize={"evaluation": evaluation})
    study = make_study(open_session(given, tmp_path / "cache"))
    assert [line.source for line in study.lines] == ["patch-score:mean", "votes:5"]
    for line in study.lines:
        assert (line.block, line.blocks, line.registers, line.patch) == (0, 0, 0, 32)
        assert line.n == 30
        assert all(0 <= measure.mean <= 100 for measure in line.measures)


def test_a_probe_times_pools_and_statistics(without_cls, tmp_path) -> None:
    session = open_session(without_cls(), tmp_path / "cache")
    timed = probe(session, estimate(session.plan, session.cache))
    assert set(timed.passes) == {
        f"{RESNET} at 96 px, patches",
        f"{RESNET} at 96 px, embeddings",
        f"{CONVNEXT} at 96 px, embeddings",
    }


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"attention": {"models": [RESNET]}}, "so it gives no attention; its pools are native"),
        ({"embedding": {"models": [CONVNEXT]}}, "so it has no pool cls; its pools are native"),
        (
            {"embedding": {"models": [CONVNEXT], "pool": ["native", "cls+mean"]}},
            "so it has no pool cls",
        ),
        (
            {"attention": {"models": [RESNET], "source": "patch-score:cls"}},
            "so it has no patch-score:cls",
        ),
        ({"patches": {"statistics": ["norm:before"]}}, "runs as a whole"),
    ],
)
def test_what_a_model_lacks_is_refused_before_weights_are_fetched(
    sections, words, without_cls, tmp_path, network
) -> None:
    run = {"device": "cpu"}
    with pytest.raises(UsageError, match=words) as refusal:
        open_session(without_cls(**{"run": run, **sections}), tmp_path / "cache")
    assert "\n" not in str(refusal.value)
    assert network == []


def test_a_side_that_cuts_a_cell_is_refused(without_cls, tmp_path) -> None:
    with pytest.raises(UsageError, match="do not divide an input of 100 px"):
        open_session(without_cls(image={"size": 100}), tmp_path / "cache")


def test_extract_patches_reads_no_attention(command, images, weights, tmp_path):
    """Though attention is what maps are made of unless another source is named."""
    words = ["--dataset", images / "manifest.csv", "--image-size", 96, "--model", RESNET]
    words += ["--weights", f"{RESNET}={weights[RESNET]}", "--cache", tmp_path / "cache"]
    found = command("extract-patches", *words, "--device", "cpu", "--quiet", "--json")
    assert found.code == 0, found.err
    lines = json.loads(found.out)
    assert {line["stage"] for line in lines} == {"patches"}
    assert lines[0]["what"] == f"{RESNET}, patch score to the mean patch"


def test_extract_patches_stores_no_attention_of_an_experiment(command, experiment, tmp_path):
    """Rows that the experiment combines are none of its business either."""
    written = tmp_path / "tiny.toml"
    both = {"rows": ["demo_localizer_s_random", "full"]}
    content = experiment(embedding={"models": [], "baselines": ["full"]}, combine=[both])
    written.write_text(tomli_w.dumps(content))
    found = command("extract-patches", written, "--cache", tmp_path / "cache", "--quiet")
    assert found.code == 0, found.err
    assert not (tmp_path / "cache" / "attention").exists()
