"""The texts of pools and statistics: what they mean, how they are spelt, and what is refused."""

import pytest

from a2pipe.errors import UsageError
from a2pipe.models.outputs import (
    Block,
    Pool,
    Selection,
    Statistic,
    blocks_of,
    needs_patches,
    parse_pool,
    parse_pools,
    parse_statistic,
)


@pytest.mark.parametrize(
    ("text", "pool"),
    [
        ("cls", Pool("cls")),
        ("mean", Pool("mean")),
        ("native", Pool("native")),
        ("selective:49", Pool("selective", Selection("49"))),
        ("selective:N", Pool("selective", Selection("N"))),
        ("selective:N/4:paper", Pool("selective", Selection("N/4", "paper"))),
        ("selective:1:centred", Pool("selective", Selection("1", "released", "centred"))),
        (
            "selective:7:plot-paper:centred",
            Pool("selective", Selection("7", "plot-paper", "centred")),
        ),
    ],
)
def test_a_pool_is_read_and_written(text, pool):
    assert parse_pool(text) == pool
    assert pool.text == text


@pytest.mark.parametrize(
    ("text", "statistic"),
    [
        ("patch-score", Statistic("patch-score")),
        ("patch-score:cls", Statistic("patch-score", "cls")),
        ("patch-score:mean", Statistic("patch-score", "mean")),
        ("norm", Statistic("norm")),
        ("norm:before", Statistic("norm", stage="before")),
        ("votes:49", Statistic("votes", selection=Selection("49"))),
        (
            "pooled-score:N/28:paper:centred",
            Statistic("pooled-score", selection=Selection("N/28", "paper", "centred")),
        ),
    ],
)
def test_a_statistic_is_read_and_written(text, statistic):
    assert parse_statistic(text) == statistic
    assert statistic.text == text


@pytest.mark.parametrize(
    ("longer", "canonical"),
    [
        ("votes:49:released", "votes:49"),
        ("votes:49:released:released", "votes:49"),
        ("votes:49:released:centred", "votes:49:centred"),
        ("votes:49:paper:released", "votes:49:paper"),
        ("votes:N/1", "votes:N"),
        ("norm:after", "norm"),
        (" patch-score ", "patch-score"),
    ],
)
def test_several_spellings_have_one_canonical_text(longer, canonical):
    assert parse_statistic(longer).text == canonical


WRONG = ["", "votes:", "votes:0", "votes:049", "votes:-1", "votes:1.5", "votes:N/0", "votes:n/4"]
WRONG += ["votes:49:centred:paper", "votes:49:plotted", "votes:49:paper:centred:paper", "votes"]


@pytest.mark.parametrize(
    "text", [*WRONG, "scores", "norm:", "norm:within", "patch-score:", "patch-score:49", "cls"]
)
def test_an_unknown_statistic_is_refused_in_one_sentence(text):
    with pytest.raises(UsageError, match=r"There is no patch statistic .*votes:K") as error:
        parse_statistic(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text",
    [each.replace("votes", "selective") for each in WRONG] + ["cls:", "mean:49", "max", "votes:49"],
)
def test_an_unknown_pool_is_refused_in_one_sentence(text):
    with pytest.raises(UsageError, match=r"There is no pool .*selective:K") as error:
        parse_pool(text)
    assert "\n" not in str(error.value)


def test_pools_stand_side_by_side_in_their_order():
    assert parse_pools("mean+cls") == (Pool("mean"), Pool("cls"))
    assert parse_pools("native") == (Pool("native"),)


@pytest.mark.parametrize("text", ["cls+cls", "selective:49+selective:49:released"])
def test_a_pool_named_twice_is_refused(text):
    with pytest.raises(UsageError, match="name one twice"):
        parse_pools(text)


@pytest.mark.parametrize(
    ("text", "patches", "k"),
    [
        ("49", 49, 49),
        ("N", 196, 196),
        ("N/4", 196, 49),
        ("N/28", 196, 7),
        ("N/28", 256, 9),  # 9.14
        ("N/4", 6, 2),  # 1.5, of which the half goes up
        ("N/4", 1, 1),  # never none
        ("N/9999", 256, 1),
    ],
)
def test_a_share_of_the_patches_is_rounded_to_a_number(text, patches, k):
    found = Selection(text, "paper", "centred").of(patches)
    assert found == Selection(str(k), "paper", "centred")
    assert found.of(patches) == found


def test_more_patches_than_there_are_cannot_be_selected():
    with pytest.raises(UsageError, match="K = 50 is more than the 49 patches of an image"):
        Selection("50").of(49)


def test_attention_and_the_cls_token_need_no_patches():
    texts = ("mean", "native", "selective:1")
    statistics = ("patch-score", "norm:before", "votes:1", "pooled-score:1")
    assert not any(map(needs_patches, (Block(1), Pool("cls"))))
    assert all(map(needs_patches, map(parse_pool, texts)))
    assert all(map(needs_patches, map(parse_statistic, statistics)))


def test_blocks_come_in_the_order_of_the_outputs():
    assert blocks_of([Block(3), Pool("cls"), Statistic("norm"), Block(1)]) == [3, 1]
