"""Heads by name: built in, registered by others, and what a wrong name is answered."""

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from a2pipe.errors import UsageError
from a2pipe.heads import registry
from a2pipe.heads.logistic import LogisticHead
from a2pipe.heads.registry import kinds, make_head


def register(monkeypatch: pytest.MonkeyPatch, **points: str) -> None:
    """Entry points of an installed package."""
    found = [EntryPoint(name, value, registry.GROUP) for name, value in points.items()]
    monkeypatch.setattr(registry, "entry_points", lambda group: found if group else [])


def test_logistic_takes_its_parameters():
    head = make_head("logistic", {"C": 0.1, "features": "l2"})
    assert isinstance(head, LogisticHead)
    assert (head.C, head.features) == (0.1, "l2")


def test_an_unknown_kind_is_answered_with_a_near_one():
    with pytest.raises(UsageError, match="no head 'logisitc': did you mean 'logistic'"):
        make_head("logisitc", {})


def test_an_unknown_kind_like_no_other_is_answered_with_all():
    with pytest.raises(UsageError, match="no head 'svm': use logistic"):
        make_head("svm", {})


def test_an_unknown_parameter_is_answered_with_a_near_one():
    with pytest.raises(UsageError, match="no parameter 'max_iters': did you mean 'max_iter'"):
        make_head("logistic", {"max_iters": 100})


def test_a_wrong_value_is_found_before_any_fit():
    with pytest.raises(UsageError, match="use 'raw' or 'l2' or 'standardized'"):
        make_head("logistic", {"features": "normalised"})


def test_other_packages_add_heads(monkeypatch):
    register(monkeypatch, nearest="sklearn.neighbors:KNeighborsClassifier")
    assert kinds() == [*registry.BUILT_IN, "nearest"]
    assert make_head("nearest", {"n_neighbors": 3}).n_neighbors == 3


def test_a_head_that_takes_any_keyword_is_given_them(monkeypatch):
    register(monkeypatch, anything="argparse:Namespace")
    assert make_head("anything", {"depth": 2}).depth == 2


def test_a_built_in_kind_cannot_be_taken_over(monkeypatch):
    register(monkeypatch, logistic="builtins:dict")
    assert kinds() == [*registry.BUILT_IN]
    assert isinstance(make_head("logistic", {}), LogisticHead)


def test_naming_heads_does_not_load_scikit_learn():
    program = "import sys, a2pipe.heads.registry as r; r.kinds(); print('sklearn' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert answer.stdout.strip() == "False"
