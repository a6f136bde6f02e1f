"""Weight files: read without pickle, told apart by their tensors."""

import argparse
import contextlib
import random

import pytest
import torch
from safetensors.torch import save_file

from a2pipe.errors import A2pipeError
from a2pipe.models.weights import checkpoint as weights


@pytest.fixture
def tensors() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "norm.bias": torch.rand(5, generator=generator),
        "blocks.0.weight": torch.rand((3, 4), generator=generator).half(),
        "scale": torch.tensor(2.0, dtype=torch.bfloat16),
    }


def test_the_digest_is_of_the_tensors_not_of_the_file(tensors, tmp_path) -> None:
    save_file(tensors, tmp_path / "a.safetensors", {"note": "metadata is no tensor"})
    torch.save({"state_dict": tensors, "epoch": 7}, tmp_path / "a.pth")
    digest = weights.tensor_digest(tmp_path / "a.safetensors")
    assert digest == weights.tensor_digest(tmp_path / "a.pth")
    assert len(digest) == 32
    assert int(digest, 16) >= 0


@pytest.mark.parametrize("change", ["value", "name", "shape", "dtype"])
def test_any_change_of_a_tensor_changes_the_digest(change, tensors, tmp_path) -> None:
    save_file(tensors, tmp_path / "a.safetensors")
    bias = tensors.pop("norm.bias")
    tensors["norm.bias2" if change == "name" else "norm.bias"] = {
        "value": torch.nextafter(bias, bias + 1),
        "name": bias,
        "shape": bias.reshape(5, 1),
        "dtype": bias.view(torch.int32),
    }[change]
    save_file(tensors, tmp_path / "b.safetensors")
    one, other = (weights.tensor_digest(tmp_path / f"{x}.safetensors") for x in "ab")
    assert one != other


def test_a_known_file_is_not_read_again(tensors, tmp_path, monkeypatch) -> None:
    path, memo = tmp_path / "a.safetensors", tmp_path / "memo.json"
    save_file(tensors, path)
    digest = weights.tensor_digest(path, memo)
    monkeypatch.setattr(weights, "_stream", lambda _: pytest.fail("read again"))
    assert weights.tensor_digest(path, memo) == digest


def test_a_changed_file_is_read_again(tensors, tmp_path) -> None:
    path, memo = tmp_path / "a.safetensors", tmp_path / "memo.json"
    save_file(tensors, path)
    before = weights.tensor_digest(path, memo)
    save_file({**tensors, "more": torch.zeros(1)}, path)
    assert weights.tensor_digest(path, memo) != before


@pytest.mark.parametrize("damage", [b"", b"{", b"[1, 2]"])
def test_a_torn_memo_is_forgotten(damage, tensors, tmp_path) -> None:
    path, memo = tmp_path / "a.safetensors", tmp_path / "memo.json"
    save_file(tensors, path)
    memo.write_bytes(damage)
    assert weights.tensor_digest(path, memo) == weights.tensor_digest(path)


def test_wrappers_and_prefixes_are_taken_off(tensors, tmp_path) -> None:
    prefixed = {f"module.backbone.{name}": tensor for name, tensor in tensors.items()}
    head = {"module.head.weight": torch.zeros(2)}
    torch.save({"student": {}, "teacher": {**prefixed, **head}}, tmp_path / "a.pth")
    read = weights.read_tensors(tmp_path / "a.pth")
    assert read.keys() == tensors.keys()
    assert torch.equal(read["norm.bias"], tensors["norm.bias"])


@pytest.mark.parametrize("prefix", ["backbone.", "module.backbone.", "module.model.", "model."])
def test_every_prefix_is_taken_off(prefix, tensors, tmp_path) -> None:
    torch.save({f"{prefix}{name}": tensor for name, tensor in tensors.items()}, tmp_path / "a.pth")
    assert weights.read_tensors(tmp_path / "a.pth").keys() == tensors.keys()


def test_heads_beside_a_backbone_are_left_out_and_nothing_else(tensors, tmp_path) -> None:
    named = {f"backbone.{name}": tensor for name, tensor in tensors.items()}
    heads = dict.fromkeys(("head.mlp.0.bias", "dino_head.x", "ibot_head.x"), torch.zeros(1))
    torch.save({"teacher": {**named, **heads, "ahead": torch.zeros(1)}}, tmp_path / "a.pth")
    assert weights.read_tensors(tmp_path / "a.pth").keys() == {*tensors, "ahead"}


def test_a_tensor_under_two_names_is_refused(tensors, tmp_path) -> None:
    torch.save({**tensors, "module.scale": torch.zeros(1)}, tmp_path / "a.pth")
    with pytest.raises(A2pipeError, match=r"holds scale twice, with and without 'module\.'"):
        weights.read_tensors(tmp_path / "a.pth")


