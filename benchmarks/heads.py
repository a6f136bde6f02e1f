"""Heads against the loops they replace: `python benchmarks/heads.py [--only dfr|matrix]`.

matrix: the logistic heads of a 4 x 4 matrix, see benchmarks/heads_matrix.py.

dfr: DFR(Val) on a pool of the sizes of Waterbirds' validation groups, at ViT-g's width and at that
of two crops, in two processes: 7 fits that choose C and 20 balanced draws. The loop fits the same
27 regressions with bare joblib and liblinear, on samples drawn and standardised beforehand by the
head's own functions, and averages them; both give the same coefficients. They run in turn, in an
order that changes, and share the processes, which are started before. Prints one JSON object:
seconds of the fastest and of the median round, and the head's time over the loop's: of the fastest
rounds, and the median over rounds, which a busy machine disturbs less.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # read when NumPy is imported

import numpy as np  # noqa: E402
from heads_matrix import matrix  # noqa: E402
from joblib import Parallel, delayed  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

from a2pipe.heads.dfr import DFRHead  # noqa: E402
from a2pipe.heads.fitting.balancing import balanced_draw, halve  # noqa: E402
from a2pipe.heads.fitting.liblinear import L1  # noqa: E402

GROUP_SIZES = (467, 466, 133, 133)
WIDTHS = {"ViT-g": 1536, "ViT-g, 2 crops": 3072}
PROCESSES = 2


@dataclass(frozen=True)
class Pool:
    """X float32 (n, d), y and groups (n,)."""

    X: Any
    y: Any
    groups: Any


def pool(width: int) -> Pool:
    """Correlated features of two classes on two backgrounds, one in ten of them telling."""
    generator = np.random.default_rng(width)
    groups = generator.permutation(np.repeat(np.arange(4), GROUP_SIZES))
    y, background = groups // 2, groups % 2
    factors = generator.normal(size=(len(y), 200)) @ generator.normal(size=(200, width)) / 15
    telling = generator.random((2, width)) < 0.1
    shifts = generator.normal(size=(2, width)) * telling
    X = factors + np.outer(y, shifts[0]) + np.outer(background, 2 * shifts[1])
    return Pool((X + generator.normal(size=X.shape)).astype(np.float32), y, groups)


def bare_fit(X: Any, y: Any, C: float) -> tuple[Any, Any]:
    model = LogisticRegression(solver="liblinear", C=C, random_state=0, **L1).fit(X, y)
    return model.coef_, model.intercept_


def bare_tasks(data: Pool, head: DFRHead) -> tuple[list[Any], list[Any]]:
    """What the head fits, as (X, y, C): for every C, and for every draw with the chosen one."""
    tuning, *draws = np.random.default_rng(head.seed).spawn(1 + head.draws)
    _, rest = halve(len(data.y), tuning)
    rows = rest[balanced_draw(data.groups[rest], tuning)]
    balanced = StandardScaler().fit_transform(data.X[rows])
    choosing = [(balanced, data.y[rows], C) for C in head.Cs]
    standard = StandardScaler().fit_transform(data.X)
    drawn = [balanced_draw(data.groups, generator) for generator in draws]
    return choosing, [(standard[rows], data.y[rows], head.C_) for rows in drawn]


def bare(choosing: list[Any], averaged: list[Any]) -> Any:
    """Mean coefficients of the draws, (1, d)."""
    with Parallel(n_jobs=PROCESSES) as workers:
        workers(delayed(bare_fit)(*task) for task in choosing)
        fits = workers(delayed(bare_fit)(*task) for task in averaged)
    return np.mean([coef for coef, _ in fits], axis=0)


def in_turn(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each way in each round; every other round begins with the last."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        for name in list(ways)[:: 1 if number % 2 else -1]:
            start = time.perf_counter()
            ways[name]()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def compared(seconds: dict[str, list[float]], head: str, loop: str) -> dict[str, Any]:
    """Of two ways the fastest round and the median, and the ratio of both."""
    pairs = zip(seconds[head], seconds[loop], strict=True)
    return {
        name: {"fastest": round(min(found), 2), "median": round(median(found), 2)}
        for name, found in seconds.items()
    } | {
        "ratio_fastest": round(min(seconds[head]) / min(seconds[loop]), 3),
        "ratio_median_of_rounds": round(median(a / b for a, b in pairs), 3),
    }


def dfr(width: int, rounds: int) -> dict[str, Any]:
    """The head against the loop on one pool."""
    data = pool(width)
    head = DFRHead(class_weights=None, n_jobs=PROCESSES)

    def fit() -> DFRHead:
        return head.fit(data.X, data.y, groups=data.groups)

    tasks = bare_tasks(data, fit())
    assert np.array_equal(bare(*tasks), head.coef_)
    seconds = in_turn({"head": fit, "loop": lambda: bare(*tasks)}, rounds)
    return {"C": head.C_} | compared(seconds, "head", "loop")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", choices=["dfr", "matrix"], help="one part instead of all")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "dfr": lambda: {name: dfr(width, options.rounds) for name, width in WIDTHS.items()},
        "matrix": matrix,
    }
    chosen = [options.only] if options.only else list(parts)
    print(json.dumps({name: parts[name]() for name in chosen}, indent=2))


if __name__ == "__main__":
    main()
