"""Lower precision and compiled code: how near the results stay, and what is said if it fails."""

import copy
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import partial

import numpy as np
import pytest
import timm
import torch
from timm.models.vision_transformer import Block, VisionTransformer

from a2pipe.errors import A2pipeError
from a2pipe.models.blocks.acceleration import (
    CODE_FOLDER,
    cast_blocks,
    code_folder,
    compilation,
    compiled_steps,
)
from a2pipe.models.blocks.attention import Steps, embed_patches
from a2pipe.models.outputs import Block as BlockOutput
from a2pipe.models.outputs import Pool, parse_pool, parse_statistic

LOW = {"bf16": torch.bfloat16, "fp16": torch.float16}


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_only_blocks_and_the_patch_embedding_are_cast(kind, precision, tiny) -> None:
    module = cast_blocks(tiny(kind), LOW[precision])
    for name, values in (*module.named_parameters(), *module.named_buffers()):
        inside = name.startswith(("blocks.", "patch_embed."))
        assert values.dtype == (LOW[precision] if inside else torch.float32), name


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_low_precision_stays_near_for_every_kind(
    kind, precision, tiny, backbone_of, pixels
) -> None:
    module = tiny(kind)
    images = pixels(module.patch_embed.img_size[0])
    exact = backbone_of(module).attention_and_embedding(images, [1, 3])
    rough = backbone_of(module, precision=precision).attention_and_embedding(images, [1, 3])
    assert [values.dtype for values in rough] == [np.float32, np.float32]
    np.testing.assert_allclose(rough[0].sum(axis=-1), 1, atol=1e-5)
    assert 0 < np.abs(rough[0][:, 0] - exact[0][:, 0]).max() < 0.1
    difference = np.linalg.norm(rough[1] - exact[1], axis=1) / np.linalg.norm(exact[1], axis=1)
    assert 0 < difference.max() < 0.3


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("name", ["vit_small_patch14_reg4_dinov2", "vit_small_patch16_dinov3_qkvb"])
def test_low_precision_errs_no_more_than_plain_eager_attention(
    name, precision, sharpened, backbone_of, eager_rows, normalized, pixels
) -> None:
    """Plain eager attention is timm's own softmax(q k'), with cast weights and with autocast, which
    keeps float32 tokens and errs less; the truth is float64. On a CPU the factors of the scores are
    rounded as on a GPU, and summed in float32 as there."""
    size, dtype = 112, LOW[precision]
    module = sharpened(timm.create_model(name, img_size=size, num_classes=0, depth=4))
    blocks, images = range(1, 5), pixels(size, 6)
    wide = copy.deepcopy(module).double()
    truth = every_row(eager_rows, wide, images.double(), blocks)
    assert (truth.amax(dim=-1) > 0.3).double().mean() > 0.25, "the check needs a sharp softmax"
    with torch.autocast("cpu", dtype):
        autocast = total_variation(every_row(eager_rows, module, images, blocks), truth)
    cast = total_variation(rows_of_cast_weights(module, normalized(images), dtype), truth)
    ours = backbone_of(module, precision=precision).attention(images, list(blocks))
    found = total_variation(torch.from_numpy(ours), truth)
    assert found.mean() <= 1.5 * autocast.mean()
    assert (found <= 1.5 * cast).all()
    assert found.mean() < cast.mean()
    assert found.min() > 0


def every_row(eager_rows, module, images, blocks) -> torch.Tensor:
    """Rows of timm's unfused softmax, (B, blocks, heads, tokens)."""
    return torch.stack([eager_rows(module, images, block) for block in blocks], dim=1)


def rows_of_cast_weights(module, images, dtype) -> torch.Tensor:
    """The same, where the tokens too are in low precision from block to block."""
    other, caught = cast_blocks(copy.deepcopy(module), dtype), []
    tokens, rotation = embed_patches(other, images)
    for block in other.blocks:
        block.attn.fused_attn = False
        block.attn.attn_drop.register_forward_pre_hook(lambda _, given: caught.append(given[0]))
        tokens = block(tokens) if rotation is None else block(tokens, rope=rotation)
    return torch.stack([rows[:, :, 0] for rows in caught], dim=1)


