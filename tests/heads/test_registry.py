"""Heads by name: built in, registered by others, and what a wrong name is answered."""

import json
import subprocess
import sys

import pytest
from sklearn.svm import SVC

from a2pipe.errors import UsageError
from a2pipe.heads.dfr import DFRHead
from a2pipe.heads.logistic import LogisticHead
from a2pipe.heads.registry import HEADS, canonical, kind_of, make_head


def test_logistic_takes_its_parameters():
    head = make_head("logistic", {"C": 0.1, "features": "l2"})
    assert isinstance(head, LogisticHead)
    assert (head.C, head.features) == (0.1, "l2")


def test_dfr_takes_its_parameters():
    head = make_head("dfr", {"variant": "train", "Cs": [1, 0.1]})
    assert isinstance(head, DFRHead)
    assert (head.variant, head.Cs) == ("train", [1, 0.1])


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


def test_other_packages_add_heads(plug_in):
    plug_in("a2pipe.heads", "nearest", "sklearn.neighbors:KNeighborsClassifier")
    assert HEADS.names() == [*HEADS.built_in, "nearest"]
    assert make_head("nearest", {"n_neighbors": 3}).n_neighbors == 3


def test_a_head_that_takes_any_keyword_is_given_them(plug_in):
    plug_in("a2pipe.heads", "anything", "argparse:Namespace")
    assert make_head("anything", {"depth": 2}).depth == 2


def test_a_built_in_kind_cannot_be_taken_over(plug_in):
    plug_in("a2pipe.heads", "logistic", "builtins:dict")
    assert HEADS.names() == [*HEADS.built_in]
    assert isinstance(make_head("logistic", {}), LogisticHead)


@pytest.mark.parametrize("kind", list(HEADS.built_in))
def test_a_head_knows_its_kind_by_its_class(kind):
    assert kind_of(make_head(kind, {})) == kind


def test_a_class_of_no_kind_is_asked_for_one():
    with pytest.raises(UsageError, match="SVC is the class of no head"):
        kind_of(SVC())


def test_naming_heads_does_not_load_scikit_learn():
    program = (
        "import sys, a2pipe.heads.registry as r; r.HEADS.names(); r.canonical('logistic', {}); "
        "print('sklearn' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert answer.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("logistic", {}, {}),
        ("logistic", {"C": 1}, {}),
        ("logistic", {"C": 1.0, "features": "raw", "calibrate": False}, {}),
        ("logistic", {"C": 10, "seed": 0}, {"C": 10.0}),
        ("logistic", {"max_iter": 100}, {"max_iter": 100}),
        ("logistic", {"class_weight": "balanced"}, {"class_weight": "balanced"}),
        ("dfr", {"Cs": [1, 0.7, 0.3, 0.1, 0.07, 0.03, 0.01]}, {}),
        ("dfr", {"Cs": (1, 3), "draws": 20}, {"Cs": [1.0, 3.0]}),
        ("dfr", {"class_weights": []}, {"class_weights": []}),
        ("knn", {"k": 20, "temperature": 1}, {"temperature": 1.0}),
    ],
)
def test_parameters_are_the_same_however_they_are_written(kind, given, expected):
    found = canonical(kind, given)
    assert json.dumps(found) == json.dumps(expected)


def test_a_truth_value_is_no_number():
    assert canonical("logistic", {"C": True}) == {"C": True}


def test_a_plug_ins_numbers_stay_as_they_are_written(plug_in):
    """One feature is not all of them."""
    plug_in("a2pipe.heads", "bag", "sklearn.ensemble:BaggingClassifier")
    assert canonical("bag", {"max_features": 1}) == {"max_features": 1}
    assert canonical("bag", {"max_features": 1.0}) == {}
