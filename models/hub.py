"""Where the weights of a backbone lie: a file one names, the package, the Hugging Face hub."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from ..errors import A2pipeError, UsageError, first_line
from .entry import ModelEntry

SHIPPED = Path(__file__).parent / "demo_weights"
FILE_NAMES = ("model.safetensors", "pytorch_model.bin")
TIMEOUT = 5.0


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
    return _cached(entry) or _fetch(entry, offline)


def on_this_machine(entry: ModelEntry) -> Path | None:
    """The weights file, if it lies in the package or in the hub's local cache; no network."""
    if entry.source == "shipped":
        path = _shipped_path(entry)
        return path if path.is_file() else None
    return _cached(entry) if entry.repo else None


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


def _cached(entry: ModelEntry) -> Path | None:
    """What the hub's local cache holds; no network."""
    from huggingface_hub import try_to_load_from_cache

    for name in FILE_NAMES:
        path = try_to_load_from_cache(entry.repo, name)
        if isinstance(path, str):
            return Path(path)
    return None


def _fetch(entry: ModelEntry, offline: bool) -> Path:
    from huggingface_hub import constants

    if offline or constants.HF_HUB_OFFLINE:
        raise _missing(entry, "this run is offline")
    print(f"a2pipe: fetching the weights of {entry.name} from {entry.repo}, once", file=sys.stderr)
    if not _reachable(constants.ENDPOINT):
        raise _missing(entry, f"{constants.ENDPOINT} cannot be reached")
    return _download(entry)


def _reachable(address: str) -> bool:
    """Whether anything answers; asked once first, as the hub's client retries for half a minute."""
    try:
        with urlopen(Request(address, method="HEAD"), timeout=TIMEOUT):
            return True
    except HTTPError:
        return True
    except (OSError, ValueError):
        return False


def _download(entry: ModelEntry) -> Path:
    from huggingface_hub.constants import ENDPOINT
    from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, LocalEntryNotFoundError

    for name in FILE_NAMES:
        try:
            return _hub_file(entry.repo, name)
        except LocalEntryNotFoundError as error:
            raise _missing(entry, "the hub cannot be reached") from error
        except EntryNotFoundError:
            continue
        except GatedRepoError as error:
            raise A2pipeError(
                f"The weights of {entry.name} are gated; accept the licence at "
                f"{ENDPOINT}/{entry.repo}, log in with `hf auth login`, or use "
                f"`--weights {entry.name}=FILE`."
            ) from error
        except Exception as error:
            raise _missing(entry, f"the hub said: {first_line(error)}") from error
    raise _missing(entry, f"{entry.repo} holds none of {', '.join(FILE_NAMES)}")


def _hub_file(repo: str, name: str) -> Path:
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(repo, name, etag_timeout=TIMEOUT))


def _missing(entry: ModelEntry, why: str) -> A2pipeError:
    return A2pipeError(
        f"The weights of {entry.name} are not on this machine and {why}; run "
        f"`a2pipe models fetch {entry.name}` on a machine with a network that shares its hub "
        f"cache, or use `--weights {entry.name}=FILE`."
    )
