"""What specs of attention and of maps say of themselves."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from a2pipe.cache.fingerprint import fingerprint
from a2pipe.errors import UsageError
from a2pipe.stages.attention import AttentionSpec, MapSpec, ModelSpec, grid_map, tokens
from a2pipe.stages.geometry import Canvas

MODEL = ModelSpec("{}", "0" * 32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), name="tiny")
INFO = SimpleNamespace(name="tiny", heads=3, patch=8, prefix_tokens=5, dim=12)


def test_attention_reads_the_canvas_that_its_model_is_shown():
    for way in ({"draft": True}, {"decoder": "nvjpeg"}):
        spec = AttentionSpec(MODEL, 48, 2, "letterbox", **way)
        assert spec.pixels == Canvas(48, "letterbox", **way)
        assert spec.upstream == (spec.pixels,)


def test_attention_is_a_row_of_tokens_a_head_with_the_prefix():
    field = AttentionSpec(MODEL, 48, 2).array({"tiny": INFO})
    assert (field.name, field.shape, field.dtype) == ("attention", (3, 5 + 36), "float32")
    assert np.isnan(field.fill)


def test_an_input_that_patches_do_not_divide_is_refused():
    with pytest.raises(UsageError, match="patches of 8 px, which do not divide an input of 50 px"):
        tokens(INFO, 50)


def test_blocks_of_a_model_on_one_canvas_share_a_pass_and_other_canvases_do_not():
    first, last = AttentionSpec(MODEL, 48, 1), AttentionSpec(MODEL, 48, 12)
    assert first.forward_pass == last.forward_pass
    assert first.forward_pass != AttentionSpec(MODEL, 48, 1, "letterbox").forward_pass


def test_words_name_the_model_the_block_and_the_canvas():
    assert AttentionSpec(MODEL, 48, 2, "letterbox").words == "tiny, block 2, letterboxed"
    spec = AttentionSpec(MODEL, 48, 2)
    assert MapSpec(spec).suffix == ""
    assert MapSpec(spec, "max", "patch-softmax").suffix == (
        ", max over heads, each head renormalised"
    )


def test_a_map_is_the_mean_of_heads_over_patches_that_sums_to_one():
    rows = np.array([[[0.5, 0.1, 0.2, 0.2, 0.0], [0.5, 0.3, 0.0, 0.0, 0.2]]], np.float32)
    spec = MapSpec(AttentionSpec(MODEL, 16, 2))
    np.testing.assert_allclose(grid_map(spec, rows, 1), [[[0.4, 0.2], [0.2, 0.2]]], atol=1e-7)


@pytest.mark.parametrize(
    ("fields", "address"),
    [
        ({"precision": "bf16", "numerics": 1}, "d91bd9322573e7407c68f356bfe4b1bb"),
        ({"precision": "bf16", "numerics": 2}, "7404c24b30a81c7bbf5da97ad48dccf5"),
        ({"compiled": True, "numerics": 2}, "e506d33b5ba0578a51b0e2ad9318b861"),
    ],
)
def test_addresses_of_low_precision_and_compiled_models_never_move(fields, address):
    assert fingerprint(replace(MODEL, **fields)) == address
