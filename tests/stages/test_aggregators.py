"""Head aggregators: their text, plain-loop references, closed forms, invariances, odd rows."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2pipe.errors import UsageError
from a2pipe.stages.aggregators import (
    DEFAULTS,
    check_head_count,
    head_entropy,
    head_weights,
    parse_aggregator,
)
from a2pipe.stages.maps import READINGS, patch_maps

PREFIX, SIDE, HEADS = 5, 4, 7
TEXTS = [
    *("mean", "max", "entropy_weighted", "entropy_weighted:complement"),
    *("entropy_weighted:exp_normalized", "entropy_weighted:exp"),
    *("lowest_entropy_k", "lowest_entropy_k:1", "lowest_entropy_k:4", "topk", "topk:1", "topk:6"),
    *("topk_mass", "topk_mass:1", "topk_mass:5", "head_pruned", "head_pruned:0.8", "head_pruned:0"),
    *("head_pruned_registers", "head_pruned_registers:0.12", "head_pruned_registers:0"),
]
every_aggregator = pytest.mark.parametrize("text", TEXTS)
both_readings = pytest.mark.parametrize("reading", READINGS)


def random_rows(images: int = 6, heads: int = HEADS, side: int = SIDE, prefix: int = PREFIX):
    """Full-softmax rows whose heads differ in sharpness, patch mass and register mass."""
    rng = np.random.default_rng(11)
    logits = rng.normal(size=(images, heads, prefix + side**2)) * rng.uniform(
        0.2, 3, (images, heads, 1)
    )
    logits[:, :, :prefix] += rng.normal(size=(images, heads, 1))
    rows = np.exp(logits)
    return (rows / rows.sum(axis=-1, keepdims=True)).astype(np.float32)


def grids(maps: np.ndarray) -> np.ndarray:
    """(B, g, g) -> (B, N)."""
    return maps.reshape(len(maps), -1)


# --- text ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "canonical"),
    [
        (["mean", " mean "], "mean"),
        (["max"], "max"),
        (["entropy_weighted", "entropy_weighted:inverse"], "entropy_weighted"),
        (["entropy_weighted:exp"], "entropy_weighted:exp"),
        (["lowest_entropy_k", "lowest_entropy_k:6", "lowest_entropy_k:06"], "lowest_entropy_k"),
        (["lowest_entropy_k:4"], "lowest_entropy_k:4"),
        (["topk", "topk:3"], "topk"),
        (["topk_mass:3"], "topk_mass"),
        (["head_pruned", "head_pruned:0.9", "head_pruned:.90"], "head_pruned"),
        (["head_pruned:1", "head_pruned:1.0"], "head_pruned:1"),
        (["head_pruned:0.00001"], "head_pruned:0.00001"),
        (["head_pruned_registers:0.50"], "head_pruned_registers"),
    ],
)
def test_spellings_of_one_aggregator_are_one(texts, canonical):
    parsed = {parse_aggregator(text) for text in texts}
    assert [each.text for each in parsed] == [canonical]


@every_aggregator
def test_canonical_text_reads_back_equal(text):
    aggregator = parse_aggregator(text)
    assert parse_aggregator(aggregator.text) == aggregator


@given(st.floats(0, 1))
def test_any_threshold_has_a_text_of_its_own(threshold):
    text = f"head_pruned:{np.format_float_positional(threshold)}"
    assert parse_aggregator(parse_aggregator(text).text).threshold == threshold


def test_values_after_the_colon_are_read():
    assert parse_aggregator("entropy_weighted").weighting == "inverse"
    assert parse_aggregator("lowest_entropy_k").k == 6
    assert parse_aggregator("topk_mass:12").k == 12
    assert parse_aggregator("head_pruned_registers:0.25").threshold == 0.25


@pytest.mark.parametrize(
    "text",
    [
        *("", "median", "mean:", "max:2", "Mean", "topk:", "topk:0", "topk:-1", "topk:1.5"),
        *("topk:3:3", "topk_mass:k", "lowest_entropy_k:²", "lowest_entropy_k:99999"),
        *("entropy_weighted:", "entropy_weighted:1/H", "head_pruned:1.01", "head_pruned:nan"),
        *("head_pruned:-0", "head_pruned:.", "head_pruned:1e-3", "head_pruned_registers:"),
    ],
)
def test_other_texts_are_refused_with_what_there_is(text):
    with pytest.raises(UsageError, match="not understood; write mean, max") as refused:
        parse_aggregator(text)
    assert all(kind in str(refused.value) for kind in DEFAULTS)


def test_words_tell_any_two_aggregators_apart():
    aggregators = {parse_aggregator(text) for text in TEXTS}
    assert len({each.words for each in aggregators}) == len(aggregators)


def test_too_many_heads_are_refused_by_name_and_number():
    six = parse_aggregator("lowest_entropy_k")
    check_head_count(six, 6, "small")
    with pytest.raises(UsageError, match="lowest_entropy_k:6 takes 6 heads, but small has 3"):
        check_head_count(six, 3, "small")
    with pytest.raises(UsageError, match="takes 8 heads"):
        patch_maps(random_rows(), PREFIX, heads="topk:8")


# --- references ---------------------------------------------------------------------------------


def mean_of(maps: list[list[float]]) -> list[float]:
    return [sum(column) / len(maps) for column in zip(*maps, strict=True)]


def reference(text: str, reading: str, row: list[list[float]]) -> list[float]:
    """One image by plain loops over its heads."""
    full = [head[PREFIX:] for head in row]
    mass = [sum(head) for head in full]
    registers = [sum(head[1:PREFIX]) for head in row]
    shares = [[a / m for a in head] for head, m in zip(full, mass, strict=True)]
    entropy = [-sum(b * math.log(b) for b in head) for head in shares]
    relative = [value / math.log(SIDE**2) for value in entropy]
    maps = full if reading == "slice" else shares
    heads = range(len(row))
    kind, _, option = text.partition(":")
    if kind == "mean":
        result = mean_of(maps)
    elif kind == "max":
        result = [max(column) for column in zip(*maps, strict=True)]
    elif kind == "topk":
        k = int(option or 3)
        result = [sum(sorted(column, reverse=True)[:k]) / k for column in zip(*maps, strict=True)]
    elif kind == "entropy_weighted":
        weigh = {
            "": lambda h: 1 / entropy[h],
            "complement": lambda h: 1 - relative[h],
            "exp_normalized": lambda h: math.exp(-relative[h]),
            "exp": lambda h: math.exp(-entropy[h]),
        }[option]
        total = sum(weigh(h) for h in heads)
        result = [sum(weigh(h) / total * maps[h][patch] for h in heads) for patch in range(SIDE**2)]
    else:
        if kind == "lowest_entropy_k":
            chosen = sorted(heads, key=lambda h: (entropy[h], h))[: int(option or 6)]
        elif kind == "topk_mass":
            chosen = sorted(heads, key=lambda h: (-mass[h], h))[: int(option or 3)]
        else:
            score, usual = (relative, 0.9) if kind == "head_pruned" else (registers, 0.5)
            chosen = [h for h in heads if score[h] <= float(option or usual)]
            chosen = chosen or [min(heads, key=lambda h: (score[h], h))]
        result = mean_of([maps[h] for h in chosen])
    return [value / sum(result) for value in result]


@every_aggregator
@both_readings
def test_equals_the_plain_loops(text, reading):
    rows = random_rows()
    expected = [reference(text, reading, row) for row in rows.astype(float).tolist()]
    maps = patch_maps(rows, PREFIX, heads=text, reading=reading)
    np.testing.assert_allclose(grids(maps), expected, rtol=1e-12)


@pytest.mark.parametrize("text", ["head_pruned", "head_pruned_registers:0.12"])
def test_the_rows_of_these_tests_make_pruning_choose(text):
    rows = random_rows().astype(float)
    weights = head_weights(parse_aggregator(text), rows[:, :, PREFIX:], rows[:, :, 1:PREFIX])
    assert 0 < weights.mean() < 1


# --- closed forms -------------------------------------------------------------------------------


@every_aggregator
@both_readings
def test_identical_heads_give_their_mean(text, reading):
    rows = np.repeat(random_rows()[:, :1], HEADS, axis=1)
    expected = patch_maps(rows, PREFIX, reading=reading)
    found = patch_maps(rows, PREFIX, heads=text, reading=reading)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


@every_aggregator
@both_readings
@pytest.mark.parametrize("side", [1, 2, 3, 7])
def test_uniform_attention_is_a_uniform_map(text, reading, side):
    rows = np.full((2, HEADS, PREFIX + side**2), 1 / (PREFIX + side**2), np.float32)
    maps = patch_maps(rows, PREFIX, heads=text, reading=reading)
    np.testing.assert_allclose(maps, 1 / side**2, rtol=1e-13)


@every_aggregator
@both_readings
def test_the_order_of_heads_does_not_matter(text, reading):
    rows = random_rows()
    order = np.random.default_rng(2).permutation(HEADS)
    found = patch_maps(rows[:, order], PREFIX, heads=text, reading=reading)
    expected = patch_maps(rows, PREFIX, heads=text, reading=reading)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


@every_aggregator
@both_readings
def test_scale_does_not_matter(text, reading):
    rows = random_rows()
    other = rows.copy()
    other[:, :, PREFIX:] /= 4
    found = patch_maps(other, PREFIX, heads=text, reading=reading)
    assert np.array_equal(found, patch_maps(rows, PREFIX, heads=text, reading=reading))


@every_aggregator
def test_readings_agree_where_heads_have_equal_patch_mass(text):
    rows = random_rows().astype(float)
    rows[:, :, PREFIX:] *= 0.5 / rows[:, :, PREFIX:].sum(axis=-1, keepdims=True)
    sliced, softmaxed = (patch_maps(rows, PREFIX, heads=text, reading=way) for way in READINGS)
    np.testing.assert_allclose(sliced, softmaxed, rtol=1e-12)


def test_slice_is_heads_by_patch_mass_and_patch_softmax_heads_alike():
    patches = random_rows().astype(float)[:, :, PREFIX:]
    mass = patches.sum(axis=-1)
    shares = patches / mass[:, :, None]
    sliced, softmaxed = (grids(patch_maps(random_rows(), PREFIX, reading=way)) for way in READINGS)
    by_mass = np.einsum("bh,bhn->bn", mass, shares)
    alike = np.einsum("bhn->bn", shares)
    np.testing.assert_allclose(sliced, by_mass / by_mass.sum(1, keepdims=True), rtol=1e-12)
    np.testing.assert_allclose(softmaxed, alike / alike.sum(1, keepdims=True), rtol=1e-12)
    assert not np.allclose(sliced, softmaxed, rtol=1e-3)


def test_entropy_of_a_head_is_that_of_its_share_of_patches():
    patches = np.array([[[0.25, 0.25, 0, 0], [0.1, 0.1, 0.1, 0.1], [0, 0, 0.3, 0], [0, 0, 0, 0]]])
    expected = [[math.log(2), math.log(4), 0, math.inf]]
    np.testing.assert_allclose(head_entropy(patches), expected, rtol=1e-14)


# --- ties, thresholds, one-hot heads -------------------------------------------------------------


def weights_of(text: str, heads: list[list[float]]) -> list[float]:
    """Weights of one image's heads, given as CLS, one register, four patches; they add to 1."""
    rows = np.array([heads], float)
    weights = head_weights(parse_aggregator(text), rows[:, :, 2:], rows[:, :, 1:2])[0]
    return list(weights / weights.sum())


