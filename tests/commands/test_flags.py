"""Every command takes the flags that it reads, and no other.

What a command reads is said below as views of the opened experiment: the specs it computes, the
samples it takes, and so on. A flag is read if another value of it changes a view.
"""

from collections.abc import Callable
from typing import Any

import pytest

from a2pipe.commands.flags import CALLBACKS, EVERY
from a2pipe.pipeline.experiment.load import load_experiment
from a2pipe.pipeline.experiment.schema import Experiment
from a2pipe.pipeline.planning.identification import identify_all
from a2pipe.pipeline.planning.plan import make_plan

from ..pipeline.conftest import tiny_experiment, tiny_images
from .conftest import command_of

View = Callable[[Experiment, Any], object]
FLAGS = {flag.key: flag for group in EVERY for flag in group}

VALUES = {
    "name": ["other"],
    "dataset.name": ["demo-01"],
    "dataset.root": ["elsewhere"],
    "dataset.options": ["columns={}"],
    "dataset.split_val": ["0.5"],
    "dataset.split_seed": ["7"],
    "run.limit": ["12"],
    "image.size": ["64"],
    "image.geometry": ["letterbox"],
    "image.decode": ["nvjpeg"],
    "attention.models": ["demo_localizer_m"],
    "attention.layers": ["1,2"],
    "attention.input_size": ["96"],
    "attention.source": ["votes:4"],
    "patches.statistics": ["votes:4"],
    "attention.heads": ["max"],
    "attention.reading": ["patch-softmax"],
    "crops.sizes": ["16,8"],
    "crops.smooth": ["3"],
    "crops.source": ["original"],
    "embedding.models": ["demo_embedder_s"],
    "embedding.pool": ["mean"],
    "embedding.baselines": ["random"],
    "embedding.input_size": ["96"],
    "combine.rows": ["full,center:16"],
    "head.kind": ["dfr"],
    "head.options": ["C=0.5"],
    "metrics": ["worst_class"],
    "localize.split": ["val"],
    "localize.evaluation": ["patch-overlap"],
    "localize.resamples": ["10"],
    "localize.level": ["0.9"],
    "localize.seed": ["3"],
    "masking.score": ["votes:4"],
    "masking.order": ["random"],
    "masking.step": ["3"],
    "masking.fill": ["blur"],
    "masking.head": ["own"],
    "masking.seed": ["3"],
    "masking.level": ["0.9"],
    "training.network": ["resnet18"],
    "training.pool": ["cls"],
    "training.patch": ["8"],
    "training.window": ["2"],
    "training.windowed": ["1,2"],
    "training.dim": ["192"],
    "training.depth": ["4"],
    "training.heads": ["3"],
    "training.epochs": ["0.5"],
    "training.batch": ["64"],
    "training.rate": ["1e-4"],
    "training.decay": ["0.05"],
    "training.warmup": ["0.01"],
    "training.seed": ["1"],
    "training.area": ["0.5"],
    "training.split": ["test"],
    "training.images": ["9"],
    "training.every": ["9"],
    "training.rule": ["point-in-box"],
    "training.masked": ["0.1"],
    "run.device": ["cuda"],
    "run.gpus": ["0,1"],
    "run.precision": ["bf16"],
    "run.batch_size": ["3"],
    "run.workers": ["1"],
    "run.backend": ["hdf5"],
    "run.shard_size": ["5"],
    "run.weights": ["demo_localizer_s_random=w.pth"],
}
"""A value of each flag that is not that of the tiny experiment; switches have none."""


# --- what commands read -------------------------------------------------------------------------


def named(experiment: Experiment, _: Any) -> object:
    return experiment.name


def samples(experiment: Experiment, _: Any) -> object:
    return experiment.dataset, experiment.run.limit


def specs(stage: str) -> View:
    """The specs up to a stage, which are what a run computes and where it looks."""

    def view(_: Experiment, plan: Any) -> object:
        return plan.specs(stage)

    return view


def layout(experiment: Experiment, _: Any) -> object:
    """Where rows lie besides their specs, and how weights are found."""
    run = experiment.run
    return run.backend, run.shard_size, run.weights, run.offline


