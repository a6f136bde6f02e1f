"""CLS attention and CLS embedding against their peers: `python benchmarks/attention.py`.

ViT-S/14 with registers and ViT-B/16 with seeded random weights, float32 on the CPU, on one thread
and on two. Peers, all in one process and in turn, with the wall time's median over the rounds: the
bare `forward_features` of timm, which gives no attention, and transformers with
`output_attentions=True`, which is how attention is usually had. Then bfloat16 against float32, with
the error it costs the networks that ship on the demo's images, and the peak memory of each way at
the large size, each in a fresh process.

Prints one JSON object; ratios are the peer's time over ours, so that more is better.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from networks import backbone, network, pixels
from PIL import Image
from plain import EAGER, fastest, plain_forwards

from a2pipe.datasets.registry import load
from a2pipe.models.backbone import load_backbone
from a2pipe.models.preprocessing import to_unit
from errors import attention_error, embedding_error

LOCALIZER, EMBEDDER = "demo_localizer_m", "demo_embedder_m"
SMALL, BASE = "vit_small_patch14_reg4_dinov2", "vit_base_patch16_224"
SIZES = {SMALL: (224, 518), BASE: (224, 512)}
BATCH = {224: 8, 512: 2, 518: 2}
PEERS = ("timm forward_features", "transformers output_attentions")
Work = Callable[[], object]


def transformers_model(name: str, size: int) -> Any:
    """A network of the same shape in transformers, with eager attention."""
    if name == SMALL:
        shape = {"hidden_size": 384, "num_attention_heads": 6, "intermediate_size": 1536}
        config = transformers.Dinov2WithRegistersConfig(**shape, image_size=size, patch_size=14)
        return eager(transformers.Dinov2WithRegistersModel(config))
    config = transformers.ViTConfig(image_size=size, patch_size=16)
    return eager(transformers.ViTModel(config, add_pooling_layer=False))


def eager(model: Any) -> Any:
    """transformers gives attention with its eager implementation only."""
    model.set_attn_implementation("eager")
    return model.eval().requires_grad_(False)


def ways(name: str, size: int, batch: int) -> dict[str, Work]:
    """Every way to run one model at one size."""
    images, bare, ours = pixels(batch, size), network(name, size), backbone(name, size)
    peer, last = transformers_model(name, size), len(bare.blocks)
    return {
        "timm forward_features": lambda: bare.forward_features(images),
        "transformers output_attentions": lambda: peer(images, output_attentions=True),
        "attention, last block": lambda: ours.attention(images, [last]),
        "attention, all blocks": lambda: ours.attention(images, range(1, last + 1)),
        "embedding": lambda: ours.embed(images),
        "attention and embedding": lambda: ours.attention_and_embedding(images, [last]),
    }


def medians(works: dict[str, Work], rounds: int) -> dict[str, float]:
    """Median wall seconds of each way, all of them in turn in every round."""
    spent: dict[str, list[float]] = {name: [] for name in works}
    with torch.inference_mode():
        for work in works.values():
            work()
        for _ in range(rounds):
            for name, work in works.items():
                start = time.perf_counter()
                work()
                spent[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in spent.items()}


def speed(name: str, size: int, rounds: int) -> dict[str, Any]:
    """Images per second of every way, and ours as a ratio to each peer."""
    spent = medians(ways(name, size, BATCH[size]), rounds)
    ours = [way for way in spent if way not in PEERS]
    return {
        "images_per_second": {way: round(BATCH[size] / s, 2) for way, s in spent.items()},
        **{
            f"times {peer}": {way: round(spent[peer] / spent[way], 3) for way in ours}
            for peer in PEERS
        },
    }


def low_precision(name: str, rounds: int) -> dict[str, Any]:
    """Speed of bfloat16 as a multiple of float32, and of the fastest plain bfloat16 forward."""
    exact, rough, images = (
        backbone(name, 224),
        backbone(name, 224, precision="bf16"),
        pixels(8, 224),
    )
    last = exact.info.blocks
    works: dict[str, Work] = {
        "fp32 attention": lambda: exact.attention(images, [last]),
        "bf16 attention": lambda: rough.attention(images, [last]),
        "bf16 attention, all blocks": lambda: rough.attention(images, range(1, last + 1)),
        "fp32 embedding": lambda: exact.embed(images),
        "bf16 embedding": lambda: rough.embed(images),
    }
    works |= plain_forwards(name, "cpu", "bf16", (EAGER,), images)
    spent = medians(works, rounds)
    best = fastest(spent, (EAGER,))
    times_fp32: dict[str, Any] = {
        role: round(spent[f"fp32 {role}"] / spent[f"bf16 {role}"], 2)
        for role in ("attention", "embedding")
    }
    ours = [way for way in works if way.startswith("bf16")]
    return times_fp32 | {
        "fastest_plain": best,
        "times_fastest_plain": {way: round(spent[best] / spent[way], 3) for way in ours},
    }


def low_precision_error(count: int = 128) -> dict[str, float]:
    """What bfloat16 costs the trained networks that ship, on the images of the demo."""
    images = demo_images(count)
    looking = [load_backbone(LOCALIZER, device="cpu", precision=p) for p in ("fp32", "bf16")]
    seeing = [load_backbone(EMBEDDER, device="cpu", precision=p) for p in ("fp32", "bf16")]
    rows = [model.attention(images, [model.info.blocks])[:, 0] for model in looking]
    features = [model.embed(images) for model in seeing]
    prefix = looking[0].info.prefix_tokens
    return {**attention_error(*rows, prefix, canvas=96, crop=32), **embedding_error(*features)}


def demo_images(count: int) -> torch.Tensor:
    """The first images of the demo, float (count, 3, 96, 96) in [0, 1]."""
    with tempfile.TemporaryDirectory() as folder:
        collection = load("demo-01", workspace=Path(folder))
        paths = [collection.path_of[digest] for digest in collection.images[:count]]
        return to_unit(np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths]))


def peak_megabytes(job: tuple[str, str, int]) -> float:
    """What one way adds to the peak memory of a fresh process that holds the models (Linux)."""
    way, name, size = job
    torch.set_num_threads(1)
    work = ways(name, size, 8)[way]
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
    before = resident_megabytes("VmRSS")
    with torch.inference_mode():
        work()
    return resident_megabytes("VmHWM") - before


def resident_megabytes(key: str) -> float:
    """VmRSS, what is resident now, or VmHWM, the most that was."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(key))


