"""Statistics of patches and pools in whole runs: passes are counted, bits compared, maps used."""

from collections import defaultdict

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from a2pipe.cache.artifact import NOT_FINITE, OK
from a2pipe.cache.catalog import Cache
from a2pipe.errors import UsageError
from a2pipe.models.backbone import Backbone
from a2pipe.models.outputs import Block, parse_pool, parse_statistic
from a2pipe.pipeline.results.matrix import build_matrix
from a2pipe.pipeline.results.study import make_study
from a2pipe.pipeline.session import open_session
from a2pipe.stages.specs import AttentionSpec, EmbeddingSpec, PatchSpec

MODEL = "demo_localizer_s_random"
"""It has 36 patches of 8 px at 48 px, and 96 channels."""
SOURCES = ["attention", "votes:9", "patch-score", "pooled-score:N/4:paper:centred"]
STATISTICS = ["norm", "norm:before", "votes:1", "votes:9"]
POOLS = ["cls", "mean", "cls+mean", "selective:9", "native"]
SECTIONS = {
    "attention": {"models": [MODEL], "source": SOURCES},
    "patches": {"statistics": STATISTICS},
    "embedding": {"models": [MODEL], "pool": POOLS, "baselines": ["full"]},
}


@pytest.fixture
def opened(experiment, tmp_path):
    """A session of the tiny experiment with other sections, on one cache."""
    return lambda cache="cache", **sections: open_session(experiment(**sections), tmp_path / cache)


@pytest.fixture
def asked(monkeypatch):
    """What every launch of a model was asked for, in order."""
    found, launch = [], Backbone.launch

    def noted(backbone, pixels, outputs):
        found.append(list(outputs))
        return launch(backbone, pixels, outputs)

    monkeypatch.setattr(Backbone, "launch", noted)
    return found


def rows_of(session):
    """The rows of every stored spec, as bytes."""
    images = list(session.collection.images)
    return {spec: session.read(spec, images).tobytes() for spec in session.plan.specs()}


# --- one pass gives all -------------------------------------------------------------------------


def test_one_pass_an_image_gives_attention_statistics_and_pools_of_the_whole_canvas(opened, asked):
    session = opened(**SECTIONS)
    session.compute()
    # Beside the pass of the canvas there is one for each source of maps, over its crop.
    assert session.stats.forward_passes == {MODEL: 80 + len(SOURCES) * 80}
    statistics = ("votes:1", "votes:9", "norm", "norm:before", "patch-score:cls")
    expected = {*map(parse_statistic, (*statistics, "pooled-score:9:paper:centred")), Block(4)}
    pools = set(map(parse_pool, ("cls", "mean", "native", "selective:9")))
    assert {frozenset(outputs) for outputs in asked} == {
        frozenset(expected | pools),
        frozenset(pools),
    }
    assert all(len(outputs) == len(set(outputs)) for outputs in asked)


def test_what_is_stored_has_the_bits_of_a_run_without_patches(opened):
    plain = opened("plain", embedding={"models": [MODEL], "baselines": ["full"]})
    plain.compute()
    session = opened(**SECTIONS)
    session.compute()
    expected, found = rows_of(plain), rows_of(session)
    kinds = {type(spec) for spec in expected}
    assert {AttentionSpec, EmbeddingSpec} <= kinds
    assert expected.items() <= found.items()


def test_the_second_run_computes_nothing(opened):
    opened(**SECTIONS).compute()
    again = opened(**SECTIONS)
    again.compute()
    assert (again.stats.forward_passes, again.stats.decoded) == ({}, 0)


def test_statistics_alone_are_one_pass_whatever_their_number(opened):
    patches = {"statistics": ["patch-score", "norm", "votes:1", "votes:N/4", "votes:N/2"]}
    session = opened(patches=patches)
    session.compute("patches")
    assert session.stats.forward_passes == {MODEL: 80}
    assert len(session.cache.artifacts()) == len(session.cache.artifacts("patches")) == 5


def test_a_new_k_costs_one_pass_and_is_all_that_is_computed(opened, asked):
    sections = {**SECTIONS, "patches": {"statistics": [*STATISTICS, "votes:4"]}}
    opened(**SECTIONS).compute()
    before = {artifact.folder for artifact in opened(**SECTIONS).cache.artifacts()}
    asked.clear()
    session = opened(**sections)
    session.compute()
    assert session.stats.forward_passes == {MODEL: 80}
    assert {output for outputs in asked for output in outputs} == {parse_statistic("votes:4")}
    (new,) = {artifact.folder for artifact in session.cache.artifacts()} - before
    (votes,) = (spec for spec in session.plan.patches if spec.statistic == "votes:4")
    assert session.stored(votes).folder == new


def test_a_new_pool_costs_one_pass_a_box(opened, asked):
    embedding = {**SECTIONS["embedding"], "pool": [*POOLS, "selective:2"]}
    opened(**SECTIONS).compute()
    asked.clear()
    session = opened(**{**SECTIONS, "embedding": embedding})
    session.compute()
    assert session.stats.forward_passes == {MODEL: 80 + len(SOURCES) * 80}
    assert {output for outputs in asked for output in outputs} == {parse_pool("selective:2")}


