"""Backbones: what loads, embeddings against timm's own forward pass, devices, and refusals."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from a2pipe.errors import A2pipeError, UsageError
from a2pipe.models import backbone as backbones
from a2pipe.models.backbone import load_backbone
from a2pipe.models.outputs import Block, Pool, parse_pool, parse_statistic
from a2pipe.models.preprocessing import to_device, to_unit
from a2pipe.models.weights.hub import SHIPPED
from a2pipe.models.zoo.families import IMAGENET, TABLE

DESIGN = {"dim": 96, "depth": 4, "heads": 3, "patch": 8, "grid": 6}
REAL = ["vit_small_patch14_reg4_dinov2", "vit_small_patch16_dinov3_qkvb"]
SMALL = {"embed_dim": 48, "depth": 3, "num_heads": 3}


@pytest.fixture
def demo_file(tmp_path, sharpened):
    """Weights as the demo ships them: float16 safetensors that say their architecture."""
    network = timm.models.VisionTransformer(
        img_size=48, patch_size=8, embed_dim=96, depth=4, num_heads=3, num_classes=0
    )
    half = {name: value.half() for name, value in sharpened(network).state_dict().items()}
    network.load_state_dict({name: value.float() for name, value in half.items()})
    path = tmp_path / "demo.safetensors"
    save_file(half, path, {"architecture": json.dumps(DESIGN)})
    return path, network


def test_half_precision_weights_run_in_single_precision(demo_file, pixels) -> None:
    path, network = demo_file
    loaded = load_backbone("demo_localizer_s", weights=path, device="cpu")
    images = pixels(48)
    expected = network.forward_features(images * 2 - 1)[:, 0]
    np.testing.assert_allclose(loaded.embed(images), expected, atol=1e-5)
    assert loaded.info.input_size == 48


def test_the_demo_reads_images_larger_than_it_was_trained_on(demo_file, pixels) -> None:
    loaded = load_backbone("demo_localizer_s", weights=demo_file[0], input_size=96)
    assert loaded.attention(pixels(96), [4]).shape == (2, 1, 3, 1 + 12 * 12)


@pytest.mark.parametrize(
    "entry",
    [entry for entry in TABLE.values() if entry.source == "shipped"],
    ids=lambda entry: entry.name,
)
def test_what_ships_loads(entry, pixels) -> None:
    assert (SHIPPED / f"{entry.name}.safetensors").is_file()
    loaded = load_backbone(entry.name, device="cpu", offline=True)
    rows = loaded.attention(pixels(96), [loaded.info.blocks])
    np.testing.assert_allclose(rows.sum(axis=-1), 1, atol=1e-5)
    assert np.isfinite(loaded.embed(pixels(48))).all()


def test_the_random_control_is_the_same_every_time(pixels) -> None:
    one, other = (load_backbone("demo_localizer_s_random") for _ in range(2))
    np.testing.assert_array_equal(one.embed(pixels(48)), other.embed(pixels(48)))
    assert one.info == other.info


def test_loading_and_running_leave_the_global_generators_alone(demo_file, pixels) -> None:
    before, array_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    load_backbone("demo_localizer_s_random").embed(pixels(48))
    load_backbone("demo_localizer_s", weights=demo_file[0]).attention(pixels(96), [2])
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == array_before).all()


def official_dinov2(module, registers: bool):
    """A state dict as the authors of DINOv2 publish it."""
    state = {name: value for name, value in module.state_dict().items() if "reg_token" not in name}
    state["mask_token"] = torch.zeros(1, 48)
    if registers:
        state["register_tokens"] = module.reg_token
        zero = torch.zeros(1, 1, 48)
        state["pos_embed"] = torch.cat([zero, module.pos_embed], dim=1)
    return state


@pytest.mark.parametrize("registers", [False, True])
def test_official_checkpoints_load_under_timms_names(
    registers, tmp_path, sharpened, pixels, monkeypatch
) -> None:
    name = "vit_small_patch14_reg4_dinov2" if registers else "vit_small_patch14_dinov2"
    original = timm.create_model
    monkeypatch.setattr(
        timm, "create_model", lambda model, **given: original(model, **SMALL, **given)
    )
    network = sharpened(original(name, num_classes=0, img_size=518, **SMALL))
    path = tmp_path / "official.pth"
    torch.save(official_dinov2(network, registers), path)
    loaded = load_backbone("dinov2_vits14_reg" if registers else "dinov2_vits14", weights=path)
    network.set_input_size((98, 98))
    mean, std = (torch.tensor(part).view(3, 1, 1) for part in IMAGENET)
    expected = network.forward_features((pixels(98) - mean) / std)[:, 0]
    difference = np.abs(loaded.embed(pixels(98)) - expected.numpy()).max()
    assert difference < 1e-5 if registers else 1e-3 < difference < 5


def test_weights_of_another_model_are_refused(tmp_path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"cls_token": torch.zeros(1, 1, 96)}, path, {"architecture": json.dumps(DESIGN)})
    with pytest.raises(A2pipeError, match=r"do not fit the model: \d+ tensors differ"):
        load_backbone("demo_localizer_s", weights=path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"device": "tpu9"}, "no device 'tpu9'"),
        ({"device": "meta"}, "no device 'meta'"),
        ({"precision": "fp8"}, "no precision 'fp8'"),
        ({"input_size": 50}, "use 48 or 56"),
    ],
)
def test_wrong_settings_are_refused(arguments, words) -> None:
    with pytest.raises(UsageError, match=words):
        load_backbone("demo_localizer_s_random", **arguments)


def test_nothing_of_a_backbone_is_trainable_or_in_training() -> None:
    module = load_backbone("demo_localizer_s_random")._module
    assert not module.training
    assert not any(parameter.requires_grad for parameter in module.parameters())


def test_a_path_that_is_too_long_is_no_file() -> None:
    with pytest.raises(UsageError, match="not a file"):
        load_backbone("demo_localizer_s", weights=Path("x" * 300), device="cpu")


def test_fused_attention_does_not_depend_on_the_environment(monkeypatch) -> None:
    monkeypatch.setattr("timm.layers.attention.use_fused_attn", lambda *_: False)
    loaded = load_backbone("demo_localizer_s", device="cpu")
    assert all(block.attn.fused_attn for block in loaded._module.blocks)


# --- batches ------------------------------------------------------------------------------------


def test_the_embedding_is_token_zero_after_the_final_norm(
    kind_and_size, tiny, backbone_of, timm_features, pixels
) -> None:
    kind, size = kind_and_size
    module = tiny(kind)
    images = pixels(size)
    embedded = backbone_of(module).embed(images)
    assert embedded.dtype == np.float32
    np.testing.assert_allclose(embedded, timm_features(module, images)[:, 0], atol=1e-5)


def test_a_third_size_in_between_changes_nothing(tiny, backbone_of, pixels) -> None:
    backbone = backbone_of(tiny("dinov2"))
    direct = backbone.embed(pixels(98))
    backbone.embed(pixels(42))
    np.testing.assert_array_equal(backbone.embed(pixels(98)), direct)


def test_images_of_a_batch_do_not_see_each_other(tiny, backbone_of, pixels) -> None:
    backbone = backbone_of(tiny("registers"))
    images = pixels(126, 3)
    alone = np.concatenate([backbone.embed(image[None]) for image in images])
    np.testing.assert_allclose(backbone.embed(images), alone, atol=1e-5)


def test_every_image_sent_through_is_counted(tiny, backbone_of, pixels) -> None:
    backbone = backbone_of(tiny("plain"))
    backbone.attention(pixels(48, 3), [1])
    backbone.embed(pixels(48, 2))
    assert backbone.forward_passes == 5


def test_padding_is_counted_apart(tiny, backbone_of, pixels) -> None:
    backbone = backbone_of(tiny("plain"))
    images = backbone.images_a_pass(48)
    backbone.embed(pixels(48, images + 1))
    assert (backbone.forward_passes, backbone.padded) == (images + 1, images - 1)


def test_a_launch_gives_what_attention_and_embed_give(tiny, backbone_of, pixels) -> None:
    backbone = backbone_of(tiny("registers"))
    pending = backbone.launch(pixels(126, 3), [Block(3), Pool("cls"), Block(1)])
    found = pending.wait()
    assert list(found) == [Block(3), Pool("cls"), Block(1)]
    rows = np.stack([found[Block(1)], found[Block(3)]], axis=1)
    np.testing.assert_array_equal(rows, backbone.attention(pixels(126, 3), [1, 3]))
    np.testing.assert_array_equal(found[Pool("cls")], backbone.embed(pixels(126, 3)))
    assert pending.seconds_busy() > 0


def test_bytes_give_the_bits_of_the_floats_that_they_stand_for(tiny, backbone_of) -> None:
    backbone = backbone_of(tiny("plain"))
    shown = np.random.default_rng(0).integers(0, 256, (19, 48, 48, 3), dtype=np.uint8)
    expected = backbone.attention_and_embedding(to_unit(shown), [1, 3])
    found = backbone.attention_and_embedding(to_device(shown), [1, 3])
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_no_result_is_a_view_of_another_launch(tiny, backbone_of, pixels) -> None:
    backbone = backbone_of(tiny("plain"))
    first = backbone.launch(pixels(48), [Pool("cls")])
    before = first.wait()[Pool("cls")].copy()
    backbone.launch(1 - pixels(48), [Pool("cls")]).wait()
    np.testing.assert_array_equal(first.wait()[Pool("cls")], before)


# --- memory -------------------------------------------------------------------------------------


def limited(backbone, most: int, after: int = 0):
    """A backbone whose device has memory for so many images a pass, after so many passes."""
    passes = []

    def check(_, given) -> None:
        passes.append(len(given[0]))
        if len(passes) > after and len(given[0]) > most:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    backbone._module.patch_embed.register_forward_pre_hook(check)
    return backbone, passes


@pytest.fixture
def table(monkeypatch):
    """Eight images a pass for every model."""
    monkeypatch.setattr(backbones, "images_a_pass", lambda *_: 8)


@pytest.mark.usefixtures("table")
def test_what_does_not_fit_is_computed_again_in_smaller_passes(tiny, backbone_of, pixels) -> None:
    module, images = tiny("plain"), pixels(48, 11)
    backbone, passes = limited(backbone_of(module), 3)
    smaller = backbone_of(module)
    smaller.reduced[48] = 2
    expected = smaller.attention_and_embedding(images, [1, 3])
    for found, right in zip(
        backbone.attention_and_embedding(images, [1, 3]), expected, strict=True
    ):
        np.testing.assert_array_equal(found, right)
    assert passes == [8, 4, 2, 2, 2, 2, 2, 2]
    assert (backbone.forward_passes, backbone.padded) == (11, 1)


@pytest.mark.usefixtures("table")
def test_a_smaller_shape_stays_and_is_told_for_its_size_alone(tiny, backbone_of, pixels) -> None:
    backbone, passes = limited(backbone_of(tiny("plain")), 4)
    assert backbone.notices == []
    backbone.embed(pixels(48))
    backbone.embed(pixels(48))
    assert passes == [8, 4, 4]
    assert backbone.reduced == {48: 4}
    assert (backbone.images_a_pass(48), backbone.images_a_pass(96)) == (4, 8)
    assert backbone.notices == [
        "tiny at 48 px takes only 4 images a pass, as more do not fit into the memory of cpu."
    ]


@pytest.mark.usefixtures("table")
def test_memory_that_is_short_later_leaves_earlier_rows_alone(tiny, backbone_of, pixels) -> None:
    module, images = tiny("plain"), pixels(48, 20)
    backbone, passes = limited(backbone_of(module), 4, after=1)
    found = backbone.embed(images)
    assert passes == [8, 8, 4, 4, 4]
    smaller = backbone_of(module)
    smaller.reduced[48] = 4
    np.testing.assert_array_equal(found[:8], backbone_of(module).embed(images)[:8])
    np.testing.assert_array_equal(found[8:], smaller.embed(images)[8:])


@pytest.mark.usefixtures("table")
def test_not_even_one_image_fits(tiny, backbone_of, pixels) -> None:
    backbone, passes = limited(backbone_of(tiny("plain")), 0)
    with pytest.raises(A2pipeError, match=r"memory of cpu is too small for tiny at 48 px") as error:
        backbone.embed(pixels(48))
    assert "\n" not in str(error.value)
    assert passes == [8, 4, 2, 1]


# --- any cut gives the same bits ----------------------------------------------------------------


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
def threads(request) -> None:
    """PyTorch on so many threads; bits are held equal for each number by itself."""
    torch.set_num_threads(request.param)


TEXTS = ("cls", "mean", "native", "selective:1", "selective:N/4", "selective:N:paper:centred")
STATISTICS = ("patch-score", "patch-score:mean", "norm", "norm:before", "votes:1", "votes:N/2")
STATISTICS += ("pooled-score:N/4:plot-paper",)


def check_any_cut(backbone, images, blocks, examples: int) -> None:
    """Compare results of images that come in any batches with those of one batch of all.

    In a batch any of the outputs are asked for, so that none depends on the others either.
    """
    outputs = [*map(Block, blocks), *map(parse_pool, TEXTS), *map(parse_statistic, STATISTICS)]
    outputs = [backbone.info.resolve(output, images.shape[-1]) for output in outputs]
    expected = backbone.read(images, outputs)
    # Near a uniform softmax, differences between images would be lost in rounding.
    rows, features = expected[Block(blocks[-1])], expected[Pool("cls")]
    assert np.median(rows.max(axis=-1)) > 5 / rows.shape[-1]
    assert np.abs(features[1:] - features[:-1]).max(axis=1).min() > 1e-3

    @settings(max_examples=examples, deadline=None, database=None)
    @given(
        st.lists(st.integers(0, len(images) - 1), min_size=1, max_size=len(images)),
        st.sets(st.integers(1, len(images) - 1)),
        st.lists(st.sampled_from(outputs), min_size=1, max_size=len(outputs), unique=True),
    )
    def check(order, cuts, asked) -> None:
        edges = [0, *sorted(cut for cut in cuts if cut < len(order)), len(order)]
        for start, end in itertools.pairwise(edges):
            chosen = order[start:end]
            for output, got in backbone.read(images[chosen], asked).items():
                np.testing.assert_array_equal(got, expected[output][chosen], str(output))

    check()


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(("name", "size"), [("demo_localizer_s", 48), ("demo_embedder_s", 96)])
def test_no_bit_of_the_demo_depends_on_the_cut(name, size, pixels) -> None:
    backbone = load_backbone(name, device="cpu", offline=True)
    check_any_cut(backbone, pixels(size, 35), [1, backbone.info.blocks], 8)


def test_no_bit_of_any_kind_depends_on_the_cut(kind, tiny, backbone_of, pixels) -> None:
    backbone = backbone_of(tiny(kind))
    size = 6 * backbone.info.patch
    check_any_cut(backbone, pixels(size, 19), [1, 2, 3], 10)


@pytest.mark.slow
@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("name", ["vit_small_patch14_reg4_dinov2", "vit_small_patch16_dinov3_qkvb"])
def test_no_bit_of_a_real_size_depends_on_the_cut(name, sharpened, backbone_of, pixels) -> None:
    network = timm.create_model(name, num_classes=0, img_size=224)
    backbone = backbone_of(sharpened(network))
    check_any_cut(backbone, pixels(224, 9), [1, 6, 12], 6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", REAL)
def test_no_bit_depends_on_the_cut_on_cuda(name, precision, sharpened, backbone_of, pixels) -> None:
    network = sharpened(timm.create_model(name, num_classes=0, img_size=224))
    backbone = backbone_of(network, precision=precision, device="cuda")
    check_any_cut(backbone, pixels(224, 300), [1, 6, 12], 15)


# --- refusals -----------------------------------------------------------------------------------


def test_an_empty_batch_gives_empty_rows(tiny, backbone_of, pixels) -> None:
    backbone = backbone_of(tiny("plain"))
    assert backbone.attention(pixels(48)[:0], [1, 3]).shape == (0, 2, 3, 37)
    assert backbone.embed(pixels(48)[:0]).shape == (0, 48)


def test_half_precision_stays_near(tiny, backbone_of, pixels) -> None:
    module = tiny("plain")
    exact = backbone_of(module).embed(pixels(48))
    rough = backbone_of(module, precision="bf16").embed(pixels(48))
    assert rough.dtype == np.float32
    assert 0 < np.abs(rough - exact).mean() < 0.1 * np.abs(exact).mean()


def test_a_size_that_cuts_a_patch_is_refused_with_its_neighbours(tiny, backbone_of, pixels) -> None:
    with pytest.raises(UsageError, match=r"100 is not a multiple of the 14 .* use 98 or 112"):
        backbone_of(tiny("dinov2")).embed(pixels(100))


@pytest.mark.parametrize("blocks", [[0], [4], [1, -1], []])
def test_a_block_that_is_not_there_is_refused(blocks, tiny, backbone_of, pixels) -> None:
    with pytest.raises(UsageError, match="has blocks 1 to 3"):
        backbone_of(tiny("plain")).attention(pixels(48), blocks)


@pytest.mark.parametrize(
    ("shape", "dtype", "words"),
    [
        ((1, 3, 48, 56), torch.float32, r"\(B, 3, S, S\), not \(1, 3, 48, 56\)"),
        ((3, 48, 48), torch.float32, r"\(B, 3, S, S\), not \(3, 48, 48\)"),
        ((1, 3, 48, 48), torch.uint8, r"bytes \(B, S, S, 3\), not \(1, 3, 48, 48\)"),
    ],
)
def test_pixels_of_another_shape_are_refused(shape, dtype, words, tiny, backbone_of) -> None:
    with pytest.raises(A2pipeError, match=words):
        backbone_of(tiny("plain")).embed(torch.zeros(shape, dtype=dtype))