def precision(experiment: Experiment, _: Any) -> object:
    return experiment.run.precision, experiment.run.compile


def pixels(experiment: Experiment, _: Any) -> object:
    return experiment.run.cache_pixels


def passes(experiment: Experiment, _: Any) -> object:
    return experiment.run.device, experiment.run.batch_size


def processes(experiment: Experiment, _: Any) -> object:
    return experiment.run.gpus


def threads(experiment: Experiment, _: Any) -> object:
    return experiment.run.workers


def bad_images(experiment: Experiment, _: Any) -> object:
    return experiment.run.skip_bad_images


def fits(experiment: Experiment, _: Any) -> object:
    return experiment.head, experiment.combine


def shown(experiment: Experiment, _: Any) -> object:
    """What a matrix shows of cells and of maps."""
    return experiment.metrics, experiment.localize.split, experiment.localize.evaluation


def study(experiment: Experiment, _: Any) -> object:
    return experiment.localize


def measured(experiment: Experiment, _: Any) -> object:
    """The images on which something is measured."""
    return experiment.localize.split


def maps(_: Experiment, plan: Any) -> object:
    return {row.map for row in plan.rows if row.map}


def intervals(experiment: Experiment, _: Any) -> object:
    section = experiment.localize
    return section.split, section.resamples, section.level, section.seed


def masking(experiment: Experiment, _: Any) -> object:
    """What a masking probe reads of its own keys, of the image and of the models."""
    attention, embedding = experiment.attention, experiment.embedding
    ways = attention.layers, attention.heads, attention.reading
    return experiment.masking, experiment.image, ways, embedding.models, embedding.pool


def trained(experiment: Experiment, _: Any) -> object:
    run = experiment.run
    return experiment.training, experiment.image.size, run.device, run.precision


def geometry(experiment: Experiment, _: Any) -> object:
    return experiment.image.geometry


def file_of(experiment: Experiment, _: Any) -> object:
    return experiment


STORED = (samples, specs("embeddings"), layout)
COMPUTED = (named, samples, layout, pixels, passes, processes, threads, bad_images)
MATRIX = (named, *STORED, pixels, threads, bad_images, fits, shown)

READS: dict[str, tuple[View, ...]] = {
    "extract-attn": (*COMPUTED, specs("attention")),
    "extract-patches": (*COMPUTED, specs("patches")),
    "select-crops": (*COMPUTED, specs("boxes")),
    "embed-crops": (*COMPUTED, specs("embeddings")),
    "run": (*COMPUTED, specs("embeddings")),
    "localize": (*COMPUTED, specs("boxes"), study),
    "discover": (*COMPUTED, specs("maps"), maps, intervals),
    "patches": (*COMPUTED, specs("maps"), measured),
    "probe-masking": (*COMPUTED, precision, masking),
    "plan": (*STORED, pixels, passes, threads),
    "status": (named, *STORED),
    "fit-heads": MATRIX,
    "report": MATRIX,
    "build-matrix": (*MATRIX, passes, processes),
    "submit": (*MATRIX, passes, processes),
    "finish": (*MATRIX, passes, processes),
    "save-head": (*COMPUTED, specs("embeddings"), fits),
    "paper choose-crops": (*COMPUTED, specs("embeddings"), fits),
    "train lastvit": (named, samples, trained, geometry, threads),
    "experiment show": (file_of,),
}
"""The commands on an experiment whose samples are read, and what of it they read."""

LEFT_OUT = {
    # `embed-crops` places the boxes of baselines, which need no attention.
    "select-crops": {"embedding.baselines"},
    "localize": {"embedding.baselines"},
    # It shows the attention of the last block, beside what it is about.
    "patches": {"attention.layers"},
    # It is the one command for attention, whatever maps are made of.
    "extract-attn": {"attention.source"},
}
"""The flags that commands do not take though they would change what is read."""


# --- the flags of commands ----------------------------------------------------------------------


def keys_of(words: str) -> set[str]:
    """The keys of the experiment that a command has flags for."""
    parameters = {str(parameter.name).replace("__", ".") for parameter in command_of(words).params}
    return parameters & {*FLAGS}


