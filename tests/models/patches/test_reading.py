"""Pools and statistics against float64 numpy, of given patches and of timm's own forward pass."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from a2pipe.models.blocks import attention
from a2pipe.models.outputs import Block, Pool, Selection, Statistic, parse_pool, parse_statistic
from a2pipe.models.patches.reading import Patches, cosine, read_patches

FORMS, KERNELS = ("released", "paper", "plot-paper"), ("released", "centred")
COUNTS = (1, 3, 7)


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    """Normal numbers, float64."""
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


@pytest.fixture
def patches() -> Patches:
    """Three images of 30 patches, float64, so that results can be compared to 1e-12."""
    return Patches(drawn(3, 30, 48), drawn(3, 30, 48, seed=1), drawn(3, 48, seed=2))


# --- of given patches ---------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 8, 30])
def test_what_is_selected_is_counted_pooled_and_compared(count, form, kernel, patches, oracle):
    selection = Selection(str(count), form, kernel)
    pool = Pool("selective", selection)
    votes, score = (Statistic(kind, selection=selection) for kind in ("votes", "pooled-score"))
    found = read_patches(patches, [votes, pool, score])
    tokens = patches.tokens.numpy()
    chosen = oracle.selected(oracle.scores(tokens, form, kernel), count)
    pooled = (tokens * chosen).sum(axis=1) / count
    np.testing.assert_array_equal(found[votes], chosen.sum(axis=2))
    np.testing.assert_allclose(found[pool], pooled, atol=1e-12)
    np.testing.assert_allclose(found[score], oracle.cosine(tokens, pooled), atol=1e-12)


def test_scores_norms_and_the_mean_are_numpys(patches, oracle):
    texts = ("patch-score:cls", "patch-score:mean", "norm", "norm:before")
    statistics = [parse_statistic(text) for text in texts]
    found = read_patches(patches, [*statistics, Pool("mean")])
    tokens, raw = patches.tokens.numpy(), patches.raw.numpy()
    expected = [
        oracle.cosine(tokens, patches.cls.numpy()),
        oracle.cosine(tokens, tokens.mean(axis=1)),
        np.linalg.norm(tokens, axis=-1),
        np.linalg.norm(raw, axis=-1),
    ]
    for statistic, right in zip(statistics, expected, strict=True):
        np.testing.assert_allclose(found[statistic], right, atol=1e-12)
    np.testing.assert_allclose(found[Pool("mean")], tokens.mean(axis=1), atol=1e-12)


def test_several_selections_at_once_are_each_by_itself(patches):
    asked = [
        make(Selection(str(k), form, kernel))
        for k, form, kernel in itertools.product((2, 9), FORMS, KERNELS)
        for make in (
            lambda selection: Pool("selective", selection),
            lambda selection: Statistic("votes", selection=selection),
        )
    ]
    together = read_patches(patches, asked)
    assert set(together) == set(asked)
    for output in asked:
        assert torch.equal(together[output], read_patches(patches, [output])[output])


def test_a_vector_of_no_length_has_a_cosine_of_zero():
    tokens = torch.tensor([[[0.0, 0.0], [3.0, 4.0]]])
    assert cosine(tokens, torch.tensor([[1.0, 0.0]])).tolist() == [[0, pytest.approx(0.6)]]
    assert cosine(tokens, torch.zeros(1, 2)).tolist() == [[0, 0]]


def test_an_image_with_a_token_that_is_not_finite_has_no_votes(patches):
    tokens = patches.tokens.clone()
    tokens[1, 4, 5] = torch.nan
    votes = parse_statistic("votes:3")
    found = read_patches(Patches(tokens, tokens), [votes])[votes]
    assert found.isnan().all(dim=1).tolist() == [False, True, False]
    assert found[0].sum() == 3 * 48


# --- of timm's own forward pass -----------------------------------------------------------------

KINDS = ["plain", "registers", "dinov3"]


@pytest.fixture(params=KINDS)
def read(request, tiny, backbone_of, timm_features, pixels) -> SimpleNamespace:
    """A backbone of a kind, images, and timm's patches and CLS token of them in float64."""
    module = tiny(request.param)
    backbone = backbone_of(module)
    images = pixels(6 * backbone.info.patch, 3)
    tokens = timm_features(module, images).double().numpy()
    patches = tokens[:, backbone.info.prefix_tokens :]
    return SimpleNamespace(
        module=module,
        backbone=backbone,
        images=images,
        patches=patches,
        cls=tokens[:, 0],
        get=lambda *outputs: list(backbone.read(images, outputs).values()),
    )