FLAT, HALF = [0.1, 0.1, 0.2, 0.2, 0.2, 0.2], [0.1, 0.1, 0.4, 0.4, 0, 0]
ONE_HOT, ON_REGISTER = [0.3, 0.2, 0, 0.5, 0, 0], [0, 0.8, 0.1, 0.1, 0, 0]
ON_CLS, ALL_ON_REGISTER = [1.0, 0, 0, 0, 0, 0], [0, 1.0, 0, 0, 0, 0]


def test_of_heads_that_tie_the_lower_index_is_taken():
    mirrored = [*HALF[:2], *HALF[:1:-1]]
    assert weights_of("lowest_entropy_k:2", [FLAT, HALF, mirrored, HALF]) == [0, 0.5, 0.5, 0]
    assert weights_of("topk_mass:1", [ONE_HOT, FLAT, HALF]) == [0, 1, 0]
    alternating = weights_of("lowest_entropy_k:7", [FLAT, HALF] * 16)
    assert np.flatnonzero(alternating).tolist() == [1, 3, 5, 7, 9, 11, 13]


def test_heads_that_differ_by_rounding_alone_tie():
    head = np.random.default_rng(0).gamma(0.3, size=400)
    patches = np.array([[np.random.default_rng(seed).permutation(head) for seed in range(20)]])
    assert len(set(head_entropy(patches)[0])) > 1
    for text in ("lowest_entropy_k:7", "topk_mass:7"):
        weights = head_weights(parse_aggregator(text), patches, patches[:, :, :1])
        assert weights[0].tolist() == [1] * 7 + [0] * 13


