"""What a loader is asked for."""

import pytest

from a2pipe.datasets.request import Request, check_options
from a2pipe.errors import UsageError


def request(**options: object) -> Request:
    return Request("birds", None, options, None, None)


def test_allowed_options_pass() -> None:
    check_options(request(seed=1), ["seed", "train"])
    check_options(request(), [])


@pytest.mark.parametrize(
    ("allowed", "message"),
    [
        (["seed", "train"], "Dataset birds has no option 'sead': did you mean 'seed'?"),
        (["train"], "Dataset birds has no option 'sead': use train."),
        ([], "Dataset birds has no option 'sead': it has none; remove it."),
    ],
)
def test_other_options_are_refused(allowed: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_options(request(sead=1), allowed)
    assert str(caught.value) == message