def test_pools_of_crops_from_originals_share_a_pass_too(opened):
    embedding = {"models": [MODEL], "pool": POOLS, "baselines": ["full"]}
    crops = {"sizes": [16], "source": "original"}
    session = opened(embedding=embedding, crops=crops)
    session.compute()
    assert session.stats.forward_passes == {MODEL: 80 + 80}


def test_stored_pixels_give_the_bits_of_decoded_ones(opened):
    patches = {"statistics": ["votes:9", "norm:before"]}
    expected = opened("decoded", patches=patches)
    expected.compute("patches")
    run = {"device": "cpu", "cache_pixels": True, "shard_size": 32}
    opened(run=run).compute("attention")
    session = opened(patches=patches, run=run)
    session.compute("patches")
    assert session.stats.decoded == 0
    images = list(session.collection.images)
    for spec in session.plan.patches:
        np.testing.assert_array_equal(session.read(spec, images), expected.read(spec, images))


def test_two_spellings_of_a_statistic_are_stored_once(opened):
    session = opened(patches={"statistics": ["votes:9", "votes:N/4", "votes:9:released"]})
    assert [spec.statistic for spec in session.plan.patches] == ["votes:9"]


# --- what is stored -----------------------------------------------------------------------------


def test_votes_are_whole_numbers_that_sum_to_k_times_channels(opened):
    session = opened(patches={"statistics": ["votes:1", "votes:9", "votes:N"]})
    session.compute("patches")
    images = list(session.collection.images)
    for spec, k in zip(session.plan.patches, (1, 9, 36), strict=True):
        votes = session.read(spec, images)
        assert (votes.shape, votes.dtype) == ((80, 36), np.uint16)
        assert (votes.sum(axis=1) == k * 96).all()
        assert votes.max() <= 96
    assert (votes == 96).all()


@pytest.fixture
def blinded(monkeypatch) -> list[int]:
    """How many images had a token made NaN, as a network that overflows makes it: bright ones."""
    found, prepared = [], Backbone._prepared

    def prepare(backbone, pixels):
        images = prepared(backbone, pixels)
        bright = images[: len(pixels)].mean(dim=(1, 2, 3)) > 0
        images[: len(pixels)][bright] = torch.nan
        found.append(int(bright.sum()))
        return images

    monkeypatch.setattr(Backbone, "_prepared", prepare)
    return found


def test_an_image_whose_tokens_are_not_finite_has_no_votes_and_is_bad(opened, blinded):
    run = {"device": "cpu", "shard_size": 32, "skip_bad_images": True}
    session = opened(patches={"statistics": ["votes:9", "norm"]}, run=run)
    session.compute("patches")
    assert 0 < sum(blinded) < 80
    votes, norms = (session.stored(spec) for spec in session.plan.patches)
    bad = 0
    for shard in range(votes.cut.shards):
        counted, lengths = votes.read_shard(shard), norms.read_shard(shard)
        finite = counted["status"] == OK
        assert set(counted["status"][~finite].tolist()) <= {NOT_FINITE}
        np.testing.assert_array_equal(lengths["status"], counted["status"])
        assert (counted["patches"][~finite] == 0).all()
        assert (counted["patches"][finite].sum(axis=1) == 9 * 96).all()
        assert np.isnan(lengths["patches"][~finite]).all()
        bad += (~finite).sum()
    assert bad == sum(blinded)
    assert {image.reason for image in session.bad_images("patches")} == {
        "the model's output is not finite"
    }


# --- as maps ------------------------------------------------------------------------------------


def upsampled(values: np.ndarray) -> torch.Tensor:
    """Oracle: values of 36 patches on the 48 x 48 pixels of the canvas, by torch."""
    grid = torch.from_numpy(values.reshape(-1, 1, 6, 6))
    return interpolate(grid, (48, 48), mode="bilinear", align_corners=False)[:, 0]


def best_square(values: np.ndarray, size: int) -> tuple[int, int]:
    """Oracle: the first (y, x) of the square of largest sum."""
    (pixels,) = upsampled(values)
    sums = pixels.unfold(0, size, 1).unfold(1, size, 1).sum(dim=(-1, -2)).numpy()
    near = sums >= sums.max() - 1e-9 * pixels.sum().item()
    y, x = np.argwhere(near)[0]
    return int(y), int(x)


def test_crops_lie_where_the_statistic_is_largest(opened):
    session = opened(**SECTIONS)
    session.compute("boxes")
    images = list(session.collection.images)
    for row in session.plan.rows:
        if row.map is None or not isinstance(row.map.attention, PatchSpec):
            continue
        values = session.read(row.map.attention, images).astype(np.float64)
        if not row.map.attention.statistic.startswith("votes"):
            values -= values.min(axis=1, keepdims=True)
        (crop,) = row.boxes
        found = session.read(crop, images)
        for one, box in zip(values[:20], found, strict=False):
            y, x = best_square(one, 16)
            assert box.tolist() == [x, y, x + 16, y + 16]


