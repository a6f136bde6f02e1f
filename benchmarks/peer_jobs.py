"""One way through one folder, in this process: what `peers.py` starts and measures.

Every way runs the same network with the same weights on the same pixels and leaves float32 arrays:
"attention" the CLS rows of the last block, "crops" these and the embedding of the 64 px square with
most attention. The peers are written as a careful researcher would write them: batches, a
DataLoader, no gradients, and attention without fusion in no more blocks than needed.

Prints one JSON line: seconds from the imported libraries to the stored arrays, of the clock and of
the processor, which a busy machine disturbs less.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

NETWORK, SIDE, NATIVE, CROP, PREFIX = "vit_small_patch14_dinov2", 224, 518, 64, 1
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TASKS = ("attention", "crops")
OURS = "a2pipe"
COMPILED = ", compiled"
"""What the name of a way ends with that runs through torch.compile."""


@dataclass(frozen=True)
class Job:
    """weights: safetensors by timm's names. out: folder of the arrays, or a2pipe's cache."""

    way: str
    task: str
    photos: Path
    weights: Path
    out: Path
    cores: int
    batch: int


@dataclass(frozen=True)
class Peer:
    """look: normalised pixels (B, 3, S, S) to CLS rows (B, heads, tokens). embed: to (B, d)."""

    look: Callable[[Any], Any]
    embed: Callable[[Any], Any]


def library(way: str) -> str:
    """The name of a way without what says that it is compiled."""
    return way.removesuffix(COMPILED)


def photos_of(folder: Path) -> list[Path]:
    """In the order in which every script stores them."""
    return sorted(folder.rglob("*.jpg"))


def timm_network(weights: Path) -> Any:
    """The network in timm, at 224 px."""
    import timm
    from safetensors.torch import load_file

    module = timm.create_model(NETWORK, img_size=NATIVE, num_classes=0)
    module.load_state_dict(load_file(weights))
    module.set_input_size(img_size=SIDE)
    return module.eval().requires_grad_(False)


def transformers_peer(weights: Path, compiled: bool) -> Peer:
    """transformers: eager attention where it is read, its default, fused, where it is not."""
    from peer_transformers import translated

    kinds = ("eager", "sdpa")
    looking, seeing = (made(translated(timm_network(weights), kind), compiled) for kind in kinds)

    def look(images: Any) -> Any:
        return looking(images, output_attentions=True).attentions[-1][:, :, 0]

    return Peer(look, lambda images: seeing(images).last_hidden_state[:, 0])


def made(model: Any, compiled: bool) -> Any:
    """A model as it is, or compiled as a whole."""
    import torch

    return torch.compile(model) if compiled else model


def timm_peer(weights: Path, compiled: bool) -> Peer:
    """timm: AttentionExtract by a hook, fusion off in the block that is read alone.

    Compiled: the hook is part of the code, as torch.compile traces what it writes down.
    """
    from timm.utils import AttentionExtract

    looking, seeing = timm_network(weights), timm_network(weights)
    looking.blocks[-1].attn.fused_attn = False
    name = f"blocks.{len(looking.blocks) - 1}.attn.attn_drop"
    extract = AttentionExtract(looking, names=[name], method="hook")
    look, embed = made(extract, compiled), made(seeing.forward_features, compiled)
    return Peer(lambda images: look(images)[name][:, :, 0], lambda images: embed(images)[:, 0])


def nnsight_peer(weights: Path, _: bool) -> Peer:
    """nnsight: the same module traced, and the pass stopped once the block was read."""
    import nnsight

    module, seeing = timm_network(weights), timm_network(weights)
    module.blocks[-1].attn.fused_attn = False
    looking = nnsight.NNsight(module)

    def look(images: Any) -> Any:
        with looking.trace(images) as tracer:
            rows = looking.blocks[-1].attn.attn_drop.output[:, :, 0].save()
            tracer.stop()
        return rows

    return Peer(look, lambda images: seeing.forward_features(images)[:, 0])


PEERS: dict[str, Callable[[Path, bool], Peer]] = {
    "transformers": transformers_peer,
    "timm": timm_peer,
    "nnsight": nnsight_peer,
}
CAN_COMPILE = ("transformers", "timm", OURS)
WAYS = (*PEERS, OURS, *(way + COMPILED for way in CAN_COMPILE))
LIBRARIES = {
    "transformers": "transformers.models.dinov2.modeling_dinov2",
    "timm": "timm.utils",
    "nnsight": "nnsight",
    OURS: "a2pipe.models.backbone a2pipe.pipeline.shards.local a2pipe.pipeline.session"
    " a2pipe.cli zarr",
}


def loader(job: Job) -> Any:
    """Batches of normalised pixels; on one core without a process beside this one."""
    from torch.utils.data import DataLoader
    from torchvision import transforms

    bilinear = transforms.InterpolationMode.BILINEAR
    steps = [
        transforms.Resize((SIDE, SIDE), bilinear),
        transforms.ToTensor(),
        transforms.Normalize(MEAN, STD),
    ]
    pixels = transforms.Compose(steps)
    images = Photos(photos_of(job.photos), pixels)
    workers = job.cores if job.cores > 1 else 0
    return DataLoader(images, batch_size=job.batch, num_workers=workers)


@dataclass(frozen=True)
class Photos:
    """A dataset for the DataLoader."""

    paths: list[Path]
    pixels: Callable[[Image.Image], Any]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> Any:
        with Image.open(self.paths[number]) as image:
            return self.pixels(image.convert("RGB"))


def run_script(job: Job) -> None:
    """The loop that all peers share."""
    import torch
    from peer_crops import cut, most_attended

    peer = PEERS[library(job.way)](job.weights, job.way.endswith(COMPILED))
    rows, features = [], []
    with torch.inference_mode():
        for images in loader(job):
            found = peer.look(images)
            rows.append(found.numpy().copy())
            if job.task == "crops":
                corners = most_attended(found, PREFIX, SIDE, CROP)
                features.append(peer.embed(cut(images, corners, CROP, SIDE)).numpy().copy())
    job.out.mkdir(parents=True, exist_ok=True)
    np.save(job.out / "attention.npy", np.concatenate(rows))
    if features:
        np.save(job.out / "crops.npy", np.concatenate(features))


def run_ours(job: Job) -> None:
    """The command line, as typed, but in this process so that imports are timed for no way."""
    from a2pipe.cli import main

    command = {"attention": ["extract-attn"], "crops": ["embed-crops", "--crop-sizes", str(CROP)]}
    models = {"attention": ["--model", NETWORK], "crops": ["--attention-model", NETWORK]}
    if job.task == "crops":
        models["crops"] += ["--embedding-model", NETWORK]
    sys.argv = ["a2pipe", *command[job.task], *models[job.task], "--quiet", "--offline"]
    sys.argv += ["--dataset", str(job.photos), "--weights", f"{NETWORK}={job.weights}"]
    sys.argv += ["--cache", str(job.out), "--workers", str(job.cores)]
    sys.argv += ["--batch-size", str(job.batch), "--device", "cpu"]
    sys.argv += ["--compile"] * job.way.endswith(COMPILED)
    main()


def arguments() -> Job:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("task", choices=TASKS)
    for name in ("photos", "weights", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--batch", type=int, default=32)
    return Job(**vars(parser.parse_args()))


def main() -> None:
    job = arguments()
    use_cores(job.cores)
    ours = library(job.way) == OURS
    if ours:  # which the command does before it imports torch
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    imported(LIBRARIES[library(job.way)], job.cores)
    spent = stopwatch()
    (run_ours if ours else run_script)(job)
    print()
    print(json.dumps(spent()))


def stopwatch() -> Callable[[], dict[str, float]]:
    """Seconds since now: of the clock, and of the processor, children that ended included."""
    start, used = time.perf_counter(), sum(os.times()[:4])
    return lambda: {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": sum(os.times()[:4]) - used,
    }


def imported(modules: str, cores: int) -> None:
    """Import what is not to be timed, and run torch on so many threads."""
    import torch

    torch.set_num_threads(cores)
    for module in modules.split():
        importlib.import_module(module)


def use_cores(count: int) -> None:
    """Stay on so many cores, with all threads and processes that are started."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-count:])


if __name__ == "__main__":
    main()
