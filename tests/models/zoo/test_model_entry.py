"""One entry of the table: the names that it goes by."""

import dataclasses

import pytest

from a2pipe.models.zoo.model_entry import IMAGENET, ModelEntry

ENTRY = ModelEntry("mine", "Mine", "", (), "", *IMAGENET, 224, "shipped", "MIT")


def test_the_papers_name_comes_before_the_aliases() -> None:
    both = dataclasses.replace(ENTRY, paper_name="Paper ViT", aliases=("a", "b"))
    assert both.called == ("Paper ViT", "a", "b")


def test_without_a_name_in_the_paper_there_are_the_aliases_alone() -> None:
    assert ENTRY.called == ()
    assert dataclasses.replace(ENTRY, aliases=("a",)).called == ("a",)


def test_what_is_not_known_is_left_at_nothing() -> None:
    assert (ENTRY.repo, ENTRY.open_clip, ENTRY.parameters, ENTRY.patch) == ("", "", 0, 0)
    assert ENTRY.positions == "antialias"


def test_an_entry_does_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        ENTRY.name = "other"  # type: ignore[misc]