def read_from_flag(key: str) -> dict[str, Any]:
    """What a flag says of its key, parsed as every command parses it."""
    (values, flag) = (VALUES.get(key, []), FLAGS[key])
    command = command_of("experiment show")
    with command.make_context("show", [flag.name, *values]) as context:
        return {key: context.params[key.replace(".", "__")]}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Experiment, Any]]:
    """An experiment and its plan, with flags over the tiny experiment; samples are not loaded."""
    images = tiny_images(tmp_path_factory.mktemp("flags"))
    embedding = {"models": ["demo_localizer_s_random"], "baselines": ["full", "center:16"]}
    patches = {"statistics": ["norm"]}
    tiny = tiny_experiment(
        images, embedding=embedding, patches=patches, run={"batch_size": 16, "shard_size": 32}
    )
    memo = images / "weights.json"

    def make(overrides: dict[str, Any]) -> tuple[Experiment, Any]:
        experiment = load_experiment(tiny, overrides)
        plain = experiment.run.model_copy(update={"weights": {}})
        infos = identify_all(experiment.model_copy(update={"run": plain}), memo)
        return experiment, make_plan(experiment, None, infos)

    return make


@pytest.fixture(scope="module")
def effects(opened: Callable[..., tuple[Experiment, Any]]) -> Callable[[View], set[str]]:
    """The keys whose flag changes a view."""
    base = opened({})
    changed = {key: opened(read_from_flag(key)) for key in FLAGS}

    def of(view: View) -> set[str]:
        return {key for key, pair in changed.items() if view(*pair) != view(*base)}

    return of


def test_a_value_is_known_for_every_flag_that_takes_one():
    assert {*VALUES} == {key for key, flag in FLAGS.items() if flag.metavar}
    assert {flag.metavar for flag in FLAGS.values()} >= {*CALLBACKS}


@pytest.mark.parametrize("words", READS)
def test_a_command_takes_the_flags_that_change_what_it_reads(words, effects):
    read = set().union(*map(effects, READS[words]))
    assert keys_of(words) == read - LEFT_OUT.get(words, set())


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        ("logs", {"name", "dataset.name"}),
        ("datasets show", {key for key in FLAGS if key.startswith("dataset.")} | {"run.limit"}),
        (
            "datasets check",
            {"dataset.root", "dataset.options", "dataset.rehash", "run.workers"}
            | {key for key in FLAGS if key.startswith("image.")},
        ),
        (
            "paper run",
            {"dataset.rehash", "dataset.split_val", "dataset.split_seed"}
            | {"attention.input_size", "embedding.input_size"}
            | {key for key in FLAGS if key.startswith("run.")},
        ),
    ],
)
def test_commands_that_read_little_of_an_experiment(words, keys):
    assert keys_of(words) == keys


@pytest.mark.parametrize(
    ("words", "flag"),
    [
        (["logs"], "--device=cpu"),
        (["status"], "--batch-size=8"),
        (["run"], "--head=logistic"),
        (["build-matrix"], "--localize-seed=1"),
        (["datasets", "show"], "--image-size=64"),
        (["experiment", "show"], "--cache=c"),
    ],
)
def test_a_flag_that_would_be_ignored_is_refused(command, words, flag):
    refused = command(*words, "--dataset", "demo-01", flag)
    assert refused.code == 2
    assert f"No such option '{flag.partition('=')[0]}'" in refused.err


@pytest.mark.parametrize(
    ("words", "key"),
    [
        *((words, "attention.models") for words in ("extract-attn", "select-crops")),
        *((words, "attention.models") for words in ("localize", "discover")),
        *((words, "embedding.models") for words in ("embed-crops", "run", "plan", "status")),
    ],
)
def test_model_names_the_model_of_the_stage(words, key):
    (named,) = [option.name for option in command_of(words).params if "--model" in option.opts]
    assert named == key.replace(".", "__")


@pytest.mark.parametrize("flag", ["--device=cpu", "--batch-size=8", "--workers=1"])
def test_plan_times_nothing_without_its_probe(command, flag):
    refused = command("plan", "--dataset", "demo-01", flag)
    assert refused.code == 2
    assert "say how --probe times models" in refused.err