def test_a_head_at_the_threshold_stays():
    assert weights_of("head_pruned:1", [FLAT, HALF]) == [0.5, 0.5]
    assert weights_of("head_pruned:0.5", [FLAT, HALF]) == [0, 1]
    assert weights_of("head_pruned_registers:0.1", [FLAT, ONE_HOT]) == [1, 0]


@pytest.mark.parametrize("cells", [4, 9, 49, 196, 256, 1369])
def test_rounding_does_not_lift_a_uniform_head_above_one(cells):
    heads = np.stack([np.full(cells, 1 / cells), np.eye(1, cells)[0]])[None]
    weights = head_weights(parse_aggregator("head_pruned:1"), heads, heads[:, :, :1])
    assert weights.tolist() == [[1, 1]]


def test_where_all_heads_would_be_dropped_the_nearest_to_passing_stays():
    assert weights_of("head_pruned:0.4", [FLAT, HALF, HALF]) == [0, 1, 0]
    assert weights_of("head_pruned_registers:0.05", [ON_REGISTER, ONE_HOT, FLAT]) == [0, 0, 1]


def test_without_registers_none_is_dropped_for_them():
    rows = random_rows(prefix=1)
    pruned = patch_maps(rows, 1, heads="head_pruned_registers:0")
    np.testing.assert_allclose(pruned, patch_maps(rows, 1), rtol=1e-13)


