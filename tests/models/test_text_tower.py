"""Text towers and projections, against open_clip itself on models of random weights."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

from a2pipe.errors import A2pipeError, UsageError
from a2pipe.models import openclip_checkpoint
from a2pipe.models.backbone import load_backbone
from a2pipe.models.identity import identify
from a2pipe.models.openclip_checkpoint import text_digest
from a2pipe.models.text_tower import identify_text, load_text_tower, read_projection
from a2pipe.models.weights import hub
from a2pipe.models.zoo.families import TABLE
from a2pipe.models.zoo.names import resolve

PROMPTS = ("a photo of a landbird", "a photo of a waterbird", "a photo of an elephant.", "Ünïcödé")
FORMATS = ("safetensors", "plain", "trainer")
OPENCLIP = [entry for entry in TABLE.values() if entry.family == "OpenCLIP"]


def encoded(model, prompts=PROMPTS) -> np.ndarray:
    """Oracle: open_clip's own way, all prompts at once."""
    tokens = open_clip.get_tokenizer("ViT-B-16")(list(prompts))
    with torch.inference_mode():
        return model.encode_text(tokens, normalize=True).numpy()


def said(error: pytest.ExceptionInfo[A2pipeError]) -> str:
    """What an error says, which has to be one sentence."""
    assert re.fullmatch(r"[^\n]+\.", str(error.value))
    return str(error.value)


@pytest.fixture(autouse=True)
def hub_cache(tmp_path, monkeypatch) -> Path:
    """An empty hub cache, and no hub."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(hub, "_reachable", lambda _: False)
    return tmp_path / "hub"


def publish(hub_cache: Path, repo: str, path: Path) -> None:
    """Put a file into the hub's cache as the download of a repository."""
    folder = hub_cache / f"models--{repo.replace('/', '--')}"
    commit = "0123456789" * 4
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(commit)
    (folder / "snapshots" / commit).mkdir(parents=True)
    shutil.copy(path, folder / "snapshots" / commit / path.name)


# --- embeddings of prompts ----------------------------------------------------------------------


@pytest.mark.parametrize("how", FORMATS)
def test_prompts_are_embedded_as_by_open_clip(how, clip, tmp_path) -> None:
    tower = load_text_tower(clip.name, weights=clip.save(tmp_path, how))
    embedded = tower.embed(PROMPTS)
    assert embedded.dtype == np.float32
    np.testing.assert_allclose(embedded, encoded(clip.model), atol=1e-6)
    assert (embedded @ embedded.T)[0, 1:].max() < 0.9, "the check needs prompts that differ"


def test_a_text_tower_that_is_a_module_of_its_own_is_the_same(clip, tmp_path) -> None:
    state = clip.model.state_dict()
    own = {n if n.startswith(("visual.", "logit")) else f"text.{n}": t for n, t in state.items()}
    torch.save(own, tmp_path / "custom.pt")
    tower = load_text_tower(clip.name, weights=tmp_path / "custom.pt")
    np.testing.assert_allclose(tower.embed(PROMPTS), encoded(clip.model), atol=1e-6)
    assert text_digest(tmp_path / "custom.pt") == text_digest(clip.save(tmp_path))


def test_the_activation_is_that_of_open_clips_configuration(clip, tmp_path, monkeypatch) -> None:
    config = {**open_clip.get_model_config("ViT-B-16"), "quick_gelu": True}
    quick = open_clip.CLIP(**config)
    quick.load_state_dict(clip.model.state_dict())
    monkeypatch.setattr(open_clip, "get_model_config", lambda _: config)
    embedded = load_text_tower(clip.name, weights=clip.save(tmp_path)).embed(PROMPTS)
    np.testing.assert_allclose(embedded, encoded(quick.eval()), atol=1e-6)
    assert np.abs(embedded - encoded(clip.model)).max() > 1e-4


def test_a_prompt_does_not_depend_on_the_others(clip, tmp_path) -> None:
    tower = load_text_tower(clip.name, weights=clip.save(tmp_path))
    together = tower.embed(PROMPTS)
    alone = [tower.embed([prompt])[0] for prompt in reversed(PROMPTS)]
    assert np.array_equal(together, alone[::-1])


