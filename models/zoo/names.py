"""Find backbones by the names that people call them.

A name may be one of the table in `families`: the official hub names, and the models that ship with
the package. It may be one that an installed package adds through the entry-point group
`a2pipe.models`, whose object is a `ModelEntry` or an iterable of them. It may be another name of
either, such as the paper's, or any timm model name. timm is imported only for a name that is none
of the first three.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import EntryPoint

from ...errors import UsageError
from ...registry import did_you_mean, load_plug_in, origin_of, plug_ins
from .families import TABLE
from .model_entry import Channels, ModelEntry

__all__ = ["GROUP", "ModelEntry", "canonical", "entries", "resolve"]

GROUP = "a2pipe.models"


@cache
def _plugins() -> dict[str, ModelEntry]:
    """Return what other installed packages add, by name."""
    # One entry point may bring many models, so its own name is none of theirs.
    found = [entry for point in plug_ins(GROUP) for entry in _entries_of(point)]
    return {entry.name: entry for entry in found}


def _entries_of(point: EntryPoint) -> list[ModelEntry]:
    """Return the models of one entry point; raise UsageError if it gives anything else."""
    loaded = load_plug_in("model plug-in", point)
    found = list(loaded) if isinstance(loaded, Iterable) else [loaded]
    if not all(isinstance(entry, ModelEntry) for entry in found):
        raise UsageError(
            f"The model plug-in {point.name!r} gives something else than ModelEntry from "
            f"{point.value}: repair or uninstall {origin_of(point)}, which offers it."
        )
    return found


def entries() -> list[ModelEntry]:
    """Return all backbones of plug-ins and of the table; any timm model works beside them."""
    return list({**_plugins(), **TABLE}.values())


def canonical(name: str) -> str:
    """Return the one name of a backbone that goes by several; an unknown name as it is.

    Names are matched whole: the paper's and the official code's in any case, the table's exactly.
    """
    entry = _named(name)
    return name if entry is None else entry.name


def resolve(name: str) -> ModelEntry:
    """Return the backbone called `name`; raise UsageError, with the nearest names, if none is."""
    entry = _named(name) or _timm_entry(name)
    if entry is None:
        raise UsageError(_unknown(name))
    return entry


def _named(name: str) -> ModelEntry | None:
    """Return the backbone of that name in the table or in a plug-in, or None."""
    # A plug-in can take over no name of the table, nor what the paper calls one of its models.
    return _find(name, TABLE) or _find(name, _plugins())


def _find(name: str, known: Mapping[str, ModelEntry]) -> ModelEntry | None:
    """Return the backbone of that name, or else the one that goes by it in any case, or None."""
    by_alias = {called.casefold(): entry for entry in known.values() for called in entry.called}
    return known.get(name) or by_alias.get(name.casefold())


def _timm_entry(name: str) -> ModelEntry | None:
    """Return an entry made from what timm knows of one of its own names, or None."""
    import timm
    from timm.models import get_pretrained_cfg

    if not timm.is_model(name):
        return None
    try:
        config = get_pretrained_cfg(name)
    except RuntimeError:
        return None
    if config is None:  # a name that timm has given up
        return None
    tagged = f"{config.architecture}.{config.tag}" if config.tag else name
    mean, std = _channels(config.mean), _channels(config.std)
    licence = config.license or "unknown"
    size = config.input_size[-1]
    repo = config.hf_hub_id or ""
    family = next((entry.family for entry in entries() if entry.timm == tagged), "timm")
    return ModelEntry(name, family, tagged, (), "", mean, std, size, "hub", licence, repo)


def _channels(values: Iterable[float]) -> Channels:
    red, green, blue = values
    return red, green, blue


def _unknown(name: str) -> str:
    """Return the sentence for a name that is no model, with the nearest names."""
    same = [known for known in TABLE if known.casefold() == name.casefold()]
    near = same or _without_family(name)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else _nearest(name)
    return f"There is no model called {name!r}; {hint} `a2pipe models list` lists the names."


def _without_family(name: str) -> list[str]:
    """Return one name, such as the paper's, of each backbone that has a name ending in `name`."""
    # Some of the paper's tables print "ViT-S/16" and leave the family to the reader.
    ending = f" {name}".casefold()
    ends = ([n for n in entry.called if n.casefold().endswith(ending)] for entry in entries())
    return [names[0] for names in ends if names]


def _nearest(name: str) -> str:
    """Return the advice that names what is most like a wrong name, of all known names."""
    import timm

    known = [each for entry in entries() for each in (entry.name, *entry.called)]
    known += [*timm.list_models(), *timm.list_models(pretrained=True)]
    return did_you_mean(name, known, "any timm name works too.")
