"""Train and check the demo's backbones.

cd scripts
python pretrain_demo.py localizer --size s --seed 0 --out loc
python pretrain_demo.py embedder --size s --localizer loc/weights.safetensors --out emb
python pretrain_demo.py validate loc/weights.safetensors
"""

import json
from dataclasses import asdict
from pathlib import Path

import click
import torch
from pretrain.networks import ARCHITECTURES, Architecture, build, load_weights, save_weights
from pretrain.objectives import BackgroundSwap, CleanGlyph, Objective
from pretrain.training import Run, Schedule
from pretrain.validation import crop_accuracy, localization
from pretrain.views import load_sources
from timm.models.vision_transformer import VisionTransformer

LOCALIZER_SCALES = (0.6, 0.8, 1.0)
EMBEDDER_SCALES = (0.6, 0.8, 1.0, 1.5)

size_option = click.option(
    "--size", type=click.Choice(list(ARCHITECTURES)), default="s", show_default=True
)
seed_option = click.option("--seed", default=0, show_default=True)
out_option = click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder of the run; a run found there is continued.",
)
device_option = click.option("--device", default="cpu", show_default=True)
threads_option = click.option(
    "--threads", default=1, show_default=True, help="CPU threads of torch."
)


@click.group()
def main() -> None:
    """Pretraining of the demo's localisers and embedders."""


@main.command()
@size_option
@seed_option
@out_option
@device_option
@threads_option
@click.option("--views", default=240_000, show_default=True, help="Images to train on.")
def localizer(size: str, seed: int, out: Path, device: str, threads: int, views: int) -> None:
    """Contrastive training with swapped backgrounds, from a random start."""
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    architecture = ARCHITECTURES[size]
    sources = load_sources(LOCALIZER_SCALES, torch.device(device))
    objective = BackgroundSwap(sources, architecture.dim)
    _train(build(architecture, seed), architecture, objective, Schedule(views), out, seed)


@main.command()
@size_option
@seed_option
@out_option
@device_option
@threads_option
@click.option(
    "--localizer",
    "start",
    type=click.Path(exists=True, path_type=Path),
    required=True,
    help="Weights to start from.",
)
@click.option("--views", default=850_000, show_default=True, help="Images to train on.")
@click.option("--learning-rate", default=1e-3, show_default=True, help="The highest.")
def embedder(
    size: str,
    seed: int,
    out: Path,
    device: str,
    threads: int,
    start: Path,
    views: int,
    learning_rate: float,
) -> None:
    """Denoising training at many glyph sizes, from a trained localiser."""
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    network, architecture = load_weights(start)
    if architecture != ARCHITECTURES[size]:
        raise click.ClickException(f"{start} is not of size {size}: {architecture}")
    sources = load_sources(EMBEDDER_SCALES, torch.device(device))
    objective = CleanGlyph(sources, architecture.dim)
    schedule = Schedule(views, learning_rate, checkpoint=500, log=100)
    _train(network, architecture, objective, schedule, out, seed)


@main.command()
@threads_option
@click.option("--crops/--no-crops", default=True, help="Also measure embeddings of crops.")
@click.argument("weights", nargs=-1, type=click.Path(exists=True, path_type=Path))
def validate(threads: int, crops: bool, weights: tuple[Path, ...]) -> None:
    """Measure weights on pretraining digits; `random` rows show the same network untrained."""
    torch.set_num_threads(threads)
    for path in weights:
        network, _ = load_weights(path)
        _report(str(path), network, crops)
    for size, architecture in ARCHITECTURES.items() if not weights else ():
        _report(f"random {size}", build(architecture).eval(), crops)


def _report(name: str, network: VisionTransformer, crops: bool) -> None:
    """One JSON line: localisation raw and smoothed, then linear accuracy on ground-truth crops."""
    facts: dict[str, object] = {"weights": name}
    for smooth in (False, True):
        values = asdict(localization(network, smooth))
        facts["smooth" if smooth else "raw"] = {k: round(v, 3) for k, v in values.items()}
    for label, classes in {"0v1": (0, 1), "3v8": (3, 8), "ten": range(10)}.items() if crops else ():
        facts[label] = round(crop_accuracy(network, classes), 3)
    click.echo(json.dumps(facts))


def _train(
    network: VisionTransformer,
    architecture: Architecture,
    objective: Objective,
    schedule: Schedule,
    out: Path,
    seed: int,
) -> None:
    """Run to the end of the schedule, then write the weights."""
    run = Run(network, objective, schedule, out, seed)
    run.train()
    facts = {"seed": str(seed), "views": str(run.views), "objective": type(objective).__name__}
    save_weights(network, architecture, out / "weights.safetensors", facts)
    spent = {"seconds": round(run.seconds, 1), "cpu_seconds": round(run.cpu_seconds, 1)}
    click.echo(json.dumps({"views": run.views, **spent}))


if __name__ == "__main__":
    main()
