"""How a command opens its experiment: from a file, from flags or from both."""

import pytest

from a2pipe.commands.session import open_experiment
from a2pipe.errors import UsageError
from a2pipe.pipeline import session

MODEL = "demo_localizer_s_random"
FLAGS = {"image.size": 48, "embedding.models": [MODEL], "embedding.baselines": ["full"]}


def test_flags_alone_are_an_experiment(folder, cache):
    opened = open_experiment(None, {**FLAGS, "dataset.name": str(folder)}, cache, quiet=True)
    assert opened.cache.root == cache
    assert len(opened.collection) == 36
    assert opened.plan.columns == (MODEL,)
    assert [row.baseline for row in opened.plan.rows] == ["full"]


def test_flags_win_over_the_file(folder, cache, tmp_path):
    file = tmp_path / "pets.toml"
    file.write_text(f'[dataset]\nname = "{folder.as_posix()}"\n[image]\nsize = 96\n')
    assert open_experiment(file, {}, cache, quiet=True).experiment.image.size == 96
    assert open_experiment(file, FLAGS, cache, quiet=True).experiment.image.size == 48


def test_the_default_cache_is_that_of_the_environment(folder, cache, monkeypatch):
    monkeypatch.setenv("A2PIPE_CACHE", str(cache))
    opened = open_experiment(None, {"dataset.name": str(folder)}, None, quiet=True)
    assert opened.cache.root == cache


def test_an_executor_is_handed_on(folder, cache):
    executor = object()
    opened = open_experiment(
        None, {"dataset.name": str(folder)}, cache, quiet=True, executor=executor
    )
    assert opened.executor is executor


@pytest.mark.parametrize("looking", [True, False])
def test_who_only_looks_has_weights_read_in_another_process(looking, folder, cache, monkeypatch):
    apart = []
    monkeypatch.setattr(session, "identify_apart", lambda *_: apart.append("asked"))
    flags = {**FLAGS, "dataset.name": str(folder)}
    open_experiment(None, flags, cache, quiet=True, looking=looking)
    assert apart == ["asked"] * looking


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({}, "Name a dataset"),
        ({"dataset.name": "no such dataset"}, "no such dataset"),
        ({"dataset.name": "demo", "image.size": "wide"}, "image.size"),
    ],
)
def test_a_wrong_experiment_is_refused(overrides, sentence, tmp_path):
    with pytest.raises(UsageError, match=sentence):
        open_experiment(None, overrides, tmp_path, quiet=True)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"none\.toml"):
        open_experiment(tmp_path / "none.toml", {}, tmp_path, quiet=True)