def total_variation(rows: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Mean total variation of the rows of each block, (blocks,)."""
    return (rows.double() - truth).abs().sum(dim=-1).mean(dim=(0, 2)) / 2


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_no_bit_of_low_precision_depends_on_what_else_is_asked(
    kind, precision, tiny, backbone_of, pixels
) -> None:
    backbone = backbone_of(tiny(kind), precision=precision)
    images = pixels(backbone.info.input_size)
    rows, embedding = backbone.attention_and_embedding(images, [3, 1, 2])
    np.testing.assert_array_equal(backbone.embed(images), embedding)
    for index, block in enumerate([3, 1, 2]):
        np.testing.assert_array_equal(backbone.attention(images, [block])[:, 0], rows[:, index])


# --- compiled code ------------------------------------------------------------------------------


@pytest.fixture
def captured(monkeypatch) -> Iterator[Callable[[], int]]:
    """torch.compile captures graphs and runs them as they are; the call counts them so far."""
    from torch._dynamo.utils import counters

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    torch.compiler.reset()
    before = counters["stats"]["unique_graphs"]
    yield lambda: counters["stats"]["unique_graphs"] - before
    torch.compiler.reset()


def test_all_blocks_of_every_kind_share_the_code_of_a_step(
    kind, tiny, backbone_of, pixels, captured
) -> None:
    module = tiny(kind)
    images = pixels(module.patch_embed.img_size[0])
    exact, compiled = backbone_of(module), backbone_of(module, compiled=True)
    found = compiled.attention_and_embedding(images, [1, 2, 3])
    assert captured() <= len(fields(Steps))
    compiled.attention(images, [2])
    compiled.embed(images)
    assert captured() <= len(fields(Steps))
    for one, other in zip(found, exact.attention_and_embedding(images, [1, 2, 3]), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_every_network_of_a_long_run_is_compiled(captured) -> None:
    """The networks share the code of their steps, of which torch by default compiles eight kinds;
    a batch of one image is a kind of its own."""
    steps, networks = compiled_steps(), 10
    for heads in range(1, networks + 1):
        block = Block(12 * heads, num_heads=heads).eval()
        with torch.inference_mode(), compilation():
            for images in (3, 1):
                steps.enter(block, torch.zeros(images, 10, 12 * heads), None)
    assert captured() == 2 * networks


@pytest.mark.slow
def test_compiled_steps_differ_by_rounding_and_not_by_what_is_asked(
    tiny, backbone_of, pixels
) -> None:
    module = tiny("registers")
    exact, compiled = backbone_of(module), backbone_of(module, compiled=True)
    for images in (pixels(126, 3), pixels(224, 2)):
        expected = exact.attention_and_embedding(images, [1, 3])
        found = compiled.attention_and_embedding(images, [1, 3])
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(compiled.attention(images, [1])[:, 0], found[0][:, 0])
        np.testing.assert_array_equal(compiled.attention(images, [3])[:, 0], found[0][:, 1])
        np.testing.assert_array_equal(compiled.embed(images), found[1])


@pytest.mark.slow
def test_compiled_patches_differ_by_rounding_and_not_by_what_is_asked(
    tiny, backbone_of, pixels
) -> None:
    module, images = tiny("registers"), pixels(126, 3)
    exact, compiled = backbone_of(module), backbone_of(module, compiled=True)
    asked = [*map(parse_pool, ("mean", "native")), parse_statistic("norm:before")]
    asked += [parse_statistic("votes:3"), BlockOutput(2), Pool("cls")]
    expected, found = exact.read(images, asked), compiled.read(images, asked)
    for output in asked:
        if output != parse_statistic("votes:3"):  # rounding may move a vote
            np.testing.assert_allclose(found[output], expected[output], rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(compiled.read(images, [output])[output], found[output])


PROCESS = """
import sys
from pathlib import Path
import torch
from torch._dynamo.utils import counters
from a2pipe.models.backbone import load_backbone

backbone = load_backbone(
    "demo_localizer_s", device="cpu", compiled=True, offline=True, memo=Path(sys.argv[1])
)
rows, features = backbone.attention_and_embedding(torch.zeros(1, 3, 48, 48), [1, 4])
said = [counters["inductor"][f"fxgraph_cache_{what}"] for what in ("hit", "miss")]
print(*said, float(rows.sum()), float(features.sum()))
"""


@pytest.mark.slow
def test_the_second_process_compiles_nothing_anew(tmp_path) -> None:
    memo = tmp_path / "index" / "weights.json"
    environment = {name: value for name, value in os.environ.items() if name != CODE_FOLDER}
    said = [
        subprocess.run(
            [sys.executable, "-c", PROCESS, str(memo)],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for _ in range(2)
    ]
    (hit, missed), (hit_again, missed_again) = ([int(each) for each in line[:2]] for line in said)
    assert hit == 0
    assert missed > 0
    assert hit_again == missed
    assert missed_again == 0
    assert said[0][2:] == said[1][2:]
    assert any((memo.parent / "compiled").rglob("*.so"))


def test_code_is_kept_apart_for_another_processor(tmp_path, monkeypatch) -> None:
    from a2pipe.models.blocks import acceleration

    mine = code_folder(tmp_path / "compiled")
    assert mine is not None
    assert mine.is_dir()
    assert code_folder(tmp_path / "compiled") == mine
    monkeypatch.setattr(acceleration, "_processor", lambda: b"another")
    assert code_folder(tmp_path / "compiled") not in (mine, None)


def test_code_of_someone_else_is_not_run(tmp_path, monkeypatch) -> None:
    code_folder(tmp_path / "compiled")
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    assert code_folder(tmp_path / "compiled") is None


def test_a_cache_that_may_not_be_written_keeps_no_code(tmp_path) -> None:
    (tmp_path / "index").write_text("a file where the folder would be")
    assert code_folder(tmp_path / "index" / "compiled") is None


def test_the_folder_of_code_holds_inside_alone_and_yields_to_the_environment(
    tmp_path, monkeypatch
) -> None:
    monkeypatch.delenv(CODE_FOLDER, raising=False)
    with compilation(tmp_path):
        assert os.environ[CODE_FOLDER] == str(tmp_path)
    assert CODE_FOLDER not in os.environ
    monkeypatch.setenv(CODE_FOLDER, f"{tempfile.gettempdir()}/torchinductor_me")
    with compilation(tmp_path):
        assert os.environ[CODE_FOLDER] == str(tmp_path)
    assert os.environ[CODE_FOLDER].endswith("torchinductor_me")
    monkeypatch.setenv(CODE_FOLDER, "/elsewhere")
    with compilation(tmp_path):
        assert os.environ[CODE_FOLDER] == "/elsewhere"


def test_a_failed_compilation_is_one_sentence() -> None:
    from torch._dynamo.exc import InternalTorchDynamoError

    said = "no compiler.*leave out `--compile`"
    with pytest.raises(A2pipeError, match=said) as refusal, compilation():
        raise InternalTorchDynamoError("no compiler\nand a long tale")
    assert "\n" not in str(refusal.value)


@pytest.mark.usefixtures("captured")
def test_a_variant_too_many_is_refused_and_never_run_uncompiled(pixels, monkeypatch) -> None:
    monkeypatch.setattr("a2pipe.models.blocks.acceleration.MOST_COMPILED", 1)
    module, steps = (
        VisionTransformer(48, 16, embed_dim=12, depth=1, num_heads=1).eval(),
        compiled_steps(),
    )
    with compilation():
        steps.embed(module, pixels(48, 1))
    with pytest.raises(A2pipeError, match="leave out `--compile`"), compilation():
        steps.embed(module, pixels(48, 2))


def test_where_torch_compile_is_switched_off_it_is_refused() -> None:
    from torch._dynamo import config

    # By torch's own patch: that of pytest would hide the setting from every test after this one.
    refused = pytest.raises(A2pipeError, match="switched off by TORCH_COMPILE_DISABLE")
    with config.patch(disable=True), refused:
        compiled_steps()
