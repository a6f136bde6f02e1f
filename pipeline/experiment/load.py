"""An experiment is loaded from a TOML file, from a mapping, or from the flags of a command."""

import copy
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ...datasets.formats.tar_shards import some_tar_matches
from ...datasets.registry import DATASETS
from ...errors import UsageError
from ...models.zoo.names import canonical
from .schema import Experiment
from .toml import read_toml
from .validation import sentence_of

Source = Experiment | Path | str | Mapping[str, Any]
"""An experiment, or what it is read from: a TOML file, or a mapping of the same shape."""


def load_experiment(
    source: Source | None, overrides: Mapping[str, Any] | None = None
) -> Experiment:
    """Read an experiment from a TOML file or a mapping of the same shape, or from overrides alone.

    source: None for overrides alone. An `Experiment` is returned as it is, without the overrides.
    overrides: values by dotted keys such as "image.size", which win over the source. "head.kind"
    and "head.options" describe one head that replaces all heads of the source, and "combine.rows"
    replaces all its combinations.

    In a TOML file, a relative `dataset.root`, a dataset given by its path and relative weight files
    are taken from the file's own folder. The key "origin" names the file that the source is a copy
    of, as the copy beside the scripts of a submission does; a TOML file is its own origin by
    default.

    Raises:
        UsageError: the file is missing or not TOML, a key is unknown, or a value does not fit.
    """
    if isinstance(source, Experiment):
        return source
    where = "" if source is None or isinstance(source, Mapping) else f" in {source}"
    content, overrides = _content(source), dict(overrides or {})
    origin = str(content.pop("origin", ""))
    given = overrides.get("run.weights", {})
    _override(content, overrides)
    if "dataset" not in content:
        raise UsageError("Name a dataset: an experiment file, or --dataset NAME or PATH.")
    if isinstance(content["dataset"], dict) and "name" in content["dataset"]:
        content.setdefault("name", _title(str(content["dataset"]["name"])))
    experiment = _validate(content, where).read_from(origin)

    # If flags name other models, the file may hold weights of those that they replace.
    others = {"attention.models", "embedding.models"} & overrides.keys()
    _check_used(experiment, given if others else experiment.run.weights)
    return experiment


def _override(content: dict[str, Any], overrides: Mapping[str, Any]) -> None:
    """Put the overrides into the content of an experiment."""
    rest = dict(overrides)
    # Heads, combinations and weights are lists or tables: flags replace them by rules of their own.
    if rest.keys() & {"head.kind", "head.options"}:
        kind = rest.pop("head.kind", "logistic")
        content["head"] = [{"kind": kind, **rest.pop("head.options", {})}]
    if "combine.rows" in rest:
        content["combine"] = [{"rows": rows} for rows in rest.pop("combine.rows")]
    if given := rest.get("run.weights"):
        rest["run.weights"] = {**_weights_besides(content, given), **given}
    for key, value in rest.items():
        _put(content, key.split("."), value)


def _title(dataset: str) -> str:
    """The last part of a dataset's name or path, without its ending."""
    # Results are written under this name, and a pattern's signs would make a poor folder.
    return re.sub(r"[*?{},\[\]]+", "-", Path(dataset).stem).strip("-") or "experiment"


def _check_used(experiment: Experiment, weights: Iterable[str]) -> None:
    """Refuse weights for a model that the experiment does not name."""
    named = dict.fromkeys((*experiment.attention.models, *experiment.embedding.models))
    unused = sorted({canonical(name) for name in weights} - named.keys() - {""})
    if unused:
        raise UsageError(
            f"Weights are given for {', '.join(unused)}, which is no model of this experiment "
            f"({', '.join(named) or 'it names none'}): name the model, or leave the weights out."
        )


def _content(source: Path | str | Mapping[str, Any] | None) -> dict[str, Any]:
    if source is None or isinstance(source, Mapping):
        return copy.deepcopy(dict(source or {}))
    path = Path(source)
    advice = f"; `a2pipe experiment new {path.name}` writes one to start from"
    content = read_toml(path, "experiment", advice)
    return anchored({"name": path.stem, "origin": str(path.resolve()), **content}, path.parent)


def anchored(content: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Make the relative paths of an experiment those of a folder, and return its content.

    content: as its file holds it; it is changed. folder: the one that the file lies in.
    """
    dataset, run = content.get("dataset"), content.get("run")
    if isinstance(dataset, dict) and isinstance(dataset.get("root"), str):
        dataset["root"] = folder / Path(dataset["root"]).expanduser()
    if isinstance(dataset, dict) and isinstance(dataset.get("name"), str):
        dataset["name"] = _beside(dataset["name"], folder)
    if isinstance(run, dict) and isinstance(run.get("weights"), dict):
        run["weights"] = {
            name: folder / Path(str(file)).expanduser() for name, file in run["weights"].items()
        }
    return content


def _beside(name: str, folder: Path) -> str:
    """The dataset as a path in the folder, if it lies there; a registered name stays as it is."""
    there = folder / Path(name).expanduser()
    if name in DATASETS:
        return name
    return str(there) if there.exists() or some_tar_matches(str(there)) else name


def _weights_besides(content: Mapping[str, Any], given: Iterable[str]) -> dict[str, Any]:
    """The weight files of an experiment without those of models that are given others."""
    run, replaced = content.get("run"), {canonical(name) for name in given}
    files = run.get("weights") if isinstance(run, dict) else None
    kept = files.items() if isinstance(files, dict) else ()
    return {name: file for name, file in kept if canonical(name) not in replaced}


def _put(content: dict[str, Any], keys: list[str], value: Any) -> None:
    *sections, last = keys
    for section in sections:
        content = content.setdefault(section, {})
        if not isinstance(content, dict):
            return  # The validation refuses it, in words that name the key.
    content[last] = value


def _validate(content: Mapping[str, Any], where: str) -> Experiment:
    try:
        return Experiment.model_validate(content)
    except ValidationError as error:
        raise UsageError(sentence_of(error, where, Experiment)) from error
