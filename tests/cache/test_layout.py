"""How rows are cut and named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2pipe.cache.layout import ArrayField, Cut, Layout, field_from_json
from a2pipe.errors import A2pipeError


@given(st.integers(1, 5000), st.integers(1, 600))
def test_shards_cover_every_row_once(rows, size):
    cut = Cut(rows, size)
    covered = [row for shard in range(cut.shards) for row in range(rows)[cut.rows_of(shard)]]
    assert covered == list(range(rows))


def test_there_is_no_shard_beyond_the_last():
    with pytest.raises(IndexError):
        Cut(10, 4).rows_of(3)


def test_the_rows_id_follows_images_order_cut_and_backend():
    layouts = [
        Layout(("a", "b"), 4, "zarr"),
        Layout(("b", "a"), 4, "zarr"),
        Layout(("a", "b"), 5, "zarr"),
        Layout(("a", "b"), 4, "hdf5"),
    ]
    assert len({layout.rows_id for layout in layouts}) == 4
    assert Layout(("a", "b"), 4, "zarr").rows_id == layouts[0].rows_id


def test_no_images_and_unknown_backends_are_one_sentence():
    with pytest.raises(A2pipeError, match="no readable image"):
        _ = Layout(()).cut
    with pytest.raises(A2pipeError, match="choose one of zarr, hdf5"):
        Layout(("a",), backend="tar")  # type: ignore[arg-type]
    with pytest.raises(A2pipeError, match="shard size"):
        Cut(1, 0)


def test_an_image_stands_once():
    with pytest.raises(ValueError, match="unique"):
        Layout(("a", "a"))


@pytest.mark.parametrize(
    "bad", [("x", (), "object", 0), ("../x", (), "float32", 0), ("x", (), "f4", 0)]
)
def test_fields_that_cannot_be_stored_are_refused(bad):
    with pytest.raises(ValueError):
        ArrayField(*bad)


@pytest.mark.parametrize("fill", [float("nan"), float("-inf"), 0.1])
def test_a_field_survives_json(fill):
    field = ArrayField("x", (2, 3), "float16", fill)
    back = field_from_json(field.to_json())
    assert back == field
    assert repr(back.fill) == repr(fill)


def test_artifacts_over_the_same_images_share_their_layout(tmp_path, kit):
    first, second = kit.make(tmp_path, size=1), kit.make(tmp_path, size=2)
    assert first.layout is second.layout
    assert kit.make(tmp_path, n=9).layout is not first.layout