def memory(name: str, size: int) -> dict[str, Any]:
    """Peak megabytes of each way, and what it adds to a bare forward pass."""
    os.environ["MALLOC_MMAP_THRESHOLD_"] = "65536"  # what is freed goes back at once
    shown = (*PEERS, "attention, last block", "embedding")
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        peaks = pool.map(peak_megabytes, [(way, name, size) for way in shown], chunksize=1)
    return {
        way: {"peak_MB": round(peak), "over_forward": round(peak / peaks[0] - 1, 3)}
        for way, peak in zip(shown, peaks, strict=True)
    }


def arguments() -> argparse.Namespace:
    """What to measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=[SMALL, BASE], default=[SMALL, BASE])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=7)
    return parser.parse_args()


def measure(models: Sequence[str], threads: Sequence[int], rounds: int) -> dict[str, Any]:
    """The whole report."""
    report: dict[str, Any] = {"cpu": platform.processor() or platform.machine(), "rounds": rounds}
    report["torch"], report["transformers"] = torch.__version__, transformers.__version__
    for count in threads:
        torch.set_num_threads(count)
        for name in models:
            for size in SIZES[name]:
                report[f"{name}, {size} px, {count} threads"] = speed(name, size, rounds)
            report[f"{name}, 224 px, {count} threads, bf16 times fp32"] = low_precision(
                name, rounds
            )
    report["bf16, error on the demo"] = low_precision_error()
    for name in models:
        report[f"{name}, {SIZES[name][1]} px, memory"] = memory(name, SIZES[name][1])
    return report


if __name__ == "__main__":
    chosen = arguments()
    print(json.dumps(measure(chosen.models, chosen.threads, chosen.rounds), indent=2))