def test_scores_and_norms_are_those_of_timms_patches(read, oracle):
    texts = ("patch-score:cls", "patch-score:mean", "norm")
    cls, mean, norm = read.get(*map(parse_statistic, texts))
    assert cls.shape == mean.shape == norm.shape == (3, 36)
    assert cls.dtype == mean.dtype == norm.dtype == np.float32
    np.testing.assert_allclose(cls, oracle.cosine(read.patches, read.cls), atol=1e-6)
    means = read.patches.mean(axis=1)
    np.testing.assert_allclose(mean, oracle.cosine(read.patches, means), atol=1e-6)
    np.testing.assert_allclose(norm, np.linalg.norm(read.patches, axis=-1), rtol=1e-6)


def test_the_mean_is_that_of_timms_patches_without_prefix_tokens(read):
    (mean,) = read.get(Pool("mean"))
    np.testing.assert_allclose(mean, read.patches.mean(axis=1), atol=1e-6)


def test_the_norm_before_the_final_norm_is_that_of_what_enters_it(read, timm_raw):
    (before,) = read.get(parse_statistic("norm:before"))
    raw = timm_raw(read.module, read.images).double().numpy()
    lengths = np.linalg.norm(raw[:, read.backbone.info.prefix_tokens :], axis=-1)
    np.testing.assert_allclose(before, lengths, rtol=1e-6)


def sure(scores: np.ndarray, apart: np.ndarray, count: int) -> np.ndarray:
    """In which channels, (B, D), tokens that are wrong by 1e-5 select the same patches.

    apart: |f - x|, by which scores are divided: what is wrong with them is divided by it too.
    """
    wrong = 1e-5 / np.maximum(apart - 1e-5, 1e-9)
    low, high = scores - np.abs(scores) * wrong - wrong, scores + np.abs(scores) * wrong + wrong
    order = np.argsort(-scores, axis=1, kind="stable")
    last = np.take_along_axis(low, order[:, :count], axis=1).min(axis=1)
    first = np.take_along_axis(high, order[:, count:], axis=1).max(axis=1)
    return last > first


@pytest.mark.parametrize("count", COUNTS)
def test_the_selection_is_that_of_timms_patches(count, form, kernel, read, oracle):
    """Votes and pooling, in every channel in which rounding cannot have changed the selection."""
    selection = Selection(str(count), form, kernel)
    asked = (Pool("selective", selection), Statistic("votes", selection=selection))
    pooled, votes = read.get(*asked)
    scores = oracle.scores(read.patches, form, kernel)
    apart = np.abs(oracle.by_fft(read.patches, kernel) - read.patches)
    chosen = oracle.selected(scores, count)
    # Our tokens and timm's differ by float32's rounding, which a denominator near zero amplifies
    # without bound: where that can change what a channel selects, nothing is expected of it.
    certain = sure(scores, apart, count)
    assert certain.mean() > 0.9
    means = (read.patches * chosen).sum(axis=1) / count
    np.testing.assert_allclose(pooled[certain], means[certain], atol=3e-6)
    own = (chosen & certain[:, None]).sum(axis=2)
    assert (own <= votes).all()
    assert (votes <= own + (~certain).sum(axis=1, keepdims=True)).all()
    assert (votes.sum(axis=1) == count * 48).all()


@pytest.mark.parametrize("count", COUNTS)
def test_the_pooled_score_is_the_cosine_with_the_selective_pool(count, form, kernel, read, oracle):
    selection = Selection(str(count), form, kernel)
    asked = (Pool("selective", selection), Statistic("pooled-score", selection=selection))
    pooled, score = read.get(*asked)
    expected = oracle.cosine(read.patches, pooled.astype(np.float64))
    np.testing.assert_allclose(score, expected, atol=1e-6)


