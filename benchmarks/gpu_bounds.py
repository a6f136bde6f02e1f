"""What bounds a run on a GPU, each alone: decoding, nvJPEG, upload and forward passes."""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from feeding import decoders
from plain import COMPILED, EAGER, LOW, queued

from a2pipe.models.backbone import Backbone
from a2pipe.models.outputs import Block, Pool
from a2pipe.stages.device_canvas import Jpeg, device_canvases
from a2pipe.stages.geometry import Canvas
from a2pipe.stages.jpeg_header import size_for_gpu

ROUNDS = 3
AUTOCAST, CAST = "autocast", "cast weights"
"""Ways to compute in a lower precision; in float32 the first is the only one, and does nothing."""
TOGETHER = 256
"""Images that are decoded on the device, or sent to it, in one call."""


def synchronize(device: str) -> None:
    """Wait for all that is queued."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


def rate(work: Callable[[], object], images: int, options: argparse.Namespace) -> float:
    """Images per second of work that is queued again and again; the median of the rounds.

    images: of one piece of work. options: the device, and about how many seconds a round takes.
    """
    device = options.device
    work()
    synchronize(device)
    start = time.perf_counter()
    work()
    synchronize(device)
    times = max(1, round(options.round / max(time.perf_counter() - start, 1e-6)))
    rates = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(times):
            work()
        synchronize(device)
        rates.append(times * images / (time.perf_counter() - start))
    return round(statistics.median(rates), 1)


def decoding(paths: Sequence[Path], processes: Sequence[int]) -> dict[str, float]:
    """Images per second of processes that do nothing but decode, by their number."""
    found = {}
    for count in processes:
        with decoders([("", str(path)) for path in paths], count) as seconds:
            found[f"{count} processes"] = round(len(paths) / seconds(), 1)
    return found


def on_device(paths: Sequence[Path], options: argparse.Namespace) -> dict[str, float]:
    """Images per second of decoding on the device and resizing to the canvas, from bytes."""
    jpegs = []
    for path in paths[:TOGETHER]:
        data = bytearray(path.read_bytes())
        size = size_for_gpu(data)
        assert size, f"{path} is not for the GPU"
        jpegs.append(Jpeg(data, size))
    device, canvas = torch.device(options.device), Canvas(options.side)
    return measured(lambda: device_canvases(jpegs, [canvas], device), len(jpegs), options)


def upload(options: argparse.Namespace) -> dict[str, float]:
    """Images per second of bytes from pinned memory to the device."""
    host = torch.zeros((TOGETHER, options.side, options.side, 3), dtype=torch.uint8)
    if torch.device(options.device).type == "cuda":
        host = host.pin_memory()
    there = torch.empty_like(host, device=options.device)
    return measured(lambda: there.copy_(host, non_blocking=True), TOGETHER, options)


def measured(
    work: Callable[[], object], images: int, options: argparse.Namespace
) -> dict[str, float]:
    return {"images_per_second": rate(work, images, options)}


def forward(
    exact: Backbone, options: argparse.Namespace, compiled: Sequence[str]
) -> dict[str, float]:
    """Images per second of the bare `forward_features` in every way, pixels on the device.

    exact: the model in float32 on its device. compiled: the ways that are also compiled, of
    AUTOCAST and CAST.
    """
    side, images = options.side, exact.images_a_pass(options.side)
    exact.set_input_size(side)
    pixels = torch.rand((images, 3, side, side), device=exact.device)
    low = LOW.get(options.precision)
    ways = {AUTOCAST: (exact._module, pixels, low)}
    if low:
        ways[CAST] = (copy.deepcopy(exact._module).to(low), pixels.to(low), None)
    found = {}
    with torch.inference_mode():
        for way, (module, given, dtype) in ways.items():
            for mode in (EAGER, COMPILED) if way in compiled else (EAGER,):
                found[f"{mode}, {way}"] = rate(queued(module, mode, given, dtype), images, options)
                torch.compiler.reset()
    return found


def ours(model: Backbone, options: argparse.Namespace) -> dict[str, float]:
    """Images per second of what the pipeline asks of a model, pixels on the device as bytes."""
    side, blocks = options.side, model.info.blocks
    images = model.images_a_pass(side)
    pixels = torch.zeros((images, side, side, 3), dtype=torch.uint8, device=model.device)
    works = {
        "attention, last block": partial(model.launch, pixels, [Block(blocks)]),
        "attention, all blocks": partial(model.launch, pixels, [*map(Block, range(1, blocks + 1))]),
        "embedding": partial(model.launch, pixels, [Pool("cls")]),
    }
    return {what: rate(work, images, options) for what, work in works.items()}
