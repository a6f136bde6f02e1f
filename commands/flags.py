"""Offer the keys of an experiment file as flags, in the groups that commands take them in.

A command takes a group only if it reads what the group says. Every flag is written as the help
shows it: its name, what stands for its value, `...` where it may be repeated, two spaces, a
sentence, and the default in brackets.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click


@dataclass(frozen=True)
class Flag:
    """A Flag is a key of the experiment file as a flag.

    key: dotted, such as "image.size". name: of the flag, with its dashes. metavar: what stands for
    its value, which also says how the value is read; empty for a switch. multiple: whether the flag
    may be repeated. help: a sentence and the default. heading: under which the help shows it.
    """

    key: str
    name: str
    metavar: str
    multiple: bool
    help: str
    heading: str


Group = tuple[Flag, ...]


def _flag(key: str, text: str, heading: str) -> Flag:
    usage, _, sentence = text.partition("  ")
    name, _, metavar = usage.removesuffix(" ...").partition(" ")
    return Flag(key, name, metavar, usage.endswith(" ..."), sentence, heading)


# --- how values are read ------------------------------------------------------------------------


def _numbers(_: click.Context, __: click.Parameter, value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_as_numbers(item) for item in value)
    return _as_numbers(value) if value else value


def _as_numbers(text: str) -> list[int] | str:
    """Return "64,32" or "20" as integers; words such as "last" as they are."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        return text


def gpus(_: click.Context, __: click.Parameter, value: str | None) -> Any:
    """Read "2" as a number and "0,2" as a list of numbers; other words are returned as they are."""
    numbers = _as_numbers(value) if value else value
    return numbers[0] if isinstance(numbers, list) and len(numbers) == 1 else numbers


def _names(_: click.Context, __: click.Parameter, value: tuple[str, ...]) -> tuple[list[str], ...]:
    return tuple(text.split(",") for text in value)


