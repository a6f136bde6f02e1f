"""An experiment written as TOML reads back equal, whatever its names, texts and numbers are."""

import math
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from a2pipe.errors import UsageError
from a2pipe.pipeline.experiment.demo import new_experiment
from a2pipe.pipeline.experiment.load import load_experiment
from a2pipe.pipeline.experiment.schema import Experiment
from a2pipe.pipeline.experiment.toml import assignments, to_toml, toml_value

MINIMAL = {"dataset": {"name": "demo-01"}}
SCALARS = st.text() | st.integers() | st.floats(allow_nan=False) | st.booleans()
PLAIN = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(value=PLAIN)
def test_any_plain_value_is_one_line_that_reads_back_equal(value: Any) -> None:
    text = toml_value(value)
    assert "\n" not in text
    assert tomllib.loads(f"x = {text}") == {"x": value}


@given(table=st.dictionaries(st.text(), PLAIN, max_size=4))
def test_any_name_can_be_a_key(table: dict[str, Any]) -> None:
    assert tomllib.loads(assignments(table)) == table


def test_what_is_not_a_number_reads_back_as_such() -> None:
    assert math.isnan(tomllib.loads(assignments({"x": math.nan}))["x"])


def test_values_are_written_as_people_write_them() -> None:
    table = {"size": 224, "models": ["a", "é"], "empty": [], "options": {"seed": 0, "a b": [[1.5]]}}
    assert assignments(table).splitlines() == [
        "size = 224",
        'models = ["a", "é"]',
        "empty = []",
        'options = { seed = 0, "a b" = [[1.5]] }',
    ]


def test_a_key_that_is_not_set_stands_in_a_comment() -> None:
    assert assignments({"root": None, "ä": None}) == '# root is not set\n# "ä" is not set\n'


@pytest.mark.parametrize("value", [[None], [1, [None]], {"a": None}, [{"a": [None]}]])
def test_none_within_a_value_is_refused(value: Any) -> None:
    with pytest.raises(UsageError, match="cannot be written as TOML: leave out what is none") as it:
        assignments({"x": value})
    assert "\n" not in str(it.value)


def test_the_defaults_of_a_head_are_shown_beside_what_is_set():
    written = to_toml(load_experiment({**MINIMAL, "head": [{"kind": "logistic", "C": 0.1}]}))
    head = written.partition("[[head]]\n")[2].splitlines()
    assert head[:4] == ['kind = "logistic"', 'name = ""', "models = []", "C = 0.1"]
    assert head[4:7] == ['# features = "raw"', "# tol = 0.0001", "# max_iter is not set"]


def test_a_parameter_that_is_none_against_its_default_is_refused() -> None:
    """Left out, it would read back as the default, and be another head."""
    experiment = load_experiment({**MINIMAL, "head": [{"kind": "logistic", "features": None}]})
    with pytest.raises(UsageError, match="'logistic' has the parameter features = none"):
        to_toml(experiment)
    to_toml(load_experiment({**MINIMAL, "head": [{"kind": "logistic", "max_iter": None}]}))


def test_shown_defaults_read_back_equal():
    experiment = load_experiment(
        {
            **MINIMAL,
            "name": "round-trip",
            "dataset": {"name": "m.csv", "options": {"label": 'a "quoted" name'}},
            "crops": {"sizes": [[64], [64, 32]], "smooth": [1, 3]},
            "embedding": {"models": ["m"], "baselines": ["full@518", "random:2"]},
            "head": [{"kind": "logistic", "C": 0.1, "features": "l2"}],
            "notes": ["first", "second: naïve"],
        }
    )
    assert Experiment.model_validate(tomllib.loads(to_toml(experiment))) == experiment


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    options=st.dictionaries(st.text(), PLAIN, max_size=3),
    parameters=st.dictionaries(
        st.text(min_size=1).filter(lambda name: name not in ("kind", "name", "models")),
        PLAIN,
        max_size=3,
    ),
    notes=st.lists(st.text(), max_size=3),
)
def test_any_experiment_reads_back_equal(
    options: dict[str, Any], parameters: dict[str, Any], notes: list[str]
) -> None:
    experiment = load_experiment(
        {
            "dataset": {"name": "demo-01", "options": options},
            "head": [{"kind": "logistic", **parameters}],
            "notes": notes,
        }
    )
    for with_defaults in (True, False):
        written = tomllib.loads(to_toml(experiment, with_defaults))
        assert Experiment.model_validate(written) == experiment


@pytest.mark.parametrize("name", ["plain", 'a "quoted" one', "naïve \U0001f600", "tab\tand\x7f"])
def test_a_new_experiment_bears_any_name(tmp_path: Path, name: str) -> None:
    """JSON writes an emoji as two surrogates, which TOML refuses."""
    path = tmp_path / f"{name}.toml"
    new_experiment(path, f"images of {name}")
    written = tomllib.loads(path.read_text(encoding="utf-8"))
    assert (written["name"], written["dataset"]["name"]) == (name, f"images of {name}")


@pytest.mark.parametrize("text", ["name = ", "\x00", '[dataset]\nname = "a"\n[dataset]\n'])
def test_text_that_is_not_toml_is_refused(tmp_path, text):
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match="not valid TOML"):
        load_experiment(path)
