"""Columns of a matrix: every pool of every model, and what they are called."""

import pytest

from a2pipe.errors import UsageError
from a2pipe.models.identity import BackboneInfo
from a2pipe.pipeline.experiment.sections import EmbeddingSection
from a2pipe.pipeline.planning.columns import Column, find_columns

INFO = BackboneInfo(
    "tiny", "{}", "", (0.5,) * 3, (0.5,) * 3, 224, 14, 5, heads=3, dim=48, blocks=3, parameters=0
)


def test_every_pool_of_every_model_is_a_column():
    section = EmbeddingSection(models=["a", "b"], pool=["cls", "mean", "cls+mean"])
    assert [(each.model, each.pools) for each in find_columns(section)] == [
        (model, pools)
        for model in section.models
        for pools in (("cls",), ("mean",), ("cls", "mean"))
    ]


def test_one_spelling_twice_is_one_column():
    section = EmbeddingSection(models="a", pool=["selective:4", "selective:4:released"])
    assert [each.pools for each in find_columns(section)] == [("selective:4",)]


@pytest.mark.parametrize(
    ("pools", "name"),
    [
        (("cls",), "tiny"),
        (("mean",), "tiny, mean"),
        (("cls", "mean"), "tiny, cls+mean"),
        (("selective:N/4:paper",), "tiny, selective:N/4:paper"),
    ],
)
def test_only_the_cls_token_alone_goes_without_a_name(pools, name):
    assert Column("tiny", pools).name == name


def test_shares_become_numbers_of_the_patches_of_the_input():
    column = Column("tiny", ("cls", "selective:N/4"))
    assert column.pools_at(INFO, 224) == ("cls", "selective:64")
    assert column.pools_at(INFO, 98) == ("cls", "selective:12")


def test_more_patches_than_the_input_has_are_refused():
    column = Column("tiny", ("selective:50",))
    assert column.pools_at(INFO, 224) == ("selective:50",)
    with pytest.raises(UsageError, match="K = 50 is more than the 49 patches"):
        column.pools_at(INFO, 98)
