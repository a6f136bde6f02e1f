"""Fetch weights to this machine, ahead of the runs that need them."""

from collections.abc import Iterator, Sequence

from ..errors import A2pipeError
from .identity import refuse_unusable
from .text_tower import text_entry
from .weights.hub import locate, locate_open_clip, on_this_machine, open_clip_on_this_machine
from .zoo.model_entry import ModelEntry
from .zoo.names import resolve


def fetch_all(names: Sequence[str], text: bool = False) -> Iterator[tuple[str, str]]:
    """Fetch the weights of each model in turn; yield its name and a few words on what was done.

    text: whether to fetch the text tower that belongs to each model too, which comes with the
    whole model in open_clip's format. After a model that cannot be fetched, the next is tried.

    Raises UsageError before anything is fetched, for an unknown name, a model without a grid of
    features or, with `text`, a model without a text tower. Raises A2pipeError in the end if
    any model could not be fetched.
    """
    # Keys of a dictionary: a model that is asked for by two of its names is fetched once.
    entries = dict.fromkeys(map(text_entry if text else resolve, names))
    for entry in entries:
        refuse_unusable(entry)
    failures = {}
    for entry in entries:
        try:
            yield entry.name, _fetch(entry)
            if text:
                yield f"{entry.name} text tower", _fetch_text(entry)
        except A2pipeError as error:
            failures[entry.name] = error
    if failures:
        raise _failed(failures, len(entries))


def _fetch(entry: ModelEntry) -> str:
    """Fetch the weights of a model if need be; return what was done."""
    if entry.source == "random":
        return "needs no weights"
    if entry.source == "shipped":
        return f"ships with the package, {locate(entry)}"
    here = on_this_machine(entry)
    return f"fetched, {locate(entry)}" if here is None else f"already here, {here}"


def _fetch_text(entry: ModelEntry) -> str:
    """Fetch the whole model with the text tower if need be; return what was done."""
    here = open_clip_on_this_machine(entry)
    return f"fetched, {locate_open_clip(entry)}" if here is None else f"already here, {here}"


def _failed(failures: dict[str, A2pipeError], count: int) -> A2pipeError:
    """Return the error of the only failure, or one that counts and names them."""
    first = next(iter(failures.values()))
    if len(failures) == 1:
        return first
    return A2pipeError(
        f"{len(failures)} of {count} models could not be fetched ({', '.join(failures)}): {first}"
    )
