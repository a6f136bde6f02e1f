"""Zero-shot from images to classes, against open_clip's own pipeline; what is kept and refused."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch

from a2pipe.cache.fingerprint import fingerprint
from a2pipe.cache.records import Records
from a2pipe.datasets.collection import NO_BOXES, Collection
from a2pipe.errors import A2pipeError, UsageError
from a2pipe.models.backbone import load_backbone
from a2pipe.models.identity import BackboneInfo
from a2pipe.models.zoo.names import resolve
from a2pipe.stages.fits import text
from a2pipe.stages.fits.head_plan import build_head, plan_head
from a2pipe.stages.fits.text import TextSource
from a2pipe.stages.fits.zero_shot import plan_zero_shot, zero_shot_head
from a2pipe.stages.specs import CenterBox, EmbeddingSpec, FullBox, ModelSpec

CLASSES = ("bear", "bird", "cow", "elephant", "giraffe")
FULL = FullBox(224)


@pytest.fixture
def collection() -> Collection:
    """Twelve images of five animals."""
    return Collection(
        name="animals",
        paths=tuple(f"/{number}.png" for number in range(12)),
        labels=np.arange(12) % 5,
        class_names=CLASSES,
        groups=np.full(12, -1),
        group_names=(),
        splits=np.array(["train", "test"] * 6),
        boxes=(NO_BOXES,) * 12,
        image_ids=tuple(map(str, range(12))),
        digests=tuple(f"{number:032x}" for number in range(12)),
        sizes=np.full((12, 2), 224),
        unreadable={},
    )


def model_of(info: BackboneInfo) -> ModelSpec:
    return ModelSpec(info.architecture, info.weights, info.mean, info.std, name=info.name)


@pytest.fixture
def source(clip, tmp_path) -> TextSource:
    """The whole model in one file, and a memo."""
    return TextSource(clip.save(tmp_path), memo=tmp_path / "memo.json")


@pytest.fixture
def model(clip, source) -> ModelSpec:
    return model_of(text.identify(clip.name, weights=source.weights, memo=source.memo))


@pytest.fixture
def features(model) -> tuple[EmbeddingSpec, ...]:
    """The full image under the model."""
    return (EmbeddingSpec(FULL, model, 224),)


@pytest.fixture
def records(tmp_path) -> Records:
    return Records(tmp_path / "cache")


def pictures(count: int) -> torch.Tensor:
    """Images in [0, 1] that differ much: few large patches of strong colours."""
    generator = torch.Generator().manual_seed(count)
    small = torch.rand((count, 3, 4, 4), generator=generator).round()
    return torch.nn.functional.interpolate(small, size=224, mode="nearest").contiguous()


def by_open_clip(model, name: str, images: torch.Tensor, prompts: list[str]) -> np.ndarray:
    """Oracle: cosine of each image with each prompt, (N, P), by open_clip alone."""
    entry = resolve(name)
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (entry.mean, entry.std))
    tokens = open_clip.get_tokenizer(entry.open_clip)(prompts)
    with torch.inference_mode():
        image = model.encode_image((images - mean) / std, normalize=True)
        return (image @ model.encode_text(tokens, normalize=True).T).numpy()


def assert_agrees(head, embeddings: np.ndarray, expected: np.ndarray) -> None:
    """Class for class, and cosine to 1e-5, on classes and images that are not all alike."""
    np.testing.assert_allclose(head.cosine(embeddings), expected, atol=1e-5)
    assert np.array_equal(head.predict(embeddings), expected.argmax(axis=1))
    assert len({*expected.argmax(axis=1)}) > 1, "the check needs more than one answer"


# --- the oracle ---------------------------------------------------------------------------------


def test_it_is_open_clips_own_pipeline(clip, collection, features, source, records):
    images = pictures(12)
    backbone = load_backbone(clip.name, weights=source.weights, device="cpu")
    embeddings = backbone.embed(images)
    plan = plan_zero_shot({}, collection, features, source)
    head = zero_shot_head(plan, source, records).fit(embeddings, collection.labels)
    prompts = [f"a photo of a {name}" for name in CLASSES]
    expected = by_open_clip(clip.model, clip.name, images, prompts)
    assert_agrees(head, embeddings, expected)
    expected_probabilities = torch.tensor(expected).mul(100).softmax(-1).numpy()
    np.testing.assert_allclose(head.predict_proba(embeddings), expected_probabilities, atol=1e-3)


@pytest.mark.slow
def test_it_is_open_clips_own_pipeline_at_full_size(randomized, collection, tmp_path, records):
    whole = randomized("ViT-B-16")
    source = TextSource(whole.save(tmp_path), memo=tmp_path / "memo.json")
    where = {"weights": source.weights, "memo": source.memo}
    backbone = load_backbone(whole.name, device="cpu", **where)
    images = pictures(12)
    embeddings = backbone.embed(images)
    features = (EmbeddingSpec(FULL, model_of(backbone.info), 224),)
    plan = plan_zero_shot({}, collection, features, source)
    head = zero_shot_head(plan, source, records).fit(embeddings, collection.labels)
    prompts = [f"a photo of a {name}" for name in CLASSES]
    assert_agrees(head, embeddings, by_open_clip(whole.model, whole.name, images, prompts))


def test_several_templates_are_averaged_and_scaled_again(
    clip, collection, features, source, records
):
    templates = ["a photo of a {}", "a sketch of the {}", "{} at night"]
    plan = plan_zero_shot({"templates": templates}, collection, features, source)
    head = zero_shot_head(plan, source, records)
    tokenizer = open_clip.get_tokenizer("ViT-B-16")
    for name, row in zip(CLASSES, head.text, strict=True):
        tokens = tokenizer([template.format(name) for template in templates])
        mean = clip.model.encode_text(tokens, normalize=True).mean(dim=0)
        np.testing.assert_allclose(row, mean / mean.norm(), atol=1e-6)


def test_a_linear_probe_may_see_projected_features(clip, collection, features, source, records):
    images = pictures(12)
    embeddings = load_backbone(clip.name, weights=source.weights, device="cpu").embed(images)
    parameters = {"projected": True, "features": "l2"}
    plan = plan_head("logistic", parameters, collection, features, source)
    unfitted = build_head(plan, source, records)
    entry = resolve(clip.name)
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (entry.mean, entry.std))
    expected = clip.model.encode_image((images - mean) / std)
    np.testing.assert_allclose(unfitted.features(embeddings), expected, atol=5e-5)
    assert unfitted.head.get_params()["features"] == "l2"
    assert plan.address == parameters
    assert plan.records == (fingerprint(text.projection_spec(features[0].model)),)


# --- the cache ----------------------------------------------------------------------------------


def test_the_address_holds_prompts_and_text_tower(clip, collection, features, source, tmp_path):
    plan = plan_zero_shot({"combine": "mean"}, collection, features, source)
    spelled = {"combine": "mean", "templates": ["a photo of a {}"], "class_names": list(CLASSES)}
    assert plan_zero_shot(spelled, collection, features, source).address == plan.address
    assert plan.address["prompts"][0] == ["a photo of a bear"]
    other = plan_zero_shot({**spelled, "templates": ["a {}"]}, collection, features, source)
    assert other.address != plan.address
    clip.model.token_embedding.weight[0, 0] += 1
    (tmp_path / "other").mkdir()
    changed = TextSource(clip.save(tmp_path / "other"))
    model = model_of(text.identify(clip.name, weights=changed.weights))
    again = plan_zero_shot(
        {"combine": "mean"}, collection, (EmbeddingSpec(FULL, model, 224),), changed
    )
    assert again.address["text_model"] != plan.address["text_model"]


def test_records_are_those_it_reads(collection, features, source, records):
    plan = plan_zero_shot({}, collection, features, source)
    zero_shot_head(plan, source, records)
    written = {path.stem for path in Path(records.root).rglob("*.json")}
    assert written == {*plan.records}
    assert len(written) == len(CLASSES) + 1


# --- refused ------------------------------------------------------------------------------------


def refusal(error: type[A2pipeError], *arguments) -> str:
    with pytest.raises(error) as raised:
        plan_head(*arguments)
    assert re.fullmatch(r"[^\n]+\.", str(raised.value))
    return str(raised.value)


@pytest.mark.parametrize(
    ("kind", "parameters"), [("zero-shot", {}), ("logistic", {"projected": True})]
)
def test_a_model_without_a_text_tower_is_refused(kind, parameters, collection, model, source):
    other = replace(model, name="dinov2_vits14_reg")
    features = (EmbeddingSpec(FULL, other, 224),)
    said = refusal(UsageError, kind, parameters, collection, features, source)
    assert "dinov2_vits14_reg has no text tower" in said
    assert "openclip_vitb16" in said


def test_several_crops_are_refused_unless_combined(collection, features, model, source):
    crops = (*features, EmbeddingSpec(CenterBox(64, 224), model, 224))
    said = refusal(UsageError, "zero-shot", {}, collection, crops, source)
    assert 'this row has 2; name one crop size, or set combine = "mean"' in said
    assert plan_zero_shot({"combine": "mean"}, collection, crops, source).names == CLASSES


def test_features_of_several_models_are_refused(collection, features, model, source):
    other = replace(model, weights="0" * 32, name="openclip_vitl14")
    both = (*features, EmbeddingSpec(FULL, other, 224))
    said = refusal(UsageError, "zero-shot", {"combine": "mean"}, collection, both, source)
    assert "(openclip_vitb16, openclip_vitl14)" in said


@pytest.mark.parametrize("pool", ["mean", "selective:49"])
def test_embeddings_of_patches_are_refused(pool, collection, model, source):
    features = [EmbeddingSpec(FULL, model, 224, pool=pool)]
    with pytest.raises(UsageError, match="Only embeddings of the CLS token can be projected"):
        plan_zero_shot({}, collection, features, source)


def test_embeddings_of_other_weights_are_refused(collection, model, source):
    other = replace(model, weights="0" * 32)
    features = (EmbeddingSpec(FULL, other, 224),)
    said = refusal(A2pipeError, "zero-shot", {}, collection, features, source)
    assert "other weights of openclip_vitb16" in said


def test_a_wrong_number_of_classes_is_refused(collection, features, source):
    parameters = {"class_names": ["cat", "dog"]}
    said = refusal(UsageError, "zero-shot", parameters, collection, features, source)
    assert "has 2 class names (cat, dog) and animals has 5 classes" in said


def test_without_open_clip_it_names_the_extra(collection, features, source, records, monkeypatch):
    plan = plan_zero_shot({}, collection, features, source)
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(A2pipeError, match=r"`pip install a2pipe\[clip\]`"):
        zero_shot_head(plan, source, records)


@pytest.mark.parametrize(
    ("kind", "parameters", "sentence"),
    [
        ("logistic", {"projected": "yes"}, "true or false, not 'yes'"),
        ("zero-shot", {"projected": True}, "leave out `projected`"),
        ("logistic", {"project": True}, "no parameter 'project'"),
        ("zero-shot", {"templates": ["{} {}"]}, "has {} once"),
    ],
)
def test_wrong_parameters_are_found_before_anything_is_loaded(
    kind, parameters, sentence, collection, features, source, records
):
    with pytest.raises(UsageError, match=sentence):
        build_head(plan_head(kind, parameters, collection, features, source), source, records)
