"""Stored predictions as they are read back, and what is told of those that are not there."""

import numpy as np
import pytest

from a2pipe.errors import NotCachedError, UsageError
from a2pipe.pipeline.results.predictions import find_record, read_predictions

from .conftest import GROUPS, LABELS, RIGHT, N, store


def test_what_was_stored_is_read_back(tmp_path):
    found = read_predictions(tmp_path, store(tmp_path, "x", RIGHT["far"], "d" * 32))
    assert found.collection == "d" * 32
    np.testing.assert_array_equal(found.correct, RIGHT["far"])
    np.testing.assert_array_equal(found.labels, LABELS)
    np.testing.assert_array_equal(found.groups, GROUPS)
    np.testing.assert_array_equal(found.index, np.arange(N))


def test_images_are_told_only_where_samples_share_some(tmp_path):
    shared = np.arange(N) // 4
    assert read_predictions(tmp_path, store(tmp_path, "x", RIGHT["far"])).images is None
    record = store(tmp_path, "y", RIGHT["far"], test_images=shared)
    np.testing.assert_array_equal(read_predictions(tmp_path, record).images, shared)


def test_without_groups_the_classes_are_groups(tmp_path):
    record = store(tmp_path, "x", RIGHT["best"], test_groups=np.full(N, -1))
    assert (read_predictions(tmp_path, record).groups == LABELS).all()


def test_predictions_that_are_not_stored_are_told(tmp_path):
    with pytest.raises(NotCachedError, match="are not in the cache"):
        read_predictions(tmp_path, "0" * 32)


def test_damaged_predictions_are_told_as_not_stored(tmp_path):
    record = store(tmp_path, "x", RIGHT["far"])
    (tmp_path / "fits" / f"{record}.npz").write_bytes(b"torn")
    with pytest.raises(NotCachedError, match="are not in the cache"):
        read_predictions(tmp_path, record)


def test_predictions_without_the_truth_are_told(tmp_path):
    record = store(tmp_path, "x", RIGHT["far"], test_labels=None)
    with pytest.raises(NotCachedError, match="holds no test_labels"):
        read_predictions(tmp_path, record)


def test_a_record_is_found_by_its_first_digits(tmp_path):
    records = [store(tmp_path, name, RIGHT[name]) for name in RIGHT]
    assert find_record(tmp_path, records[0][:12]) == records[0]
    with pytest.raises(UsageError, match="3 records begin with ''"):
        find_record(tmp_path, "")
    with pytest.raises(NotCachedError, match="begins with 'x'"):
        find_record(tmp_path, "x")
