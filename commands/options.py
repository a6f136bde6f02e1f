"""Flags of the commands that run an experiment: each key of the file exists as a flag too."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
STAGES = ("attention", "boxes", "embeddings", "heads")
_TOP_LEVEL = ("name", "metrics")


def _flag(names: str, key: str, metavar: str, help_text: str, **settings: Any) -> Decorator:
    """An option whose value goes to `key` of the experiment, e.g. "image.size"."""
    parameter = key.replace(".", "__")
    return click.option(*names.split(), parameter, metavar=metavar, help=help_text, **settings)


def _numbers(_: click.Context, __: click.Parameter, value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_as_numbers(item) for item in value)
    return _as_numbers(value) if value else value


def _as_numbers(text: str) -> list[int] | str:
    """ "64,32" or "20" as integers; words such as "last" as they are."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        return text


def _names(_: click.Context, __: click.Parameter, value: tuple[str, ...]) -> tuple[list[str], ...]:
    return tuple(text.split(",") for text in value)


def _pairs(_: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> dict[str, Any]:
    """KEY=VALUE, with VALUE read as JSON where it is JSON."""
    pairs = {}
    for item in value:
        key, equals, text = item.partition("=")
        if not equals:
            raise click.BadParameter(f"write KEY=VALUE, not {item!r}", param=parameter)
        pairs[key] = _json_or_text(text)
    return pairs


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def weights_files(
    _: click.Context, parameter: click.Parameter, value: tuple[str, ...]
) -> dict[str, Path]:
    """MODEL=FILE by model, and FILE alone under an empty name."""
    files: dict[str, Path] = {}
    for item in value:
        model, equals, file = item.partition("=")
        if not equals or Path(item).is_file():
            model, file = "", item
        if not file:
            raise click.BadParameter(f"write {model}=FILE, not {item!r}", param=parameter)
        if model in files:
            twice = f"for {model}" if model else "without the name of a model; write MODEL=FILE"
            raise click.BadParameter(f"two files are given {twice}", param=parameter)
        files[model] = Path(file).expanduser()
    return files


cache_option = click.option(
    "--cache",
    "cache_root",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Cache folder.  [$A2PIPE_CACHE, else the user's cache folder]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
quiet_option = click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
out_option = click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the report.  [results/NAME]",
)

_SESSION: list[Decorator] = [
    click.option(
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Experiment file, as the argument; flags win over it.",
    ),
    _flag("--name", "name", "NAME", "Name of the experiment."),
    cache_option,
    quiet_option,
    json_option,
]

_REHASH = _flag(
    "--rehash",
    "dataset.rehash",
    "",
    "Read every image file anew, whatever is remembered of it.",
    is_flag=True,
    default=None,
)

_READING = [
    _flag(
        "--dataset-option",
        "dataset.options",
        "KEY=VALUE",
        "An option of the dataset, e.g. seed=3; VALUE may be JSON. May be repeated.",
        multiple=True,
        callback=_pairs,
    ),
    _REHASH,
]

_READINGS = [
    _flag(
        "--dataset-option",
        "dataset.options",
        "[DATASET:]KEY=VALUE",
        "An option of every dataset, or of one alone; VALUE may be JSON. May be repeated.",
        multiple=True,
        callback=_pairs,
    ),
    _REHASH,
]

_PLACE = [_flag("--root", "dataset.root", "DIR", "Where a registered dataset lies."), *_READING]

_IMAGE = [
    _flag("--image-size", "image.size", "PX", "Side of the canvas.  [224]", type=int),
    _flag(
        "--geometry",
        "image.geometry",
        "squash|center-crop|letterbox",
        "How an image becomes the square canvas.  [squash]",
    ),
    _flag(
        "--draft",
        "image.draft",
        "",
        "Decode JPEG files at a fraction of their size; part of addresses.",
        is_flag=True,
        default=None,
    ),
]

_SAMPLES = [
    _flag(
        "--split-val",
        "dataset.split_val",
        "SHARE",
        "Hold so much of the training images out for validation, where there is no such split.",
        type=float,
    ),
    _flag("--split-seed", "dataset.split_seed", "N", "Which ones are held out.  [0]", type=int),
    _flag("--limit", "run.limit", "N", "Only N samples, spread over splits and groups.", type=int),
    _flag(
        "--skip-bad-images",
        "run.skip_bad_images",
        "",
        "Leave bad images out of every fit instead of stopping with exit code 3.",
        is_flag=True,
        default=None,
    ),
]

_DATASET = [
    _flag(
        "--dataset", "dataset.name", "NAME|PATH", "Registered name, folder, manifest, tar shards."
    ),
    *_PLACE,
    *_SAMPLES,
    *_IMAGE,
]

_ATTENTION_INPUT = _flag(
    "--attention-input",
    "attention.input_size",
    "PX",
    "Input side of the attention models.  [image size]",
    type=int,
)
_EMBEDDING_INPUT = _flag(
    "--embedding-input",
    "embedding.input_size",
    "PX",
    "Side to which crops are resized.  [image size]",
    type=int,
)

_LAYERS = [
    _flag(
        "--layers",
        "attention.layers",
        "last|all|N,N",
        "Blocks, counted from 1.  [last]",
        callback=_numbers,
    ),
    _ATTENTION_INPUT,
]

_CROPS = [
    _flag(
        "--crop-sizes",
        "crops.sizes",
        "PX,PX",
        "A list of crops, e.g. 64,32. May be repeated.  [64]",
        multiple=True,
        callback=_numbers,
    ),
    _flag(
        "--smooth",
        "crops.smooth",
        "N",
        "Mean filter over N x N patches before placing boxes; 1 is off. May be repeated.  [1]",
        multiple=True,
        type=int,
    ),
    _flag(
        "--attention-heads",
        "attention.heads",
        "NAME",
        "How heads become one map, e.g. max or lowest_entropy_k:4. May be repeated.  [mean]",
        multiple=True,
    ),
    _flag(
        "--reading",
        "attention.reading",
        "slice|patch-softmax",
        "Heads as they are, or each renormalised over the patches first. May be repeated.  [slice]",
        multiple=True,
    ),
]

_EMBEDDING = [
    _flag(
        "--baseline",
        "embedding.baselines",
        "NAME",
        "full, full@518, center:128, random, random:SEED or s2. May be repeated.",
        multiple=True,
    ),
    _EMBEDDING_INPUT,
    _flag(
        "--crop-source",
        "crops.source",
        "resized|original",
        "What crops are cut from: the canvas, or the image at its full resolution.  [resized]",
    ),
]

_COMBINE = [
    _flag(
        "--combine",
        "combine.rows",
        "ROW,ROW",
        "A row with the features of several: baselines or attention models. May be repeated.",
        multiple=True,
        callback=_names,
    ),
]

_HEADS = [
    _flag("--head", "head.kind", "KIND", "Kind of head.  [logistic]"),
    _flag(
        "--head-option",
        "head.options",
        "KEY=VALUE",
        "A parameter of the head, e.g. C=0.1. May be repeated.",
        multiple=True,
        callback=_pairs,
    ),
    _flag(
        "--metric",
        "metrics",
        "NAME",
        "What the matrix shows: accuracy, wga or worst_class. May be repeated.  [accuracy, wga]",
        multiple=True,
    ),
]


def _localize(own: bool) -> list[Decorator]:
    """Flags of [localize]; short names too where they are the command's own."""

    def flag(name: str, metavar: str, help_text: str, **settings: Any) -> Decorator:
        names = f"--localize-{name} --{name}" if own else f"--localize-{name}"
        return _flag(names, f"localize.{name}", metavar, help_text, **settings)

    return [
        flag("split", "train|val|test|all", "Images to localise on.  [test]"),
        flag(
            "evaluation",
            "NAME",
            "pixels, patch-centre or patch-overlap: the cells that maps are compared with boxes "
            "on. May be repeated.  [pixels]",
            multiple=True,
        ),
        flag("resamples", "N", "Draws of the bootstrap.  [1000]", type=int),
        flag("level", "P", "Level of the intervals.  [0.95]", type=float),
        flag("seed", "N", "Seed of the bootstrap.  [0]", type=int),
    ]


_WORKERS = _flag(
    "--workers",
    "run.workers",
    "N",
    "Decoding threads, and heads fitted at once.  [one a core]",
    type=int,
)

_RUN = [
    _flag("--device", "run.device", "NAME", "auto, cpu, cuda, cuda:1 or mps.  [auto]"),
    _flag("--precision", "run.precision", "TYPE", "fp32, bf16 or fp16; part of addresses.  [fp32]"),
    _flag(
        "--compile",
        "run.compile",
        "",
        "Let torch.compile make the models' code; part of addresses.",
        is_flag=True,
        default=None,
    ),
    _flag("--batch-size", "run.batch_size", "N", "Images in a forward pass.  [64]", type=int),
    _WORKERS,
    _flag("--backend", "run.backend", "zarr|hdf5", "How arrays are stored.  [zarr]"),
    _flag("--shard-size", "run.shard_size", "N", "Images committed at once.  [1024]", type=int),
    _flag(
        "--weights",
        "run.weights",
        "FILE|MODEL=FILE",
        "A local file with the weights of the one model, or of MODEL. May be repeated.",
        multiple=True,
        callback=weights_files,
    ),
    _flag(
        "--cache-pixels",
        "run.cache_pixels",
        "",
        "Store the images on their canvas, so that further models decode nothing.",
        is_flag=True,
        default=None,
    ),
    _flag("--offline", "run.offline", "", "Never touch the network.", is_flag=True, default=None),
]


def _models(flags: str, role: str) -> Decorator:
    meaning = "where to look" if role == "attention" else "what to extract"
    help_text = f"{role.capitalize()} model: {meaning}. May be repeated."
    return _flag(flags, f"{role}.models", "NAME", help_text, multiple=True)


def _options_up_to(stage: str, localize: bool) -> list[Decorator]:
    reached = STAGES.index(stage)
    attention = "--attention-model --model" if reached <= 1 else "--attention-model"
    options = [*_SESSION, *_DATASET, _models(attention, "attention"), *_LAYERS]
    if reached >= 1:
        options += _CROPS
    if reached >= 2:
        embedding = "--embedding-model --model" if reached == 2 else "--embedding-model"
        options += [_models(embedding, "embedding"), *_EMBEDDING, *_COMBINE]
    if reached >= 3:
        options += _HEADS
    if reached >= 3 or localize:
        options += _localize(own=localize)
    return options + _RUN


def _split(values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What flags say of keys of the experiment, as dotted key -> value; and everything else."""
    keys = {key: value for key, value in values.items() if "__" in key or key in _TOP_LEVEL}
    rest = {key: value for key, value in values.items() if key not in keys}
    given = {key: value for key, value in keys.items() if value not in (None, (), {})}
    return {key.replace("__", "."): value for key, value in given.items()}, rest


def dataset_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """A dataset's NAME and the flags that say where it lies and how its images are read.

    The command receives `overrides` (dotted key -> value) and its own further options.
    """

    @functools.wraps(command)
    def wrapped(dataset: str, **values: Any) -> Any:
        overrides, rest = _split(values)
        return command(overrides={"dataset.name": dataset, **overrides}, **rest)

    decorated: Callable[..., Any] = wrapped
    for option in reversed([*_PLACE, *_IMAGE, _WORKERS]):
        decorated = option(decorated)
    return click.argument("dataset", metavar="NAME")(decorated)


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The flags of how something is computed on datasets that are named elsewhere.

    The command receives `overrides` (dotted key -> value), `options` of the datasets, and its own.
    """

    @functools.wraps(command)
    def wrapped(**values: Any) -> Any:
        overrides, rest = _split(values)
        options = overrides.pop("dataset.options", {})
        return command(options=options, overrides=overrides, **rest)

    decorated: Callable[..., Any] = wrapped
    for option in reversed([*_READINGS, *_SAMPLES, _ATTENTION_INPUT, _EMBEDDING_INPUT, *_RUN]):
        decorated = option(decorated)
    return decorated


def experiment_options(stage: str, localize: bool = False) -> Decorator:
    """An optional EXPERIMENT argument and the flags that matter up to a stage.

    localize: with the flags of [localize], which is what the command is about.

    The command receives `source` (the file, or None), `overrides` (dotted key -> value) and its
    own further options.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def wrapped(experiment: Path | None, config: Path | None, **values: Any) -> Any:
            overrides, rest = _split(values)
            return command(source=experiment or config, overrides=overrides, **rest)

        decorated: Callable[..., Any] = wrapped
        for option in reversed(_options_up_to(stage, localize)):
            decorated = option(decorated)
        path = click.Path(path_type=Path)
        return click.argument("experiment", type=path, required=False)(decorated)

    return decorate
