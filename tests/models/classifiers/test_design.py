"""What can be trained, and why the rest cannot."""

from dataclasses import replace

import pytest

from a2pipe.errors import UsageError
from a2pipe.models.classifiers.design import Design, check_design

GOOD = Design("vit", "selective:N/4", 2, 48, 8, 48, 2, 3)


@pytest.mark.parametrize(
    "design",
    [GOOD, replace(GOOD, pool="cls"), replace(GOOD, window=3, windowed=(2,))],
    ids=["selective", "cls", "windowed"],
)
def test_a_vision_transformer_is_allowed(design):
    check_design(design)


def test_a_resnet_is_allowed_with_what_it_has():
    check_design(Design("resnet18", "mean", 2, 64))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"side": 50}, "no whole number of patches"),
        ({"dim": 50}, "no whole number for each of 3 heads"),
        ({"window": 4}, "does not fit a grid of 6"),
        ({"window": 3, "windowed": (3,)}, "no block 3"),
        ({"pool": "selective:37"}, "more than the 36 patches"),
        ({"pool": "native"}, "not on native"),
        ({"network": "swin_t"}, "no network 'swin_t'"),
        ({"network": "resnet18", "pool": "cls"}, "has no CLS token"),
        ({"network": "resnet18", "window": 3}, "no attention"),
    ],
)
def test_what_cannot_be_built_is_refused(changes, reason):
    with pytest.raises(UsageError, match=reason):
        check_design(replace(GOOD, **changes))
