"""Statistics of patches against the bare forward pass: `python benchmarks/patches.py`.

ViT-S/14 with registers and seeded random weights at 224 px, float32 on one thread of the CPU. All
ways run in turn in every round, in one process, in CPU time, which other processes on the machine
disturb less than the clock. The figure is the median over the rounds of the ratio to the bare pass
of the same round, timm's `forward_features`.

Prints one JSON object: what each way costs over the bare pass, as a share of its time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from networks import backbone, network, pixels

from a2pipe.models.outputs import Block, Output, Pool, parse_pool, parse_statistic

NAME, SIDE, BATCH = "vit_small_patch14_reg4_dinov2", 224, 4
DEFAULT = ("patch-score", "norm", "votes:1", "votes:9", "votes:64", "votes:128")
ASKED: dict[str, tuple[str, ...]] = {
    "votes:49": ("votes:49",),
    "the default set": DEFAULT,
    "selective:49": ("selective:49",),
    "the default set, attention and CLS": DEFAULT,
}
Work = Callable[[], object]


def outputs(texts: tuple[str, ...]) -> list[Output]:
    """What texts ask for; a pool is one that selects."""
    return [
        parse_pool(text) if text.startswith("selective") else parse_statistic(text)
        for text in texts
    ]


def ways() -> dict[str, Work]:
    """The bare pass, and every set of statistics."""
    images, bare, ours = pixels(BATCH, SIDE), network(NAME, SIDE), backbone(NAME, SIDE)
    # In passes of as many images as ours, as smaller ones stay in the cache and are faster.
    parts = images.split(ours.images_a_pass(SIDE))
    works: dict[str, Work] = {"bare": lambda: [bare.forward_features(part) for part in parts]}
    for name, texts in ASKED.items():
        beside = [Block(ours.info.blocks), Pool("cls")] if "attention" in name else []
        asked = [*beside, *outputs(texts)]
        works[name] = lambda asked=asked: ours.read(images, asked)
    return works


def rounds_of(works: dict[str, Work], rounds: int) -> list[dict[str, float]]:
    """CPU seconds of each way, all of them in turn in every round."""
    found: list[dict[str, float]] = []
    with torch.inference_mode():
        for work in works.values():
            work()
        for _ in range(rounds):
            spent = {}
            for name, work in works.items():
                start = time.process_time()
                work()
                spent[name] = time.process_time() - start
            found.append(spent)
    return found


def measure(rounds: int) -> dict[str, Any]:
    """The whole report."""
    torch.set_num_threads(1)
    found = rounds_of(ways(), rounds)
    bare = statistics.median(each["bare"] for each in found)
    over = {
        name: statistics.median(each[name] / each["bare"] for each in found) - 1 for name in ASKED
    }
    return {
        "network": f"{NAME}, {SIDE} px, batch {BATCH}",
        "torch": torch.__version__,
        "rounds": rounds,
        "bare, milliseconds an image": round(1e3 * bare / BATCH, 1),
        "over the bare pass": {name: round(share, 3) for name, share in over.items()},
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=36)
    print(json.dumps(measure(parser.parse_args().rounds), indent=2))
