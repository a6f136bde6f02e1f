"""Killed at any instant, the cache holds nothing wrong, and the next run completes it."""

import time
from .conftest import *


def test_x(launch, experiment, tmp_path):
    for i in range(2):
        t = time.time()
        c = launch("build-matrix", experiment, "--cache", tmp_path / "c", "--out", tmp_path / "o")
        print(c.wait(), time.time() - t)
        print(c.out[-200:], c.err[-500:])
    print(markers(tmp_path / "c"))
    assert_sound(tmp_path / "c")
    a = arrays(tmp_path / "c")
    print(len(a))
    print(results(tmp_path / "o").keys())
    assert 0


def test_y(launch, small, tmp_path):
    for i in range(3):
        t = time.time()
        c = launch(
            "build-matrix",
            small,
            "--cache",
            tmp_path / "c",
            "--out",
            tmp_path / "o",
            within=str(tmp_path / "c"),
            fault="full",
            step=100 + i,
        )
        print(c.wait(), time.time() - t)
        print(c.out[-200:], c.err[-500:])
    assert 0
