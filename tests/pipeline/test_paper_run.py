"""Running a preset: what is said of data that is not the paper's."""

from types import SimpleNamespace

import numpy as np

from a2pipe.datasets.facts import Facts
from a2pipe.pipeline import paper_run
from a2pipe.pipeline.paper_settings import Settings


def test_missing_samples_are_told_where_their_number_was_published(monkeypatch):
    """Of a split that was published without counts, nothing is said."""
    facts = Facts("t", "p", "h", {"train": {}, "test": {"all": 9}})
    monkeypatch.setattr(paper_run, "facts_of", lambda _: facts)
    found = SimpleNamespace(splits=np.array(["train", "test", "test"]))
    (note,) = paper_run._miniature("birds", found, Settings())
    assert note == "birds has 2 test samples, where 9 were published"
