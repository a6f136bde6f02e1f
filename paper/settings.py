"""Say how a preset is run: its datasets' folders, models that replace the paper's, run flags."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..models.zoo.names import canonical, resolve
from ..pipeline.experiment.load import load_experiment
from ..pipeline.experiment.schema import Experiment
from .cells import PaperCell, PaperMap, Target
from .experiments import PresetExperiment, preset_experiments
from .presets import Preset, available, reasons
from .published import published
from .results import ROLES, Replacement, Role, miniature


@dataclass(frozen=True)
class Settings:
    """Settings are what a user says about the run of a preset.

    roots: folder by dataset. only: the datasets to run; all if empty. replacements: models that are
    used in place of the paper's. options: options of the datasets, by KEY for all or by DATASET:KEY
    for one, which wins. overrides: values by dotted key of the experiments, such as
    {"run.device": "cpu"}, as `load_experiment` takes them.
    """

    roots: Mapping[str, Path] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    replacements: tuple[Replacement, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    overrides: Mapping[str, Any] = field(default_factory=dict)


def targets_of(preset: Preset, settings: Settings) -> list[Target]:
    """Return the preset's targets with replaced models; those that cannot be made say why.

    Raises:
        UsageError: a replacement is of a model that the preset does not have.
    """
    _check_replacements(preset, settings.replacements)
    return available(replaced(target, settings.replacements) for target in preset.targets)


def experiments(
    preset: Preset, dataset: str, settings: Settings
) -> list[tuple[PresetExperiment, Experiment]]:
    """Return the experiments of a preset on a dataset, each also loaded and ready to run.

    Raises:
        UsageError: as `targets_of` and `load_experiment` do.
    """
    targets = targets_of(preset, settings)
    planned = preset_experiments(f"{preset.id}-{dataset}", dataset, targets)
    return [(each, _experiment(each, dataset, settings)) for each in planned]


def dataset_experiment(dataset: str, settings: Settings) -> Experiment:
    """Return an experiment that names the dataset and its limits alone, to load the samples by."""
    return load_experiment({"dataset": _dataset(dataset, settings)}, _limits(settings))


def _experiment(planned: PresetExperiment, dataset: str, settings: Settings) -> Experiment:
    content = {**planned.content, "dataset": _dataset(dataset, settings)}
    warning = miniature(settings.replacements)
    if warning:
        content["notes"] = [f"{warning[0].upper()}{warning[1:]}; these are not the paper's models."]
    overrides = dict(settings.overrides)
    # Every experiment refuses weights of models that it does not have.
    files = overrides.pop("run.weights", {}).items()
    weights = {name: file for name, file in files if canonical(name) in planned.models}
    return load_experiment(content, {**overrides, **({"run.weights": weights} if weights else {})})


def _dataset(name: str, settings: Settings) -> dict[str, Any]:
    root = settings.roots.get(name)
    options = _options(name, settings)
    return {
        "name": name,
        **({"root": root} if root else {}),
        **({"options": options} if options else {}),
    }


def _options(name: str, settings: Settings) -> dict[str, Any]:
    """Return the options for every dataset, and over them those for this one."""
    named = {tuple(key.rpartition(":")[::2]): value for key, value in settings.options.items()}
    return {
        key: value
        for wanted in ("", name)
        for (dataset, key), value in named.items()
        if dataset == wanted
    }


def _limits(settings: Settings) -> dict[str, Any]:
    wanted = ("run.limit", "dataset.split_val", "dataset.split_seed", "dataset.rehash")
    return {key: value for key, value in settings.overrides.items() if key in wanted}


def chosen_datasets(preset: Preset, settings: Settings) -> list[str]:
    """Return the preset's datasets that are asked for and have a folder, in the paper's order.

    Raises:
        UsageError: a dataset is not one of the preset's, nothing can be run on any of them, a
            folder is not given or does not exist, or weights are for a model of no experiment.
    """
    named = [key.rpartition(":")[0] for key in settings.options if ":" in key]
    check_names(preset, [*settings.only, *settings.roots, *named])
    wanted = [name for name in preset.datasets if name in (settings.only or preset.datasets)]
    runnable = [name for name in wanted if _can_run(preset, name, settings)]
    if not runnable:
        raise UsageError(f"{preset.id} has nothing to run{_on(settings)}: {_why(preset)}.")

    # Without --only, a preset runs on those of its datasets that have a folder, if any has one.
    rooted = [name for name in runnable if name in settings.roots]
    lacking = [name for name in settings.only or runnable if name not in settings.roots]
    if lacking and (settings.only or not rooted):
        raise UsageError(
            f"{preset.id} needs the folder of {' or '.join(lacking)}: give it as "
            f"--dataset-root {lacking[0]}=DIR."
        )
    for name in rooted:
        if not settings.roots[name].expanduser().is_dir():
            raise UsageError(f"There is no folder {settings.roots[name]}, given for {name}.")
    _check_weights(preset, rooted, settings)
    return rooted


def _can_run(preset: Preset, dataset: str, settings: Settings) -> bool:
    return any(dataset in target.datasets for target in targets_of(preset, settings))


def _on(settings: Settings) -> str:
    return f" on {', '.join(settings.only)}" if settings.only else ""


def _why(preset: Preset) -> str:
    found = reasons(available(preset.targets))
    return "; ".join(found) or "its numbers are settings or means of other tables"


def check_names(preset: Preset, names: Iterable[str]) -> None:
    """Raise UsageError for a dataset that the preset is not about."""
    for name in names:
        if name not in preset.datasets:
            known = ", ".join(preset.datasets) or "none"
            raise UsageError(f"{preset.id} is not about dataset {name!r}; its datasets: {known}.")


def parse_replacements(texts: Iterable[str]) -> tuple[Replacement, ...]:
    """Read replacements written as PAPER=OURS, or as ROLE:PAPER=OURS for one role alone.

    ROLE is attention or embedding. Of several for the same model and role the last counts.

    Raises:
        UsageError: a text has another form, PAPER is no model of the paper, or OURS does not exist.
    """
    chosen: dict[tuple[Role, str], str] = {}
    for text in texts:
        place, equals, ours = text.partition("=")
        role, colon, paper = place.rpartition(":")
        if not (equals and paper and ours) or (colon and role not in ROLES):
            raise UsageError(
                f"Replacement {text!r} is not understood; write PAPER_MODEL=MODEL, or "
                "attention:PAPER_MODEL=MODEL or embedding:PAPER_MODEL=MODEL for one role."
            )
        roles = ROLES if not colon else tuple(each for each in ROLES if each == role)
        chosen |= {(each, _paper_model(paper)): resolve(ours).name for each in roles}
    return tuple(Replacement(role, paper, ours) for (role, paper), ours in chosen.items())


def _paper_model(name: str) -> str:
    found, known = canonical(name), _paper_models()
    if found not in known:
        raise UsageError(
            f"{name!r} is no model of the paper, so nothing can stand in for it; "
            f"its models are {', '.join(known)}."
        )
    return found


def _paper_models() -> list[str]:
    numbers = published()
    names = dict.fromkeys(name for each in numbers for name in (each.attention, each.embedding))
    return [name for name in names if name not in ("", "resnet50")]


def replaced(target: Target, replacements: Iterable[Replacement]) -> Target:
    """Return the target with our models in place of the paper's; its number names the paper's."""
    ours: dict[tuple[str, str], str] = {(r.role, r.paper): r.ours for r in replacements}
    if not ours:
        return target
    cells = tuple(_replaced_cell(cell, ours) for cell in target.cells)
    return replace(target, cells=cells, map=target.map and _replaced_map(target.map, ours))


def _replaced_cell(cell: PaperCell, ours: dict[tuple[str, str], str]) -> PaperCell:
    attention = ours.get(("attention", cell.source.attention), cell.source.attention)
    embedding = ours.get(("embedding", cell.embedding), cell.embedding)
    return replace(cell, source=replace(cell.source, attention=attention), embedding=embedding)


def _replaced_map(place: PaperMap, ours: dict[tuple[str, str], str]) -> PaperMap:
    return replace(place, attention=ours.get(("attention", place.attention), place.attention))


def _models_by_role(preset: Preset) -> set[tuple[str, str]]:
    """Return the roles and models of the preset's numbers."""
    return {(role, getattr(number, role)) for number in preset.numbers for role in ROLES}


