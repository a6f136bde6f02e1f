"""A machine with a GPU, checked and measured: `benchmarks/gpu_check.sh`.

1. Correctness: one network a family, real configuration, seeded random weights with sharp
   attention: rows of every block and embeddings on the device, in float32, bfloat16 and float16,
   against float32 on the CPU. float32 must agree to 1e-5 (attention) and 1e-4 (embedding,
   relative); a lower precision may err up to three times as much as it does on the CPU, and over
   the rows of all blocks up to 1.5 times as much as plain eager attention does on the device.
2. Speed: DINOv2 with registers, ViT-S, B, L and g at 224 px: attention of the last block, of all
   blocks, and the embedding, eager and compiled, against the bare `forward_features` of the same
   network at the same batch and precision, under autocast and with cast weights, eager and
   compiled. Medians of rounds in which all ways take turns. `times_forward` is against the fastest
   plain pass of the same mode, `times_fastest` against the fastest of all.
3. Memory: what each way adds to the peak at 224 and 518 px.

Writes one JSON into benchmarks/results and exits with 1 if a check of correctness failed.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from networks import backbone, pixels
from plain import COMPILED, EAGER, eager_rows, fastest, plain_forwards

from errors import attention_error, embedding_error

RESULTS = Path(__file__).parent / "results"
FAMILIES = {
    "DINO": "vit_small_patch16_224.dino",
    "DINOv2": "vit_small_patch14_dinov2.lvd142m",
    "DINOv2 with registers": "vit_small_patch14_reg4_dinov2.lvd142m",
    "DINOv3": "vit_small_patch16_dinov3.lvd1689m",
    "MAE": "vit_base_patch16_224.mae",
    "iBOT": "vit_small_patch16_224",
    "OpenCLIP": "vit_base_patch16_clip_224.laion2b",
}
SIZES = {
    letter: f"vit_{size}_patch14_reg4_dinov2.lvd142m"
    for letter, size in (("S", "small"), ("B", "base"), ("L", "large"), ("g", "giant"))
}
PRECISIONS = ("fp32", "bf16", "fp16")
EXACT = {"attention_largest": 1e-5, "embedding_relative": 1e-4}
LOW, SLACK = ("attention_total_variation", "embedding_relative"), 3.0
EVERY_ROW, OVER_PLAIN = "rows_total_variation", 1.5


def outputs(name: str, device: str, precision: str, images: torch.Tensor) -> tuple[Any, Any]:
    """CLS rows of every block and embeddings."""
    model = backbone(name, images.shape[-1], device, precision)
    return model.attention_and_embedding(images, range(1, model.info.blocks + 1))


def errors(exact: tuple[Any, Any], other: tuple[Any, Any], prefix: int) -> dict[str, float]:
    """Of the last block's rows with what follows from them, of all rows, and of embeddings."""
    every = float(np.abs(exact[0] - other[0]).max())
    rows = total_variation(exact[0], other[0])
    last = attention_error(exact[0][:, -1], other[0][:, -1], prefix)
    return {
        **last,
        EVERY_ROW: rows,
        "attention_largest": every,
        **embedding_error(exact[1], other[1]),
    }


def total_variation(exact: Any, other: Any) -> float:
    """Mean over all rows of half the sum of absolute differences."""
    return float(np.abs(exact - other).sum(-1).mean() / 2)


def correctness(options: argparse.Namespace) -> dict[str, Any]:
    """Errors of every family and precision, and whether each is within its limits."""
    report: dict[str, Any] = {}
    images = pixels(4, 224)
    for family in options.families:
        name = FAMILIES[family]
        prefix = backbone(name, 224).info.prefix_tokens
        exact = outputs(name, "cpu", "fp32", images)
        for precision in options.precisions:
            found = errors(exact, outputs(name, options.device, precision, images), prefix)
            limits = EXACT
            if precision != "fp32":
                same = errors(exact, outputs(name, "cpu", precision, images), prefix)
                limits = {measure: SLACK * same[measure] for measure in LOW}
                plain = eager_rows(name, options.device, precision, images).numpy()
                limits[EVERY_ROW] = OVER_PLAIN * total_variation(exact[0], plain)
            passed = all(found[measure] <= limit for measure, limit in limits.items())
            report[f"{family}, {precision}"] = {**found, "limits": limits, "passed": passed}
    return report


def ways(
    name: str, device: str, precision: str, modes: Sequence[str], images: torch.Tensor
) -> dict[str, Callable[[], object]]:
    """The plain forward passes and what the pipeline runs, on one network."""
    works: dict[str, Callable[[], object]] = {}
    works |= plain_forwards(name, device, precision, modes, images)
    for mode in modes:
        model = backbone(name, images.shape[-1], device, precision, mode == COMPILED)
        last = model.info.blocks
        works |= {
            f"attention, last block, {mode}": partial(model.attention, images, [last]),
            f"attention, all blocks, {mode}": partial(model.attention, images, range(1, last + 1)),
            f"embedding, {mode}": partial(model.embed, images),
            f"attention and embedding, {mode}": partial(
                model.attention_and_embedding, images, [last]
            ),
        }
    return works


