"""Flags that say where shards are computed."""

from itertools import combinations

import pytest

FLAGS = ("--scheduler=tcp://127.0.0.1:1", "--local-workers=2", "--cluster=cluster.toml")


@pytest.mark.parametrize("two", [*combinations(FLAGS, 2)])
def test_shards_are_computed_in_one_place(command, two):
    refused = command("run", "--dataset", "demo-01", *two)
    assert refused.code == 2
    assert "Give one of --scheduler, --local-workers and --cluster." in refused.err
