"""The demo experiment, and the file that begins a new one."""

import pytest

from a2pipe.errors import UsageError
from a2pipe.pipeline.experiment.demo import demo_experiment, new_experiment
from a2pipe.pipeline.experiment.load import load_experiment


def test_every_variant_of_the_demo_has_a_name_of_its_own():
    variants = [("01", False, 0), ("01", True, 0), ("38", False, 0), ("38", False, 4)]
    found = [demo_experiment(d, balanced=b, seed=s).name for d, b, s in variants]
    assert found == ["demo-01", "demo-01-balanced", "demo-38", "demo-38-seed4"]


def test_the_seed_is_an_option_of_the_dataset():
    assert demo_experiment(seed=4).dataset.options == {"seed": 4}
    assert demo_experiment(run={"limit": 9}).run.limit == 9


def test_a_new_file_loads_under_its_own_name(tmp_path):
    new_experiment(tmp_path / "birds.toml", 'a "quoted" folder')
    loaded = load_experiment(tmp_path / "birds.toml")
    assert (loaded.name, loaded.dataset.name) == ("birds", 'a "quoted" folder')


def test_no_file_is_written_over(tmp_path):
    (tmp_path / "birds.toml").write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        new_experiment(tmp_path / "birds.toml", "images")
    assert (tmp_path / "birds.toml").read_text() == "mine"