def test_half_precision_becomes_float32(clip, tmp_path) -> None:
    half = clip.model.half()
    tower = load_text_tower(clip.name, weights=clip.save(tmp_path))
    assert np.array_equal(tower.embed(PROMPTS[:1]).dtype, np.float32)
    np.testing.assert_allclose(tower.embed(PROMPTS), encoded(half.float()), atol=1e-6)


def test_the_tokenizer_ships_with_open_clip_and_says_what_clip_says() -> None:
    assert (Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz").is_file()
    tokens = open_clip.get_tokenizer("ViT-B-16")(["a photo of a cat"])[0]
    assert tokens[:8].tolist() == [49406, 320, 1125, 539, 320, 2368, 49407, 0]


def test_a_prompt_that_would_be_cut_off_is_refused(clip, tmp_path) -> None:
    tower = load_text_tower(clip.name, weights=clip.save(tmp_path))
    assert tower.embed(["cat " * 75]).shape == (1, 40)
    with pytest.raises(UsageError, match="76 tokens, and openclip_vitb16 reads 75") as error:
        tower.embed(["cat " * 76])
    said(error)


# --- which file ---------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", OPENCLIP, ids=lambda entry: entry.name)
def test_models_and_repositories_are_open_clips(entry) -> None:
    (tag,) = [name.split("/")[1] for name in entry.called if "/laion" in name]
    published = open_clip.get_pretrained_cfg(entry.open_clip, tag)
    assert published["hf_hub"].strip("/") == entry.whole_repo
    config = open_clip.get_model_config(entry.open_clip)
    assert config["vision_cfg"]["patch_size"] == entry.patch
    assert config.get("quick_gelu", False) is False


def test_one_file_serves_both_towers(clip, tmp_path) -> None:
    path = clip.save(tmp_path)
    info, text = identify(clip.name, weights=path), identify_text("OpenCLIP ViT-B", weights=path)
    assert (text.name, text.image_weights) == (info.name, info.weights)
    assert text.architecture == '{"library":"open_clip","model":"ViT-B-16"}'


def test_the_published_model_is_found_where_the_hub_keeps_it(clip, tmp_path, hub_cache) -> None:
    entry = resolve(clip.name)
    publish(hub_cache, entry.repo, clip.save_timm(tmp_path))
    publish(hub_cache, entry.whole_repo, clip.save(tmp_path, "plain"))
    tower = load_text_tower(clip.name, offline=True)
    np.testing.assert_allclose(tower.embed(PROMPTS), encoded(clip.model), atol=1e-6)
    assert tower.info.image_weights == identify(clip.name, offline=True).weights


def test_a_copy_of_the_image_tower_may_be_stored_in_half_precision(
    clip, tmp_path, hub_cache
) -> None:
    entry = resolve(clip.name)
    publish(hub_cache, entry.whole_repo, clip.save(tmp_path, "plain"))
    copy = {name: tensor.bfloat16() for name, tensor in load_file(clip.save_timm(tmp_path)).items()}
    save_file(copy, tmp_path / "half.safetensors")
    info = identify_text(clip.name, weights=tmp_path / "half.safetensors")
    assert info.weights == text_digest(clip.save(tmp_path))


@pytest.mark.parametrize("changed", ["visual.proj", "visual.conv1.weight"])
def test_the_text_tower_of_another_image_tower_is_refused(
    changed, clip, tmp_path, hub_cache
) -> None:
    publish(hub_cache, resolve(clip.name).whole_repo, clip.save(tmp_path, "plain"))
    clip.model.get_parameter(changed).data *= 1.05
    with pytest.raises(A2pipeError, match="another image tower") as error:
        identify_text(clip.name, weights=clip.save_timm(tmp_path))
    assert "model.safetensors" in said(error)


def test_without_a_network_it_says_how_to_get_the_text_tower(clip, tmp_path) -> None:
    with pytest.raises(A2pipeError, match="text tower of openclip_vitb16 is not on this") as error:
        identify_text(clip.name, weights=clip.save_timm(tmp_path), offline=True)
    assert "`a2pipe models fetch --text openclip_vitb16`" in said(error)
    assert "`--weights openclip_vitb16=FILE` with the whole model" in said(error)


def test_a_model_without_a_text_tower_names_those_with_one() -> None:
    with pytest.raises(UsageError, match=r"^dinov2_vits14_reg has no text tower") as error:
        identify_text("DINOv2 ViT-S")
    assert "openclip_vitb16, openclip_vitl14, openclip_vith14, openclip_vitg14" in said(error)


def test_weights_of_another_model_do_not_fit(clip, tmp_path) -> None:
    state = clip.model.state_dict()
    state["text_projection"] = torch.zeros(16, 40)
    torch.save(state, tmp_path / "other.pt")
    with pytest.raises(A2pipeError, match="text_projection 16x40 for 32x40") as error:
        load_text_tower(clip.name, weights=tmp_path / "other.pt")
    said(error)


def test_without_open_clip_it_names_the_extra(clip, tmp_path, monkeypatch) -> None:
    path = clip.save(tmp_path)
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(A2pipeError, match=r"`pip install a2pipe\[clip\]`") as error:
        load_text_tower(clip.name, weights=path)
    said(error)


# --- what is remembered -------------------------------------------------------------------------


def test_a_known_file_is_identified_without_torch(clip, tmp_path) -> None:
    path, memo = clip.save(tmp_path), tmp_path / "memo.json"
    known = identify_text(clip.name, weights=path, memo=memo)
    program = f"""
import sys
from pathlib import Path
from a2pipe.models.text_tower import TextInfo, identify_text
found = identify_text({clip.name!r}, weights=Path({str(path)!r}), memo=Path({str(memo)!r}))
print(found == {known!r}, sorted({{"torch", "timm", "open_clip"}} & sys.modules.keys()))
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert answer.stdout.strip() == "True []", answer.stderr


def test_two_files_are_compared_once(clip, tmp_path, hub_cache, monkeypatch) -> None:
    publish(hub_cache, resolve(clip.name).whole_repo, clip.save(tmp_path, "plain"))
    path, memo = clip.save_timm(tmp_path), tmp_path / "memo.json"
    first = identify_text(clip.name, weights=path, memo=memo)
    monkeypatch.setattr(
        openclip_checkpoint, "_image_tower", lambda *_: pytest.fail("compared again")
    )
    assert identify_text(clip.name, weights=path, memo=memo) == first


# --- the projection -----------------------------------------------------------------------------


@pytest.mark.parametrize("how", [*FORMATS, "timm"])
def test_embedding_times_projection_is_open_clips_image_feature(
    how, clip, pixels, tmp_path
) -> None:
    path = clip.save_timm(tmp_path) if how == "timm" else clip.save(tmp_path, how)
    projection = read_projection(clip.name, weights=path)
    assert (projection.shape, projection.dtype) == ((48, 40), np.float32)
    backbone = load_backbone(clip.name, weights=path, device="cpu")
    images = pixels(224)
    entry = resolve(clip.name)
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (entry.mean, entry.std))
    expected = clip.model.encode_image((images - mean) / std)
    np.testing.assert_allclose(backbone.embed(images) @ projection, expected, atol=5e-5)


def test_a_classifier_is_no_projection(clip, tmp_path) -> None:
    tower = load_file(clip.save_timm(tmp_path))
    tower["head.bias"] += 1
    save_file(tower, tmp_path / "classifier.safetensors")
    with pytest.raises(A2pipeError, match="hold no projection") as error:
        read_projection(clip.name, weights=tmp_path / "classifier.safetensors")
    said(error)


def test_a_bare_image_tower_has_no_projection(clip, tmp_path) -> None:
    tower = load_file(clip.save_timm(tmp_path))
    bare = {name: tensor for name, tensor in tower.items() if not name.startswith("head.")}
    save_file(bare, tmp_path / "bare.safetensors")
    with pytest.raises(A2pipeError, match=r"bare\.safetensors hold no projection"):
        read_projection(clip.name, weights=tmp_path / "bare.safetensors")


def test_a_projection_that_is_no_number_is_refused(clip, tmp_path) -> None:
    clip.model.visual.proj[3, 3] = float("nan")
    with pytest.raises(A2pipeError, match="not finite"):
        read_projection(clip.name, weights=clip.save(tmp_path))
