"""Read an experiment from TOML, flags or a mapping, and write it out with every default."""

import copy
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from ...datasets.formats.tar_shards import some_tar_matches
from ...datasets.registry import DATASETS
from ...errors import UsageError
from ...heads.registry import defaults
from ...models.zoo.names import canonical
from .schema import Experiment
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


def read_toml(path: Path, kind: str, advice: str = "") -> dict[str, Any]:
    """Return the content of a TOML file.

    kind: the word for what it holds, such as "experiment". advice: what to do if it is not there.

    Raises UsageError if it cannot be read or is not valid TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"The {kind} {path} cannot be read ({reason}){advice}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}.") from error


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


def to_toml(experiment: Experiment, with_defaults: bool = True) -> str:
    """Return the whole experiment as TOML that reads back equal, with every default written out.

    TOML has no word for none, so a key that is not set stands in a comment, as do the defaults of
    a head's own parameters. with_defaults: off leaves out whatever was not set.

    Raises:
        UsageError: there is no such head, or a value is none where that is not the default.
    """
    # pydantic's mode "json" (2.14) would make null of infinity within options and parameters.
    values = experiment.model_dump(exclude_unset=not with_defaults)
    content = to_jsonable_python(values, inf_nan_mode="constants")
    heads, combined = content.pop("head", []), content.pop("combine", [])
    scalars = {key: value for key, value in content.items() if not isinstance(value, dict)}
    tables = {key: value for key, value in content.items() if isinstance(value, dict)}
    lines = [assignments(scalars)]
    lines += [f"[{name}]\n{assignments(table)}" for name, table in tables.items()]
    lines += [f"[[combine]]\n{assignments(rows)}" for rows in combined]
    lines += [_head_table(head, with_defaults) for head in heads]
    return "\n".join(lines)


def _head_table(head: dict[str, Any], with_defaults: bool) -> str:
    """A head as TOML, with the defaults of its own parameters in comments."""
    # As values they would make another head to the cache, which addresses it by what is given.
    known = defaults(head["kind"])
    for key, value in head.items():
        if value is None and known.get(key) is not None:
            raise UsageError(
                f"The head {head['kind']!r} has the parameter {key} = none, for which TOML has no "
                f"word, and which is not its default ({known[key]!r})."
            )
    left_out = {key: value for key, value in known.items() if key not in head}
    lines = assignments(left_out).splitlines() if with_defaults else []
    comments = [line if line.startswith("#") else f"# {line}" for line in lines]
    return "\n".join([f"[[head]]\n{assignments(head)}".rstrip(), *comments, ""])


def assignments(table: Mapping[str, Any]) -> str:
    """Return plain values by key as lines of TOML; a key without a value stands in a comment.

    Raises UsageError for a value that holds none in a list or table.
    """
    return "".join(
        f"# {_key(key)} is not set\n" if value is None else f"{_key(key)} = {toml_value(value)}\n"
        for key, value in table.items()
    )


def _key(key: str) -> str:
    return tomli_w.dumps({key: 0}).removesuffix(" = 0\n")


def toml_value(value: Any) -> str:
    """Return a plain value as TOML on one line.

    Raises UsageError for what TOML has no word for, which of plain values is none.
    """
    try:
        # Within two lists tomli_w (1.2) writes a dict as an inline table; alone, or in one list,
        # it would begin a table of the file.
        text = tomli_w.dumps({"": [[value]]})
    except TypeError as error:
        raise UsageError(f"{value!r} cannot be written as TOML: leave out what is none.") from error
    # It writes a list over several lines, an item each; within text it escapes every line break.
    joined = re.sub(r"(?<=\[)\n *|,\n *(?=\])", "", text)
    line = re.sub(r"\n *", " ", joined)
    return line.removeprefix('"" = [[').removesuffix("]] ")


def _validate(content: Mapping[str, Any], where: str) -> Experiment:
    try:
        return Experiment.model_validate(content)
    except ValidationError as error:
        raise UsageError(sentence_of(error, where, Experiment)) from error