def test_every_source_is_a_row_and_every_pool_a_column(opened):
    cold = build_matrix(opened(**SECTIONS))
    assert cold.record.stats.forward_passes == {MODEL: 80 + len(SOURCES) * 80}
    names = [f"{MODEL}, {text}" for text in POOLS[1:]]
    assert cold.matrix.columns == (MODEL, *names)
    labels = [row.label for row in cold.matrix.rows]
    assert labels == [
        f"{MODEL}, 16 px",
        f"{MODEL} votes:9, 16 px",
        f"{MODEL} patch-score:cls, 16 px",
        f"{MODEL} pooled-score:9:paper:centred, 16 px",
        "full image",
    ]
    assert len(cold.cells) == len(labels) * len(POOLS)
    warm = build_matrix(opened(**SECTIONS))
    assert (warm.record.stats.forward_passes, warm.record.stats.decoded) == ({}, 0)
    assert warm.matrix.to_json()["cells"] == cold.matrix.to_json()["cells"]


def test_a_cell_of_two_pools_is_as_wide_as_both(opened):
    plan = opened(**SECTIONS).plan
    widths = defaultdict(set)
    for row in plan.rows:
        for column in plan.columns:
            widths[column].add(plan.width(row, column))
    both = widths.pop(f"{MODEL}, cls+mean")
    assert both == {192}
    assert set().union(*widths.values()) == {96}


def test_localising_by_statistics_needs_no_more_passes(opened):
    session = opened(**SECTIONS)
    study = make_study(session)
    assert session.stats.forward_passes == {MODEL: 80}
    attention, *others = [{each.name: each.mean for each in line.measures} for line in study.lines]
    # What only tokens before the patches have is not measured of statistics of patches.
    lacking = {"cls", "registers", "patches"}
    assert all(each.keys() == attention.keys() - lacking for each in others)
    assert [line.source for line in study.lines[1:]] == [
        "votes:9",
        "patch-score:cls",
        "pooled-score:9:paper:centred",
    ]
    again = opened(**SECTIONS)
    assert make_study(again).lines == study.lines
    assert (again.stats.forward_passes, again.stats.decoded) == ({}, 0)


def test_what_is_localised_is_the_share_of_votes(opened):
    attention = {"models": [MODEL], "source": "votes:9"}
    session = opened(attention=attention, localize={"split": "all"})
    (line,) = make_study(session).lines
    votes = session.read(session.plan.patches[0], list(session.collection.images))
    pixels = upsampled(votes.astype(np.float64))
    shares = pixels / pixels.sum(dim=(1, 2), keepdim=True)
    entropy = torch.special.entr(shares).sum(dim=(1, 2)) / np.log(48 * 48)
    means = {measure.name: measure.mean for measure in line.measures}
    assert means["entropy"] == pytest.approx(entropy.mean().item(), abs=1e-12)


# --- refusals -----------------------------------------------------------------------------------


def stored(cache) -> list[str]:
    """What the cache has of any stage."""
    return [str(artifact.folder) for artifact in Cache(cache).artifacts()]


@pytest.mark.parametrize(
    ("sections", "sentence"),
    [
        ({"patches": {"statistics": ["vote:49"]}}, "no patch statistic 'vote:49'"),
        ({"patches": {"statistics": ["votes:37"]}}, "K = 37 is more than the 36 patches"),
        ({"attention": {"models": [MODEL], "source": ["votes"]}}, "no patch statistic 'votes'"),
        (
            {"attention": {"models": [MODEL], "source": ["norm"]}},
            "norms of patches are no map of where to look",
        ),
        (
            {"attention": {"models": [MODEL], "source": ["pooled-score:37"]}},
            "K = 37 is more than the 36 patches",
        ),
        ({"embedding": {"models": [MODEL], "pool": ["max"]}}, "no pool 'max'"),
        ({"embedding": {"models": [MODEL], "pool": ["mean+mean"]}}, "name one twice"),
        (
            {"embedding": {"models": [MODEL], "pool": ["cls", "selective:37"]}},
            "K = 37 is more than the 36 patches",
        ),
        (
            # 16 patches at 32 px, though the crops' 48 px have 36.
            {"embedding": {"models": [MODEL], "pool": ["selective:17"], "baselines": ["full@32"]}},
            "K = 17 is more than the 16 patches",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence_before_anything_is_computed(
    sections, sentence, experiment, tmp_path
):
    with pytest.raises(UsageError, match=sentence) as error:
        open_session(experiment(**sections), tmp_path / "cache")
    assert "\n" not in str(error.value)
    assert stored(tmp_path / "cache") == []


def test_nothing_to_store_is_said(opened):
    from a2pipe.pipeline.results.stage_run import compute_stage

    with pytest.raises(UsageError, match="Nothing to compute"):
        compute_stage(opened(attention={"models": []}), "patches")