def pairs(_: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> dict[str, Any]:
    """Read KEY=VALUE texts as a mapping; a VALUE that is JSON is read as JSON.

    Raises:
        click.BadParameter: a text has no equals sign.
    """
    found = {}
    for item in value:
        key, equals, text = item.partition("=")
        if not equals:
            raise click.BadParameter(f"write KEY=VALUE, not {item!r}", param=parameter)
        found[key] = _json_or_text(text)
    return found


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def weights_files(
    _: click.Context, parameter: click.Parameter, value: tuple[str, ...]
) -> dict[str, Path]:
    """Read MODEL=FILE texts as files by model; FILE alone has an empty model name.

    Raises:
        click.BadParameter: a text names no file, or two files are for one model.
    """
    files: dict[str, Path] = {}
    for item in value:
        model, equals, file = item.partition("=")
        # A file whose own name has an equals sign is meant as a file.
        if not equals or Path(item).is_file():
            model, file = "", item
        if not file:
            raise click.BadParameter(f"write {model}=FILE, not {item!r}", param=parameter)
        if model in files:
            twice = f"for {model}" if model else "without the name of a model; write MODEL=FILE"
            raise click.BadParameter(f"two files are given {twice}", param=parameter)
        files[model] = Path(file).expanduser()
    return files


TYPES: dict[str, Any] = {
    "N": int,
    "PX": int,
    "SHARE": float,
    "LEVEL": float,
    "RATE": float,
    "EPOCHS": float,
}
"""It gives the type of a value by its metavar; all others are texts."""

CALLBACKS: dict[str, Callable[[click.Context, click.Parameter, Any], Any]] = {
    "KEY=VALUE": pairs,
    "PX,PX": _numbers,
    "last|all|N,N": _numbers,
    "all|N,N": _numbers,
    "all|N|N,N": gpus,
    "ROW,ROW": _names,
    "FILE|MODEL=FILE": weights_files,
}
"""It gives what reads the texts of a flag, by its metavar."""


# --- the flags ----------------------------------------------------------------------------------

_WRITTEN: dict[str, dict[str, str]] = {
    "Options": {"name": "--name NAME  Name of the experiment."},
    "Dataset": {
        "dataset.name": "--dataset NAME|PATH  "
        "Which dataset: a registered name, a folder, a manifest or tar shards.",
        "dataset.root": "--root DIR  Where a registered dataset lies.",
        "dataset.options": "--dataset-option KEY=VALUE ...  "
        "Set an option of the dataset, e.g. seed=3; VALUE may be JSON.",
        "dataset.rehash": "--rehash  "
        "Read every image file anew, whatever the cache remembers of it.",
        "dataset.split_val": "--split-val SHARE  "
        "Hold out this share of the training images for validation, where no such split exists.",
        "dataset.split_seed": "--split-seed N  Seed that chooses the images held out.  [0]",
        "run.limit": "--limit N  Take N samples only, spread over splits and groups.",
    },
    "Image": {
        "image.size": "--image-size PX  Side of the canvas in pixels.  [224]",
        "image.geometry": "--geometry squash|center-crop|letterbox|short-256|open-clip  "
        "How an image becomes the square canvas.  [squash]",
        "image.draft": "--draft  "
        "Decode JPEG files at a fraction of their size; rows get addresses of their own.",
        "image.decode": "--decode pillow|nvjpeg  "
        "What decodes JPEG files; nvjpeg is a GPU, and rows get addresses of their own.  [pillow]",
    },
    "Attention": {
        "attention.models": "--attention-model NAME ...  Model that says where to look.",
        "attention.layers": "--layers last|all|N,N  "
        "Blocks whose attention is taken, counted from 1.  [last]",
        "attention.input_size": "--attention-input PX  "
        "Side of the input of the attention models.  [image size]",
    },
    "Patches": {
        "attention.source": "--attention-source NAME ...  What maps are made of: attention, "
        "patch-score, votes:49, votes:49:paper or pooled-score:N/4.  [attention]",
        "patches.statistics": "--statistic NAME ...  What to store of each patch: patch-score, "
        "norm, norm:before, votes:49 or pooled-score:N/4.",
    },
    "Crops": {
        "crops.sizes": "--crop-sizes PX,PX ...  "
        "List of crops in the order they are placed, e.g. 64,32.  [64]",
        "crops.smooth": "--smooth N ...  "
        "Average each map over N x N patches before boxes are placed; 1 is off.  [1]",
        "attention.heads": "--attention-heads NAME ...  "
        "How the heads of a model become one map, e.g. max or lowest_entropy_k:4.  [mean]",
        "attention.reading": "--reading slice|patch-softmax ...  "
        "Take heads as they are, or renormalise each over the patches first.  [slice]",
    },
    "Embedding": {
        "embedding.models": "--embedding-model NAME ...  Model that says what to extract.",
        "embedding.pool": "--pool NAME ...  What of a model's pass is the embedding: cls, mean, "
        "cls+mean, selective:49 or native.  [cls]",
        "embedding.baselines": "--baseline NAME ...  "
        "Row without attention: full, full@518, center:128, random, random:SEED or s2.",
        "embedding.input_size": "--embedding-input PX  Side crops are resized to.  [image size]",
        "crops.source": "--crop-source resized|original  "
        "What crops are cut from: the canvas, or the image at its full resolution.  [resized]",
    },
    "Heads": {
        "combine.rows": "--combine ROW,ROW ...  "
        "Add a row with the features of several: baselines or attention models.",
        "head.kind": "--head KIND  Kind of head.  [logistic]",
        "head.options": "--head-option KEY=VALUE ...  Set a parameter of the head, e.g. C=0.1.",
        "metrics": "--metric NAME ...  "
        "What the matrix shows of a cell: accuracy, wga or worst_class.  [accuracy, wga]",
    },
    "Localization": {
        "localize.split": "--localize-split train|val|test|all  "
        "Images on which maps are compared with boxes.  [test]",
        "localize.evaluation": "--localize-evaluation NAME ...  Cells on which maps are compared "
        "with boxes: pixels, patch-centre, patch-overlap, point-in-box or centre.  [pixels]",
        "localize.resamples": "--localize-resamples N  Draws of the bootstrap.  [1000]",
        "localize.level": "--localize-level LEVEL  Level of the intervals.  [0.95]",
        "localize.seed": "--localize-seed N  Seed of the bootstrap.  [0]",
    },
    "Masking": {
        "masking.score": "--masking-score NAME ...  What ranks patches: attention, patch-score, "
        "votes:49 or pooled-score:N/4.  [patch-score]",
        "masking.order": "--masking-order highest|lowest|random ...  "
        "Which patches are masked first.  [all three]",
        "masking.step": "--masking-step N  Patches from one point of a curve to the next.  "
        "[a seventh of all]",
        "masking.fill": "--masking-fill zero|image-mean|blur ...  "
        "What stands on masked patches; zero is the model's mean colour.  [zero]",
        "masking.head": "--masking-head own|linear|nearest-mean ...  "
        "What predicts: the model's own head, or one fitted on unmasked images.  "
        "[linear, nearest-mean]",
        "masking.seed": "--masking-seed N  Seed of the random order.  [0]",
        "masking.level": "--masking-level LEVEL  Level of the intervals.  [0.95]",
    },
    "Training": {
        "training.network": "--training-network vit|NAME  "
        "What is trained: a vision transformer, or timm's ResNet of that name.  [vit]",
        "training.pool": "--training-pool POOL ...  "
        "What the head reads: cls, mean or selective:K, with K such as 1 or N/4.  [selective:1]",
        "training.patch": "--training-patch PX ...  Side of a patch in pixels.  [16]",
        "training.window": "--training-window N ...  "
        "Side in patches of the windows of attention; 0 is global attention.  [0]",
        "training.windowed": "--training-windowed all|N,N  Blocks that have windows.  [all]",
        "training.dim": "--training-dim N  Width of the tokens.  [384]",
        "training.depth": "--training-depth N  Number of blocks.  [12]",
        "training.heads": "--training-heads N  Attention heads of a block.  [6]",
        "training.epochs": "--training-epochs EPOCHS  "
        "How often each training image is seen.  [100]",
        "training.batch": "--training-batch N  Images of a step.  [512]",
        "training.rate": "--training-rate RATE  "
        "Peak of the learning rate.  [1e-3 sqrt(batch / 4096), at least 2e-4]",
        "training.decay": "--training-decay RATE  Weight decay of all parameters.  [0.3]",
        "training.warmup": "--training-warmup SHARE  "
        "Share of the steps in which the rate rises.  [0.05]",
        "training.seed": "--training-seed N ...  "
        "Seed of the first weights, of the order and of the augmentation.  [0]",
        "training.area": "--training-area SHARE  "
        "Least share of an image that is cropped from it before it is resized.  [0.08]",
        "training.split": "--training-split val|test  Images that are measured.  [val]",
        "training.images": "--training-images N  How many of them.  [2000]",
        "training.every": "--training-every N  "
        "Steps between two measurements and checkpoints.  [a twentieth of all]",
        "training.rule": "--training-rule point-in-box|centre  "
        "Images and patches that Point-in-Box counts.  [centre]",
        "training.masked": "--training-masked SHARE ...  "
        "Share of the patches that is masked.  [0.25, 0.5, 0.75]",
        "training.tensorboard": "--training-tensorboard  Write event files for TensorBoard too.",
    },
    "Run": {
        "run.device": "--device NAME  Device: auto, cpu, cuda, cuda:1 or mps.  [auto]",
        "run.gpus": "--gpus all|N|N,N  "
        "Compute in a process a GPU of this machine: all, the first N, or those of these numbers.",
        "run.precision": "--precision fp32|bf16|fp16  "
        "Type models compute in; rows of each have addresses of their own.  [fp32]",
        "run.compile": "--compile  "
        "Let torch.compile make the models' code; rows get addresses of their own.",
        "run.batch_size": "--batch-size N  Images that are decoded and held together.  [64]",
        "run.workers": "--workers N  "
        "Processes that decode images [one a core but one], and heads fitted at once [one a core].",
        "run.backend": "--backend zarr|hdf5  How arrays are stored.  [zarr]",
        "run.shard_size": "--shard-size N  Images that are committed at once.  [1024]",
        "run.weights": "--weights FILE|MODEL=FILE ...  "
        "Local file with the weights of the one model, or of MODEL.",
        "run.cache_pixels": "--cache-pixels  "
        "Store the images on their canvas, so that further models decode nothing.",
        "run.skip_bad_images": "--skip-bad-images  "
        "Leave bad images out of every fit instead of stopping with exit code 3.",
        "run.offline": "--offline  Never touch the network.",
    },
}


def _headed(heading: str) -> Group:
    return tuple(_flag(key, text, heading) for key, text in _WRITTEN[heading].items())


NAME, DATASET, IMAGE = _headed("Options"), _headed("Dataset"), _headed("Image")
ATTENTION, CROPS, EMBEDDING = _headed("Attention"), _headed("Crops"), _headed("Embedding")
PATCHES = _headed("Patches")
RUN = _headed("Run")

FEATURES = (DATASET, IMAGE, ATTENTION, PATCHES, CROPS, EMBEDDING)
"""These flags say which features an experiment has."""

MASKING, TRAINING = _headed("Masking"), _headed("Training")

EVERY = (NAME, *FEATURES, _headed("Heads"), _headed("Localization"), MASKING, TRAINING, RUN)


def flags(*keys: str) -> Group:
    """Return the flags of these keys."""
    return tuple(flag for group in EVERY for flag in group if flag.key in keys)


LOOKING = flags("attention.models", "attention.input_size")
HEADS, METRICS = flags("combine.rows", "head.kind", "head.options"), flags("metrics")
LOCALIZATION = flags("localize.split", "localize.evaluation")
SPLIT = flags("localize.split")
MAPS = flags("attention.heads", "attention.reading", "crops.smooth")
"""These flags say how maps are made of what is stored."""

INTERVALS = flags("localize.resamples", "localize.level", "localize.seed")

MATRIX = (NAME, *FEATURES, HEADS, METRICS, LOCALIZATION)
"""These flags say what a matrix shows; `localize` alone has those of intervals."""

ADDRESS = flags(
    "run.precision", "run.compile", "run.backend", "run.shard_size", "run.weights", "run.offline"
)
"""These flags say where rows lie; every command that looks for rows in the cache reads them."""

READING = flags("attention.layers", "attention.heads", "attention.reading")
EXTRACTION = flags("embedding.models", "embedding.pool")
"""These flags say what is embedded of boxes that are known."""

MODEL_THAT_ATTENDS = {"attention.models": "--model"}
MODEL_THAT_EMBEDS = {"embedding.models": "--model"}
"""Both give the short name of a flag by its key: what `--model` names in a command."""

TIMING = flags("run.device", "run.batch_size", "run.workers")
WORKERS, CACHE_PIXELS = flags("run.workers"), flags("run.cache_pixels")
SKIP_BAD_IMAGES = flags("run.skip_bad_images")
