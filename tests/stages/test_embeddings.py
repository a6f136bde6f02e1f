"""What specs of embeddings say of themselves."""

from types import SimpleNamespace

import pytest

from a2pipe.cache.fingerprint import canonical, fingerprint
from a2pipe.stages.attention import AttentionSpec, ModelSpec
from a2pipe.stages.boxes.center import CenterBox
from a2pipe.stages.boxes.full import FullBox
from a2pipe.stages.embeddings import EmbeddingSpec, MeanSpec, parts_of
from a2pipe.stages.geometry import Canvas

MODEL = ModelSpec("{}", "0" * 32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), name="tiny")
BOX = CenterBox(16, 48, "letterbox")


def test_a_crop_of_the_canvas_reads_its_box_and_the_canvas():
    for way in ({"draft": True}, {"decoder": "nvjpeg"}):
        spec = EmbeddingSpec(BOX, MODEL, 32, **way)
        assert spec.pixels == Canvas(48, "letterbox", **way)
        assert spec.upstream == (BOX, spec.pixels)
        assert not spec.reads_original


def test_a_crop_of_the_original_reads_its_box_alone():
    spec = EmbeddingSpec(BOX, MODEL, 32, "original")
    assert spec.pixels is None
    assert spec.upstream == (BOX,)
    assert spec.reads_original


def test_the_array_is_as_long_as_the_model_says():
    field = EmbeddingSpec(BOX, MODEL, 32).array({"tiny": SimpleNamespace(shape=lambda *_: (12,))})
    assert (field.name, field.shape, field.dtype) == ("embedding", (12,), "float32")


def test_a_whole_canvas_in_its_own_size_shares_the_pass_of_its_attention():
    attention = AttentionSpec(MODEL, 48, 12, draft=True)
    whole = EmbeddingSpec(FullBox(48), MODEL, 48, draft=True)
    assert whole.forward_pass == attention.forward_pass


def test_a_pool_is_a_part_of_the_address_unless_it_is_the_cls_token():
    addresses = {
        fingerprint(EmbeddingSpec(BOX, MODEL, 32, pool=pool))
        for pool in ("cls", "mean", "native", "selective:4", "selective:4:paper")
    }
    assert len(addresses) == 5
    assert "pool" not in canonical(EmbeddingSpec(BOX, MODEL, 32, pool="cls"))


@pytest.mark.parametrize("source", ["resized", "original"])
def test_all_pools_of_a_box_share_its_pass(source):
    pools = ("cls", "mean", "native", "selective:4")
    specs = [EmbeddingSpec(BOX, MODEL, 32, source, pool=pool) for pool in pools]
    assert len({spec.forward_pass for spec in specs}) == 1
    assert [spec.output.text for spec in specs] == list(pools)


@pytest.mark.parametrize(
    "other",
    [
        EmbeddingSpec(FullBox(48), MODEL, 48),
        EmbeddingSpec(FullBox(48), MODEL, 48, decoder="nvjpeg"),
        EmbeddingSpec(FullBox(48), MODEL, 96, draft=True),
        EmbeddingSpec(FullBox(48), MODEL, 48, "original"),
        EmbeddingSpec(FullBox(48, "letterbox"), MODEL, 48, draft=True),
        EmbeddingSpec(CenterBox(48, 48), MODEL, 48, draft=True),
    ],
)
def test_other_pixels_need_a_pass_of_their_own(other):
    assert other.forward_pass != AttentionSpec(MODEL, 48, 12, draft=True).forward_pass


def test_words_say_the_crop_and_what_it_is_cut_from():
    assert EmbeddingSpec(BOX, MODEL, 32, "original").words == (
        "tiny at 32 px of centre crop, 16 px, letterboxed, cut from the original"
    )
    assert EmbeddingSpec(FullBox(48), MODEL, 48, draft=True).words == (
        "tiny at 48 px of full image, drafted"
    )
    assert EmbeddingSpec(FullBox(48), MODEL, 48, decoder="nvjpeg").words == (
        "tiny at 48 px of full image, decoded by nvJPEG"
    )


def test_a_mean_is_made_of_its_embeddings():
    one, other = EmbeddingSpec(BOX, MODEL, 32), EmbeddingSpec(FullBox(48), MODEL, 32)
    assert parts_of(MeanSpec((one, other))) == (one, other)
    assert parts_of(one) == (one,)
    assert MeanSpec((one, other)).model == MODEL