def test_all_patches_pool_as_the_mean_bit_for_bit(form, kernel, read):
    selection = Selection("36", form, kernel)
    asked = (Pool("selective", selection), Pool("mean"), Statistic("votes", selection=selection))
    pooled, mean, votes = read.get(*asked)
    np.testing.assert_array_equal(pooled, mean)
    assert (votes == 48).all()


def test_native_pooling_is_timms(kind, tiny, backbone_of, pixels, timm_native):
    module = tiny(kind)
    images = pixels(module.patch_embed.img_size[0])
    found = backbone_of(module).embed(images, "native")
    np.testing.assert_allclose(found, timm_native(module, images), atol=3e-6)


# --- low precision, and what else is asked ------------------------------------------------------


@pytest.fixture
def handed(monkeypatch) -> list[Patches]:
    """The patches from which statistics are computed."""
    caught: list[Patches] = []

    def read(patches, outputs):
        caught.append(patches)
        return read_patches(patches, outputs)

    monkeypatch.setattr(attention, "read_patches", read)
    return caught


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("kind", KINDS)
def test_statistics_are_of_single_precision_tokens_in_any_precision(
    kind, precision, tiny, backbone_of, pixels, handed, oracle
):
    backbone = backbone_of(tiny(kind), precision=precision)
    texts = ("patch-score:cls", "norm", "norm:before", "pooled-score:3", "votes:3")
    outputs = [*map(parse_statistic, texts), *map(parse_pool, ("mean", "selective:3"))]
    found = backbone.read(pixels(6 * backbone.info.patch), outputs)
    assert {values.dtype for values in found.values()} == {np.dtype(np.float32)}
    (patches,) = handed
    for values in (patches.tokens, patches.raw, patches.cls):
        assert values.dtype == torch.float32
    # Tokens after the final norm are no numbers of 8 or 11 bits: the norm was taken in float32.
    half = {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    assert (patches.tokens != patches.tokens.to(half).float()).float().mean() > 0.9
    tokens = patches.tokens[:2].double().numpy()
    score, norm, before, pooled, _, mean, selective = (found[output] for output in outputs)
    vector = patches.cls[:2].double().numpy()
    np.testing.assert_allclose(score, oracle.cosine(tokens, vector), atol=1e-6)
    np.testing.assert_allclose(norm, np.linalg.norm(tokens, axis=-1), rtol=1e-6)
    raw = patches.raw[:2].double().numpy()
    np.testing.assert_allclose(before, np.linalg.norm(raw, axis=-1), rtol=1e-6)
    np.testing.assert_allclose(mean, tokens.mean(axis=1), atol=1e-6)
    expected = oracle.cosine(tokens, selective.astype(np.float64))
    np.testing.assert_allclose(pooled, expected, atol=1e-6)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_attention_and_the_cls_embedding_have_the_same_bits_beside_patches(
    kind, precision, tiny, backbone_of, pixels
):
    backbone = backbone_of(tiny(kind), precision=precision)
    images = pixels(6 * backbone.info.patch, 3)
    alone = backbone.read(images, [Block(1), Block(3), Pool("cls")])
    patches = [*map(parse_pool, ("mean", "native", "selective:3")), parse_statistic("votes:3")]
    beside = backbone.read(images, [*patches, *alone])
    for output, expected in alone.items():
        np.testing.assert_array_equal(beside[output], expected)


def test_an_empty_batch_gives_empty_rows_of_every_output(tiny, backbone_of, pixels):
    backbone = backbone_of(tiny("registers"))
    outputs = [*map(parse_statistic, ("patch-score", "votes:N/4")), parse_pool("selective:3")]
    found = backbone.read(pixels(126)[:0], outputs)
    assert [output.text for output in found] == ["patch-score:cls", "votes:20", "selective:3"]
    assert [values.shape for values in found.values()] == [(0, 81), (0, 81), (0, 48)]
