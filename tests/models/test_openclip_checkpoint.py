"""The parts of an open_clip checkpoint: text tower, projection, and whether two towers agree."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from a2pipe.errors import A2pipeError
from a2pipe.models import openclip_checkpoint
from a2pipe.models.openclip_checkpoint import (
    projection_in,
    same_image_tower,
    text_digest,
    text_tensors,
)
from a2pipe.models.zoo.names import resolve

FORMATS = ("safetensors", "plain", "trainer")


def test_the_text_tower_is_known_by_its_own_tensors(clip, tmp_path) -> None:
    paths = [clip.save(tmp_path, how) for how in FORMATS]
    (digest,) = {text_digest(path) for path in paths}
    clip.model.visual.proj += 1
    assert text_digest(clip.save(tmp_path)) == digest
    clip.model.token_embedding.weight[0, 0] += 1
    assert text_digest(clip.save(tmp_path)) != digest


TEXT = {"token_embedding.weight": torch.zeros(3, 2), "ln_final.bias": torch.ones(2)}
IMAGE = {"visual.conv1.weight": torch.zeros(1), "visual.proj": torch.arange(6.0).reshape(2, 3)}
SCALE = {"logit_scale": torch.tensor(4.6)}


@pytest.mark.parametrize("prefix", ["", "text."])
def test_the_text_tower_lies_at_the_top_or_below_a_name_of_its_own(prefix) -> None:
    tower = {f"{prefix}{name}": tensor for name, tensor in TEXT.items()}
    found = text_tensors({**tower, **IMAGE, **SCALE})
    assert found.keys() == TEXT.keys()


def test_an_image_tower_alone_has_no_text_tower(tmp_path) -> None:
    assert text_tensors({**IMAGE, **SCALE}) == {}
    save_file(IMAGE, tmp_path / "image.safetensors")
    assert text_digest(tmp_path / "image.safetensors") == ""


def test_the_projection_is_that_of_the_whole_model_or_the_head_of_timms_copy() -> None:
    expected = IMAGE["visual.proj"]
    head = expected.T.contiguous().half()
    for tensors in (IMAGE, {"head.weight": head}, {"visual.head.proj.weight": head}):
        assert torch.equal(projection_in(tensors, "w.pt"), expected)
    zero = {"head.weight": head, "head.bias": torch.zeros(3)}
    assert torch.equal(projection_in(zero, "w.pt"), expected)
    with pytest.raises(A2pipeError, match=r"w\.pt hold no projection"):
        projection_in({**zero, "head.bias": torch.ones(3)}, "w.pt")


def test_towers_agree_up_to_half_precision(clip, tmp_path, monkeypatch) -> None:
    entry, whole, memo = resolve(clip.name), clip.save(tmp_path), tmp_path / "memo.json"
    copy = {name: each.bfloat16() for name, each in load_file(clip.save_timm(tmp_path)).items()}
    save_file(copy, tmp_path / "half.safetensors")
    assert same_image_tower(entry, tmp_path / "half.safetensors", whole, memo)
    copy["head.weight"] = 1.05 * copy["head.weight"]
    save_file(copy, tmp_path / "other.safetensors")
    assert not same_image_tower(entry, tmp_path / "other.safetensors", whole, memo)
    monkeypatch.setattr(openclip_checkpoint, "_image_tower", lambda *_: pytest.fail("read again"))
    assert same_image_tower(entry, tmp_path / "half.safetensors", whole, memo)
