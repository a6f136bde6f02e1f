"""Zero-shot in a matrix: from image files to classes as open_clip has them; nothing done twice."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from a2pipe.cache.catalog import Cache
from a2pipe.cache.gc import gc
from a2pipe.errors import A2pipeError, UsageError
from a2pipe.models.zoo.names import resolve
from a2pipe.pipeline.results.matrix import build_matrix
from a2pipe.pipeline.session import open_session

from .conftest import write_images, write_manifest

HEADS = [
    {"kind": "zero-shot", "class_names": ["moth", "lamp"]},
    {"kind": "logistic", "name": "probe", "projected": True, "features": "l2"},
]


@pytest.fixture
def experiment(clip, tmp_path) -> dict[str, Any]:
    """The full image of forty pictures under a small OpenCLIP model."""
    write_manifest(tmp_path / "images", write_images(tmp_path / "images", 40))
    return {
        "name": "words",
        "dataset": {"name": str(tmp_path / "images" / "manifest.csv")},
        "image": {"size": 224},
        "embedding": {"models": [clip.name], "baselines": ["full"]},
        "head": HEADS,
        "run": {"device": "cpu", "weights": {clip.name: str(clip.save(tmp_path))}},
    }


def cosine_by_open_clip(clip, images: Path, count: int) -> np.ndarray:
    """Oracle: the files, squashed by Pillow, through open_clip alone."""
    squashed = [
        np.asarray(
            Image.open(images / f"{n:05d}.png").resize((224, 224), Image.Resampling.BILINEAR)
        )
        for n in range(count)
    ]
    pixels = torch.from_numpy(np.stack(squashed)).permute(0, 3, 1, 2) / 255
    entry = resolve(clip.name)
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (entry.mean, entry.std))
    tokens = open_clip.get_tokenizer("ViT-B-16")(["a photo of a moth", "a photo of a lamp"])
    with torch.inference_mode():
        image = clip.model.encode_image((pixels - mean) / std, normalize=True)
        return (image @ clip.model.encode_text(tokens, normalize=True).T).numpy()


def test_a_matrix_predicts_what_open_clip_predicts(clip, experiment, tmp_path):
    run = build_matrix(open_session(experiment, tmp_path / "cache"))
    cell, probe = run.cells
    expected = cosine_by_open_clip(clip, tmp_path / "images", 40)[cell.arrays["test_index"]]
    assert np.array_equal(cell.arrays["test_predictions"], expected.argmax(axis=1))
    odds = np.exp(100 * expected)
    np.testing.assert_allclose(
        cell.arrays["test_probabilities"], odds / odds.sum(axis=1, keepdims=True), atol=2e-3
    )
    assert np.isfinite(probe.arrays["test_probabilities"]).all()


def test_a_second_run_needs_no_open_clip(experiment, tmp_path):
    build_matrix(open_session(experiment, tmp_path / "cache"))
    program = f"""
import sys
from a2pipe.pipeline.results.matrix import build_matrix
from a2pipe.pipeline.session import open_session
run = build_matrix(open_session({experiment!r}, {str(tmp_path / "cache")!r}))
print(len(run.cells), sorted({{"torch", "timm", "open_clip"}} & sys.modules.keys()))
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert answer.stdout.strip() == "2 []", answer.stderr


def test_text_features_are_kept_as_long_as_the_experiment(experiment, tmp_path):
    build_matrix(open_session(experiment, tmp_path / "cache"))
    gc(Cache(tmp_path / "cache"), apply=True)
    assert len(list((tmp_path / "cache" / "text").glob("*.json"))) == 2
    assert len(list((tmp_path / "cache" / "projections").glob("*.json"))) == 1


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"head": [{"kind": "zero-shot"}]}, "classes of manifest are numbers"),
        ({"embedding": {"models": ["demo_embedder_s"], "baselines": ["full"]}}, "no text tower"),
    ],
)
def test_what_cannot_be_is_said_before_any_image_is_embedded(
    changed, sentence, experiment, tmp_path
):
    run = {**experiment["run"], "weights": {}} if "embedding" in changed else experiment["run"]
    session = open_session({**experiment, **changed, "run": run}, tmp_path / "cache")
    with pytest.raises(UsageError, match=sentence):
        build_matrix(session)
    assert session.stats.forward_passes == {}


def test_a_missing_extra_is_said_before_any_image_is_embedded(experiment, tmp_path, monkeypatch):
    session = open_session(experiment, tmp_path / "cache")
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(A2pipeError, match=r"a2pipe\[clip\]"):
        build_matrix(session)
    assert session.stats.forward_passes == {}


@pytest.mark.parametrize("pool", ["mean", "cls+mean", "selective:49", "native"])
@pytest.mark.parametrize("head", HEADS, ids=["zero-shot", "projected"])
def test_only_the_cls_token_is_shared_with_text(head, pool, experiment, tmp_path):
    embedding = {**experiment["embedding"], "pool": ["cls", pool]}
    changed = {**experiment, "embedding": embedding, "head": [head]}
    changed["run"] = {**experiment["run"], "weights": {}}  # none are looked for
    with pytest.raises(UsageError, match=r"reads what is shared with text, .* at \"cls\"") as error:
        open_session(changed, tmp_path / "cache")
    assert "\n" not in str(error.value)
