"""Event files are written if they are asked for, and refused if they cannot be."""

import sys
from types import ModuleType

import pytest

from a2pipe.errors import UsageError
from a2pipe.training.events import Events, require_tensorboard


def test_without_tensorboard_they_are_refused_in_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError, match="pip install tensorboard"):
        require_tensorboard()


def test_unwanted_events_need_no_tensorboard(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    events = Events(tmp_path, 0, False)
    events.add(0, {"loss": 1.0})
    events.close()
    assert not [*tmp_path.iterdir()]


def test_wanted_events_go_to_the_writer(tmp_path, monkeypatch):
    """TensorBoard itself is not installed where the tests run, so its writer is stood in for."""
    calls = []

    class SummaryWriter:
        def __init__(self, folder, purge_step):
            calls.append((folder, purge_step))

        def add_scalar(self, *arguments):
            calls.append(arguments)

        def flush(self):
            calls.append("flush")

        def close(self):
            calls.append("close")

    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = SummaryWriter
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    require_tensorboard()
    events = Events(tmp_path, 4, True)
    events.add(5, {"loss": 1.0})
    events.close()
    assert calls == [(str(tmp_path / "events"), 5), ("loss", 1.0, 5), "flush", "close"]
