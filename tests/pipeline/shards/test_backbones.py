"""Models are loaded ahead in a thread, or when they are needed."""

import threading

import pytest

from a2pipe.errors import A2pipeError
from a2pipe.pipeline.session import open_session
from a2pipe.pipeline.shards.backbones import Backbones


class Loading(Backbones):
    """Backbones that load names, in threads that are noted; `wrong` cannot be loaded."""

    def __init__(self):
        super().__init__({}, None, None)
        self.threads = {}

    def _load(self, model):
        self.threads[model] = threading.current_thread()
        if model == "wrong":
            raise A2pipeError("The weights of wrong have changed.")
        return f"{model}, loaded"


def test_a_model_that_was_not_loaded_ahead_is_loaded_when_it_is_needed():
    backbones = Loading()
    assert [backbones.get("a"), backbones.get("a")] == ["a, loaded"] * 2
    assert backbones.threads == {"a": threading.current_thread()}


def test_what_is_loaded_ahead_is_loaded_in_another_thread_and_once():
    backbones = Loading()
    backbones.load_ahead(["a", "b"])
    assert [backbones.get(model) for model in "abab"] == ["a, loaded", "b, loaded"] * 2
    assert threading.current_thread() not in backbones.threads.values()


def test_what_is_loaded_is_not_loaded_ahead_again():
    backbones = Loading()
    backbones.get("a")
    backbones.load_ahead(["a", "b"])
    backbones.get("b")
    assert backbones.threads["a"] is threading.current_thread()


def test_what_goes_wrong_ahead_is_told_when_the_model_is_needed():
    backbones = Loading()
    backbones.load_ahead(["wrong", "a"])
    assert backbones.get("a") == "a, loaded"
    with pytest.raises(A2pipeError, match="wrong have changed"):
        backbones.get("wrong")


def test_models_that_are_loaded_and_not_used_leave_no_trace():
    backbones = Loading()
    backbones.load_ahead(["a"])
    assert (backbones.device(), backbones.forward_passes()) == ("", {})


def test_a_run_loads_its_models_ahead(experiment, tmp_path, monkeypatch):
    threads, load = [], Backbones._load

    def noted(backbones, model):
        threads.append(threading.current_thread())
        return load(backbones, model)

    monkeypatch.setattr(Backbones, "_load", noted)
    open_session(experiment(), tmp_path).compute()
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()
