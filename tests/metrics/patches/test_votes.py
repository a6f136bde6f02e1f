"""Marked patches have more than a share of the largest votes, strictly."""

import numpy as np

from a2pipe.metrics.patches.votes import LEVELS, marked


def test_a_patch_with_just_that_share_is_not_marked():
    votes = np.array([[10, 5, 3, 2, 6, 4, 0], [0, 0, 0, 0, 0, 0, 0]], np.uint16)
    found = {level: np.flatnonzero(marked(votes, level)[0]).tolist() for level in LEVELS}
    assert found == {50: [0, 4], 30: [0, 1, 4, 5], 20: [0, 1, 2, 4, 5]}
    assert not marked(votes, 20)[1].any()


def test_votes_of_sixteen_bits_do_not_overflow():
    votes = np.array([[4096, 2049, 2048]], np.uint16)
    assert marked(votes, 50).tolist() == [[True, True, False]]