def medians(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median wall seconds; every way ends with its result on the host."""
    spent: dict[str, list[float]] = {way: [] for way in works}
    with torch.inference_mode():
        for work in (*works.values(), *works.values()):
            work()
        for _ in range(rounds):
            for way, work in works.items():
                start = time.perf_counter()
                work()
                spent[way].append(time.perf_counter() - start)
    return {way: statistics.median(values) for way, values in spent.items()}


def speed(options: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """Images per second, and as a multiple of the plain forward passes."""
    modes = (EAGER, COMPILED) if options.compile else (EAGER,)
    for letter in options.sizes:
        images = batch(SIZES[letter], 224, options)
        for precision in options.precisions:
            works = ways(SIZES[letter], options.device, precision, modes, images)
            spent = medians(works, options.rounds)
            yield f"ViT-{letter}, {precision}", compared(spent, modes, len(images))
            torch.compiler.reset()


def compared(spent: dict[str, float], modes: Sequence[str], count: int) -> dict[str, Any]:
    """Images per second of each way, and those of ours over those of the plain passes."""
    ours = [way for way in spent if not way.startswith("plain")]
    best = fastest(spent, modes)
    same = {mode: fastest(spent, [mode]) for mode in modes}
    return {
        "batch": count,
        "images_per_second": {way: round(count / seconds, 1) for way, seconds in spent.items()},
        "fastest_plain": {**same, "of all": best},
        "times_forward": {
            way: round(spent[same[way.rsplit(", ", 1)[1]]] / spent[way], 3) for way in ours
        },
        "times_fastest": {way: round(spent[best] / spent[way], 3) for way in ours},
    }


def batch(name: str, size: int, options: argparse.Namespace) -> torch.Tensor:
    """Random pixels on the device, as many as --batch says or as a pass of the model has."""
    count = options.batch or backbone(name, size, options.device).images_a_pass(size)
    return pixels(count, size).to(options.device)


def memory(options: argparse.Namespace) -> Iterator[tuple[str, dict[str, float]]]:
    """MiB that each way adds to the peak, eager, bf16; nothing off CUDA."""
    if torch.device(options.device).type != "cuda":
        return
    for letter in options.sizes:
        for size in (224, 518):
            images = batch(SIZES[letter], size, options)
            works = ways(SIZES[letter], options.device, "bf16", (EAGER,), images)
            yield f"ViT-{letter}, {size} px", {way: peak(work) for way, work in works.items()}


def peak(work: Callable[[], object]) -> float:
    """MiB above what is allocated already."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    with torch.inference_mode():
        work()
    return round((torch.cuda.max_memory_allocated() - before) / 2**20, 1)


def machine(device: str) -> dict[str, str]:
    """What it ran on."""
    cuda = torch.device(device).type == "cuda"
    return {
        "device": torch.cuda.get_device_name(device) if cuda else platform.processor() or "cpu",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "timm": timm.__version__,
        "cuda": torch.version.cuda or "none",
    }


def arguments() -> argparse.Namespace:
    """What to check and measure."""
    parser = argparse.ArgumentParser(description="Check and measure a machine with a GPU.")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--sizes", nargs="*", choices=SIZES, default=list(SIZES))
    parser.add_argument("--families", nargs="*", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument("--precisions", nargs="*", choices=PRECISIONS, default=list(PRECISIONS))
    parser.add_argument(
        "--batch", type=int, help="images of a batch; by default as many as a pass has"
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--no-compile", dest="compile", action="store_false")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the JSON")
    return parser.parse_args()


def main() -> int:
    """Check, measure, write; 1 if a check failed."""
    options = arguments()
    report: dict[str, Any] = {"machine": machine(options.device), "command": sys.argv[1:]}
    report["correctness"] = correctness(options)
    report["speed"] = {}
    report["memory_MiB"] = {}
    for part, results in (("speed", speed(options)), ("memory_MiB", memory(options))):
        for what, found in results:
            print(f"{part}: {what}: {found}", file=sys.stderr, flush=True)
            report[part][what] = found
    failed = [what for what, found in report["correctness"].items() if not found["passed"]]
    options.out.mkdir(parents=True, exist_ok=True)
    day = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d")
    name = "".join(c if c.isalnum() else "-" for c in report["machine"]["device"]).lower()
    path = options.out / f"gpu_check-{name}-{day}.json"
    path.write_text(json.dumps(report, indent=2) + "\n")
    print(f"wrote {path}; " + (f"FAILED: {', '.join(failed)}" if failed else "all checks passed"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
