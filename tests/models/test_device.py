"""The device that models run on: the best there is, or the one asked for if this machine has it."""

import pytest
import torch

from a2pipe.errors import A2pipeError, UsageError
from a2pipe.models.device import choose_device


@pytest.mark.parametrize(
    ("cuda", "mps", "chosen"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_auto_takes_the_fastest_kind_there_is(monkeypatch, cuda, mps, chosen):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert choose_device("auto") == torch.device(chosen)


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_an_absent_device_is_refused(monkeypatch, kind):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(A2pipeError, match=f"no {kind} device"):
        choose_device(kind)


@pytest.mark.parametrize("name", ["tpu9", "meta"])
def test_what_is_no_device_is_refused(name):
    with pytest.raises(UsageError, match=f"no device '{name}'"):
        choose_device(name)


def test_a_device_may_have_a_number(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("cuda:1") == torch.device("cuda", 1)