def _check_replacements(preset: Preset, replacements: Iterable[Replacement]) -> None:
    used = _models_by_role(preset)
    asked: dict[str, list[Replacement]] = {}
    for each in replacements:
        asked.setdefault(each.paper, []).append(each)
    for paper, found in asked.items():
        if not any((each.role, each.paper) in used for each in found):
            role = found[0].role if len(found) == 1 else "attention or embedding"
            raise UsageError(f"{preset.id} has no {role} model {paper} that could be replaced.")


def used_replacements(preset: Preset, settings: Settings) -> tuple[Replacement, ...]:
    """Return the replacements of models that the preset has in that role."""
    used = _models_by_role(preset)
    return tuple(each for each in settings.replacements if (each.role, each.paper) in used)


def _check_weights(preset: Preset, datasets: Iterable[str], settings: Settings) -> None:
    weights = settings.overrides.get("run.weights", {})
    targets = targets_of(preset, settings)
    planned = [each for name in datasets for each in preset_experiments(preset.id, name, targets)]
    known = {model for each in planned for model in each.models}
    for name in weights:
        if canonical(name) not in known:
            named = f"for {name}" if name else "without the name of a model (write MODEL=FILE)"
            raise UsageError(
                f"Weights are given {named}; the models are {', '.join(sorted(known))}."
            )
