"""Who sees whom in windows."""

import torch

from a2pipe.models.classifiers.windows import window_mask


def test_patches_see_their_window_and_cls_sees_all():
    mask = window_mask(4, 2)
    assert mask.shape == (17, 17)
    assert mask[0].all()
    assert not mask[1:, 0].any()
    for one in range(16):
        for other in range(16):
            same = (one // 4 // 2, one % 4 // 2) == (other // 4 // 2, other % 4 // 2)
            assert bool(mask[1 + one, 1 + other]) is same


def test_one_window_is_global_among_patches():
    assert torch.equal(window_mask(3, 3)[1:, 1:], torch.ones(9, 9, dtype=torch.bool))
