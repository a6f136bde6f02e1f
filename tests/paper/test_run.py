"""Running a preset: what is said of data that is not the paper's."""

from types import SimpleNamespace

import numpy as np
import pytest

from a2pipe.datasets.benchmark_facts import BenchmarkFacts
from a2pipe.errors import UsageError
from a2pipe.paper import run as paper_run
from a2pipe.paper.settings import Settings
from a2pipe.pipeline.shards.progress import SilentProgress


def test_missing_samples_are_told_where_their_number_was_published(monkeypatch):
    """Of a split that was published without counts, nothing is said."""
    facts = BenchmarkFacts("t", "p", "h", {"train": {}, "test": {"all": 9}})
    monkeypatch.setattr(paper_run, "facts_of", lambda _: facts)
    found = SimpleNamespace(splits=np.array(["train", "test", "test"]))
    (note,) = paper_run._miniature("birds", found, Settings())
    assert note == "birds has 2 test samples, where 9 were published"


def test_every_dataset_is_loaded_once_and_before_anything_runs(monkeypatch):
    """The second dataset's option is refused, so the first is not run."""
    ran, loaded = [], []

    def load(experiment, cache):
        assert cache
        loaded.append((experiment.dataset.name, dict(experiment.dataset.options)))
        if experiment.dataset.name == "celeba":
            raise UsageError("celeba has no option boxes")

    monkeypatch.setattr(paper_run, "chosen_datasets", lambda *_: ["waterbirds", "celeba"])
    monkeypatch.setattr(paper_run, "experiments", lambda *_: [])
    monkeypatch.setattr(paper_run, "load_collection", load)
    monkeypatch.setattr(paper_run, "_run", lambda *given: ran.append(given))
    settings = Settings(options={"boxes": "a", "waterbirds:boxes": "b"})
    chosen = SimpleNamespace(id="table-8", datasets=())
    with pytest.raises(UsageError, match="celeba has no option"):
        list(paper_run.run_preset(chosen, settings, None, SilentProgress()))
    assert loaded == [("waterbirds", {"boxes": "b"}), ("celeba", {"boxes": "a"})]
    assert ran == []