class Harmful:
    """Would write a file if it were unpickled."""

    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_checkpoint_that_needs_unpickling_is_refused(tensors, tmp_path) -> None:
    torch.save({"model": tensors, "args": Harmful(tmp_path / "written")}, tmp_path / "a.pth")
    with pytest.raises(A2pipeError, match="would have to be unpickled"):
        weights.read_tensors(tmp_path / "a.pth")
    assert not (tmp_path / "written").exists()


@pytest.mark.parametrize("name", ["a.safetensors", "a.pth"])
def test_a_damaged_file_is_named(name, tensors, tmp_path) -> None:
    path = tmp_path / name
    save_file(tensors, path) if name.endswith("rs") else torch.save(tensors, path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(A2pipeError, match=f"{name} cannot be read"):
        weights.read_tensors(path)


def test_a_file_without_tensors_is_refused(tmp_path) -> None:
    torch.save([1, 2], tmp_path / "a.pth")
    with pytest.raises(A2pipeError, match="holds no named tensors"):
        weights.read_tensors(tmp_path / "a.pth")


def test_the_options_of_a_training_run_may_stand_beside_the_tensors(tensors, tmp_path) -> None:
    allowed = list(torch.serialization.get_safe_globals())
    torch.save({"model": tensors}, tmp_path / "a.pth")
    torch.save({"model": tensors, "args": argparse.Namespace(lr=0.1)}, tmp_path / "b.pth")
    one, other = (weights.tensor_digest(tmp_path / f"{x}.pth") for x in "ab")
    assert one == other
    assert torch.serialization.get_safe_globals() == allowed


def test_files_of_old_versions_of_torch_are_read_as_carefully(tensors, tmp_path) -> None:
    old = {"_use_new_zipfile_serialization": False}
    args = argparse.Namespace(arch="vit_small", lr=5e-4)
    torch.save({"teacher": tensors, "args": args}, tmp_path / "a.pth", **old)
    assert weights.read_tensors(tmp_path / "a.pth").keys() == tensors.keys()
    torch.save(
        {"teacher": tensors, "args": Harmful(tmp_path / "written")}, tmp_path / "b.pth", **old
    )
    with pytest.raises(A2pipeError, match="would have to be unpickled"):
        weights.read_tensors(tmp_path / "b.pth")
    assert not (tmp_path / "written").exists()


class Options(argparse.Namespace):
    """Options of a class of their own."""


@pytest.mark.parametrize(
    "options",
    [
        argparse.Namespace(path=Harmful("written")),
        argparse.Namespace(arch={"deep": [Harmful("written")]}),
        Options(lr=1),
        torch.nn.Linear(1, 1),
    ],
)
def test_nothing_else_may(options, tensors, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"model": tensors, "args": options}, tmp_path / "a.pth")
    with pytest.raises(A2pipeError, match="would have to be unpickled"):
        weights.read_tensors(tmp_path / "a.pth")
    assert not (tmp_path / "written").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<html>sign in to download</html>", "no checkpoint of PyTorch"),
        (b"", "cannot be read"),
        (b"PK\x03\x04 torn", "cannot be read"),
    ],
)
def test_what_is_no_checkpoint_is_called_so(content, said, tmp_path) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    with pytest.raises(A2pipeError, match=said) as refusal:
        weights.read_tensors(path)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("content", [{0: torch.ones(2)}, {0: torch.ones(2), "a": torch.ones(2)}])
def test_tensors_without_names_are_refused(content, tmp_path) -> None:
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(A2pipeError, match="no named tensors"):
        weights.read_tensors(tmp_path / "w.pth")


@pytest.mark.filterwarnings("ignore:Validating sparse")
def test_sparse_tensors_are_refused(tmp_path) -> None:
    torch.save({"a": torch.eye(3).to_sparse()}, tmp_path / "w.pth")
    with pytest.raises(A2pipeError, match="sparse"):
        weights.read_tensors(tmp_path / "w.pth")


def test_the_suffix_may_be_in_capitals(tensors, tmp_path) -> None:
    save_file(tensors, tmp_path / "a.SAFETENSORS")
    assert weights.read_tensors(tmp_path / "a.SAFETENSORS").keys() == tensors.keys()


def test_no_damaged_checkpoint_ends_in_a_traceback(tensors, tmp_path) -> None:
    whole, path = tmp_path / "whole.pth", tmp_path / "w.pth"
    torch.save(tensors, whole)
    content, generator = whole.read_bytes(), random.Random(0)
    for _ in range(150):
        damaged = bytearray(content)
        for _ in range(3):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        path.write_bytes(damaged)
        with contextlib.suppress(A2pipeError):
            weights.read_tensors(path)
