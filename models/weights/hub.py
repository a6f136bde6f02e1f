"""Where the weights of a backbone lie: a file one names, the package, the Hugging Face hub."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from ...errors import A2pipeError, UsageError, first_line
from ..zoo.model_entry import ModelEntry

SHIPPED = Path(__file__).parents[1] / "demo_weights"
FILE_NAMES = ("model.safetensors", "pytorch_model.bin")
OPEN_CLIP_FILE_NAMES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
TIMEOUT = 5.0


@dataclass(frozen=True)
class Place:
    """A repository of the hub that holds something of a model.

    what: "weights" or "text tower". model: its name. files: the first of these that is there is
    it. command: what fetches it ahead.
    """

    what: str
    model: str
    repo: str
    files: tuple[str, ...]
    command: str


def locate(entry: ModelEntry, weights: Path | None = None, offline: bool = False) -> Path:
    """The weights file of a backbone, fetched from the hub if it is nowhere on this machine.

    weights: a file that is used whatever the entry says.
    offline: never touch the network (HF_HUB_OFFLINE=1 does the same).

    Raises UsageError if `weights` is not a file, A2pipeError if the weights cannot be had; both say
    what to do.
    """
    if weights is not None:
        return _given(entry, weights)
    if entry.source == "shipped":
        return _shipped(entry)
    if not entry.repo:
        raise A2pipeError(
            f"No weights of {entry.name} are published on the hub; give a checkpoint of it with "
            f"`--weights {entry.name}=FILE`."
        )
    place = _weights_place(entry)
    return _cached(place) or _fetch(place, offline)


def locate_open_clip(entry: ModelEntry, offline: bool = False) -> Path:
    """The file of the whole open_clip model whose image tower the entry is, fetched if need be.

    offline: as for `locate`. Raises A2pipeError if it cannot be had, which says what to do.
    """
    if not entry.whole_repo:
        raise A2pipeError(
            f"No text tower of {entry.name} is published on the hub; give a checkpoint of the "
            f"whole model with `--weights {entry.name}=FILE`."
        )
    place = _open_clip_place(entry)
    return _cached(place) or _fetch(place, offline)


def on_this_machine(entry: ModelEntry) -> Path | None:
    """The weights file, if it lies in the package or in the hub's local cache; no network."""
    if entry.source == "shipped":
        path = _shipped_path(entry)
        return path if path.is_file() else None
    return _cached(_weights_place(entry)) if entry.repo else None


def open_clip_on_this_machine(entry: ModelEntry) -> Path | None:
    """The file of the whole open_clip model, if the hub's local cache has it; no network."""
    return _cached(_open_clip_place(entry)) if entry.whole_repo else None


def _weights_place(entry: ModelEntry) -> Place:
    command = f"a2pipe models fetch {entry.name}"
    return Place("weights", entry.name, entry.repo, FILE_NAMES, command)


def _open_clip_place(entry: ModelEntry) -> Place:
    command = f"a2pipe models fetch --text {entry.name}"
    return Place("text tower", entry.name, entry.whole_repo, OPEN_CLIP_FILE_NAMES, command)


def _given(entry: ModelEntry, weights: Path) -> Path:
    if entry.source == "random":
        raise UsageError(f"{entry.name} is the control without weights; leave out `--weights`.")
    if not os.path.isfile(weights):  # noqa: PTH113 (False for a name that is too long, too)
        raise UsageError(f"The weights {weights} for {entry.name} are not a file; check the path.")
    return weights


def _shipped(entry: ModelEntry) -> Path:
    path = _shipped_path(entry)
    if not path.is_file():
        raise A2pipeError(
            f"The weights that ship for {entry.name} are missing ({path}); reinstall the package."
        )
    return path


def _shipped_path(entry: ModelEntry) -> Path:
    return Path(entry.file) if entry.file else SHIPPED / f"{entry.name}.safetensors"


def _cached(place: Place) -> Path | None:
    """What the hub's local cache holds; no network."""
    from huggingface_hub import try_to_load_from_cache

    for name in place.files:
        path = try_to_load_from_cache(place.repo, name)
        if isinstance(path, str):
            return Path(path)
    return None


def _fetch(place: Place, offline: bool) -> Path:
    from huggingface_hub import constants

    if offline or constants.HF_HUB_OFFLINE:
        raise _missing(place, "this run is offline")
    what = f"the {place.what} of {place.model}"
    print(f"a2pipe: fetching {what} from {place.repo}, once", file=sys.stderr)
    if not _reachable(constants.ENDPOINT):
        raise _missing(place, f"{constants.ENDPOINT} cannot be reached")
    return _download(place)


def _reachable(address: str) -> bool:
    """Whether anything answers; asked once first, as the hub's client retries for half a minute."""
    try:
        with urlopen(Request(address, method="HEAD"), timeout=TIMEOUT):
            return True
    except HTTPError:
        return True
    except (OSError, ValueError):
        return False


def _download(place: Place) -> Path:
    from huggingface_hub.constants import ENDPOINT
    from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, LocalEntryNotFoundError

    for name in place.files:
        try:
            return _hub_file(place.repo, name)
        except LocalEntryNotFoundError as error:
            raise _missing(place, "the hub cannot be reached") from error
        except EntryNotFoundError:
            continue
        except GatedRepoError as error:
            raise A2pipeError(
                f"The weights of {place.model} are gated; accept the licence at "
                f"{ENDPOINT}/{place.repo}, log in with `hf auth login`, or use "
                f"`--weights {place.model}=FILE`."
            ) from error
        except Exception as error:
            raise _missing(place, f"the hub said: {first_line(error)}") from error
    raise _missing(place, f"{place.repo} holds none of {', '.join(place.files)}")


def _hub_file(repo: str, name: str) -> Path:
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(repo, name, etag_timeout=TIMEOUT))


def _missing(place: Place, why: str) -> A2pipeError:
    verb, whole = ("are", "") if place.what == "weights" else ("is", " with the whole model")
    return A2pipeError(
        f"The {place.what} of {place.model} {verb} not on this machine and {why}; run "
        f"`{place.command}` on a machine with a network that shares its hub cache, or use "
        f"`--weights {place.model}=FILE`{whole}."
    )