def test_heads_on_one_patch_share_the_inverse_of_their_entropy():
    assert np.allclose(weights_of("entropy_weighted", [FLAT, ONE_HOT, ONE_HOT]), [0, 0.5, 0.5])
    assert weights_of("entropy_weighted:exp", [FLAT, ONE_HOT]) == pytest.approx([0.2, 0.8])


def test_uniform_heads_weigh_alike_where_the_complement_is_zero():
    assert weights_of("entropy_weighted:complement", [FLAT, FLAT]) == [0.5, 0.5]
    assert weights_of("entropy_weighted:complement", [FLAT, HALF]) == pytest.approx([0, 1])


# --- rows without attention on patches, bad rows, batches ---------------------------------------


@every_aggregator
@both_readings
@pytest.mark.parametrize("empty", [ON_CLS, ALL_ON_REGISTER])
def test_a_head_without_patch_mass_adds_nothing(text, reading, empty):
    rows = np.array([[FLAT, empty, HALF, ONE_HOT, *[empty] * 3], [FLAT, *[empty] * 6]])
    maps = grids(patch_maps(rows, 2, heads=text, reading=reading))
    assert np.isfinite(maps).all()
    np.testing.assert_allclose(maps.sum(axis=1), 1, rtol=1e-13)
    np.testing.assert_allclose(maps[1], 0.25, rtol=1e-13)


@every_aggregator
@both_readings
def test_an_image_is_nan_only_where_no_head_looks_at_patches_or_one_is_nan(text, reading):
    rows = random_rows(5)
    rows[1, :, PREFIX:] = 0
    rows[2] = np.nan
    rows[3, 2] = np.nan
    maps = patch_maps(rows, PREFIX, heads=text, reading=reading)
    assert np.isnan(grids(maps)).all(axis=1).tolist() == [False, True, True, True, False]
    assert np.isfinite(maps[[0, 4]]).all()


@every_aggregator
@both_readings
@pytest.mark.parametrize(
    ("images", "heads", "side", "prefix"),
    [(9, 7, 4, 5), (5, 24, 16, 5), (17, 12, 1, 1), (8, 16, 14, 0)],
)
def test_a_map_has_the_same_bits_alone_and_in_any_batch(text, reading, images, heads, side, prefix):
    rows = random_rows(images, heads, side, prefix)
    together = patch_maps(rows, prefix, heads=text, reading=reading)
    alone = [patch_maps(row[None], prefix, heads=text, reading=reading) for row in rows]
    assert np.array_equal(together, np.concatenate(alone))
    backwards = patch_maps(rows[::-2], prefix, heads=text, reading=reading)
    assert np.array_equal(together[::-2], backwards)


@every_aggregator
def test_bits_do_not_depend_on_how_rows_lie_in_memory(text):
    rows = random_rows(3, 12, 6)
    turned = np.asfortranarray(rows)
    found = patch_maps(turned, PREFIX, heads=text)
    assert np.array_equal(found, patch_maps(rows, PREFIX, heads=text))
