"""How often 95 % intervals hold the truth: `python benchmarks/coverage.py [--sets 100000]`.

Test sets are drawn from groups of known size and accuracy: those of the benchmarks, and hard cases
(groups equally bad, nearly so, tiny, almost perfect). Printed for each: the share of sets whose
interval of accuracy, and of worst-group accuracy, holds the true value, how wide they are on
average, and the same of the percentile bootstrap on fewer sets. In the last setting each image has
two or three samples that are right or wrong alike. With --json one object instead.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from a2pipe.metrics.accuracy_intervals import CellIntervals, cell_intervals
from a2pipe.metrics.binomial import mean_limits, worst_limits

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """Groups of a test set: their sizes and the accuracies of a head on them."""

    name: str
    sizes: tuple[int, ...]
    accuracies: tuple[float, ...]

    @property
    def accuracy(self) -> float:
        """The true accuracy over all samples."""
        return float(np.average(self.accuracies, weights=self.sizes))

    @property
    def wga(self) -> float:
        """The true worst-group accuracy."""
        return min(self.accuracies)


@dataclass(frozen=True)
class Coverage:
    """Share of test sets whose interval holds the truth, and the mean width of the intervals."""

    accuracy: float
    accuracy_width: float
    wga: float
    wga_width: float


WATERBIRDS = (2255, 2255, 642, 642)
DEMO = (150, 150, 150, 150)
SETTINGS = (
    Setting("Waterbirds, one group worst", WATERBIRDS, (0.99, 0.93, 0.85, 0.95)),
    Setting("Waterbirds, two nearly worst", WATERBIRDS, (0.98, 0.95, 0.93, 0.94)),
    Setting("Waterbirds, all equal", WATERBIRDS, (0.9, 0.9, 0.9, 0.9)),
    Setting("Waterbirds, almost perfect", WATERBIRDS, (0.995, 0.98, 0.96, 0.97)),
    Setting("demo, full image", DEMO, (0.99, 0.14, 0.2, 0.98)),
    Setting("demo, attended crops", DEMO, (0.73, 0.83, 0.93, 0.95)),
    Setting("demo, two equal", DEMO, (0.85, 0.85, 0.95, 0.97)),
    Setting("demo, all equal", DEMO, (0.9, 0.9, 0.9, 0.9)),
    Setting("Spawrious O2O", (6336,) * 4, (0.9, 0.92, 0.94, 0.95)),
    Setting("Spawrious M2M, all equal", (3168,) * 8, (0.9,) * 8),
    Setting("CelebA, small worst group", (9767, 7535, 2480, 180), (0.95, 0.99, 0.85, 0.4)),
    Setting("MetaShift Cat-Dog", (144, 144), (0.76, 0.8)),
    Setting("groups of 20", (20,) * 4, (0.8, 0.85, 0.9, 0.9)),
    Setting("77 groups of 30", (30,) * 77, (0.9,) * 77),
)
SHARED = Setting("images of 2 and 3 samples", (600, 600, 300), (0.8, 0.82, 0.95))


def coverage(setting: Setting, sets: int, seed: int = 0) -> Coverage:
    """Of the intervals of `a2pipe.metrics.accuracy_intervals.cell_intervals`, from counts alone."""
    sizes = np.array(setting.sizes)
    hits = np.random.default_rng(seed).binomial(sizes, setting.accuracies, (sets, len(sizes)))
    mean, worst = mean_limits(hits, sizes), worst_limits(hits, sizes)
    return summary(setting, np.stack([*mean, *worst], axis=1))


def percentile_coverage(setting: Setting, sets: int, seed: int = 0) -> Coverage:
    """The same of the percentile bootstrap within groups, with 1,000 draws a set.

    The smallest group is looked for in each draw anew.
    """
    generator, sizes = np.random.default_rng(seed), np.array(setting.sizes)
    found = []
    for _ in range(sets):
        right = generator.binomial(sizes, setting.accuracies)
        # Samples drawn with replacement from one group are right as often as a binomial says.
        drawn = generator.binomial(sizes, right / sizes, (1000, len(sizes)))
        metrics = drawn.sum(axis=1) / sizes.sum(), (drawn / sizes).min(axis=1)
        found.append(np.concatenate([np.quantile(each, (0.025, 0.975)) for each in metrics]))
    return summary(setting, np.array(found))


def shared_coverage(setting: Setting, sets: int, *, by_image: bool, seed: int = 0) -> Coverage:
    """Of test sets whose images have two samples, of every other group three, alike in outcome."""
    generator = np.random.default_rng(seed)
    groups = np.repeat(np.arange(len(setting.sizes)), setting.sizes)
    images = np.concatenate(
        [1_000_000 * g + np.arange(n) // (2 + g % 2) for g, n in enumerate(setting.sizes)]
    )
    _, first, sample = np.unique(images, return_index=True, return_inverse=True)
    chances = np.array(setting.accuracies)[groups[first]]
    found = []
    for _ in range(sets):
        correct = (generator.random(len(first)) < chances)[sample]
        found.append(cell_intervals(correct, groups, images if by_image else None))
    return summary(setting, np.array([flat(each) for each in found]))


def flat(found: CellIntervals) -> tuple[float, ...]:
    """Both intervals as four numbers."""
    assert found.wga is not None
    return *found.accuracy, *found.wga


def summary(setting: Setting, bounds: Floats) -> Coverage:
    """bounds: (sets, 4), low and high of accuracy, low and high of WGA."""
    low, high = bounds[:, ::2], bounds[:, 1::2]
    truth = np.array([setting.accuracy, setting.wga])
    held = ((low <= truth + 1e-12) & (truth - 1e-12 <= high)).mean(axis=0)
    accuracy, wga = zip(held.tolist(), (high - low).mean(axis=0).tolist(), strict=True)
    return Coverage(*accuracy, *wga)


def measured(sets: int) -> dict[str, dict[str, Coverage]]:
    """Setting -> method -> coverage; the slower methods on fewer sets."""
    few = max(100, sets // 100)
    found = {
        each.name: {"a2pipe": coverage(each, sets), "percentile": percentile_coverage(each, few)}
        for each in SETTINGS
    }
    found[SHARED.name] = {
        "a2pipe": shared_coverage(SHARED, few, by_image=True),
        "as if not shared": shared_coverage(SHARED, few, by_image=False),
    }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sets", type=int, default=100_000, help="Test sets a setting.")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = measured(options.sets)
    if options.json:
        plain = {name: {m: asdict(c) for m, c in by.items()} for name, by in found.items()}
        print(json.dumps(plain, indent=2))
        return
    print(f"{'setting':30}{'method':>18}{'accuracy':>10}{'width':>8}{'WGA':>8}{'width':>8}")
    for name, methods in found.items():
        for method, each in methods.items():
            shares = f"{each.accuracy:10.3f}{each.accuracy_width:8.4f}"
            print(f"{name:30}{method:>18}{shares}{each.wga:8.3f}{each.wga_width:8.4f}")


if __name__ == "__main__":
    main()
