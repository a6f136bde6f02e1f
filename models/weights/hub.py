"""Locate the weights of a backbone: in a file, in the package, or on the Hugging Face hub."""

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
TIMEOUT = 5.0  # seconds


@dataclass(frozen=True)
class HubFile:
    """A HubFile is a file of a model in a repository of the hub.

    what: what it holds, "weights" or "text tower".
    model: name of the model.
    repo: name of the repository.
    files: possible names of the file, of which the first that is there is taken.
    """

    what: str
    model: str
    repo: str
    files: tuple[str, ...]

    @property
    def command(self) -> str:
        """Return the command that fetches the file ahead."""
        text = "" if self.what == "weights" else "--text "
        return f"a2pipe models fetch {text}{self.model}"


def locate(entry: ModelEntry, weights: Path | None = None, offline: bool = False) -> Path:
    """Return the weights file of a backbone, fetched from the hub if it is not on this machine.

    weights: a file to use in place of what the entry says; None for what the entry says.
    offline: whether the network must not be touched (HF_HUB_OFFLINE=1 does the same).

    Raises UsageError if `weights` is not a file, and A2pipeError if the weights cannot be had; both
    say what to do.
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
    return _cached_or_fetched(_weights_file(entry), offline)


def locate_open_clip(entry: ModelEntry, offline: bool = False) -> Path:
    """Return the file of the whole open_clip model whose image tower the entry is.

    It is fetched from the hub if it is not on this machine; offline: as for `locate`.

    Raises A2pipeError, which says what to do, if it cannot be had.
    """
    if not entry.whole_repo:
        raise A2pipeError(
            f"No text tower of {entry.name} is published on the hub; give a checkpoint of the "
            f"whole model with `--weights {entry.name}=FILE`."
        )
    return _cached_or_fetched(_open_clip_file(entry), offline)


def on_this_machine(entry: ModelEntry) -> Path | None:
    """Return the weights file if it is in the package or the hub's local cache, else None.

    The network is never touched.
    """
    if entry.source == "shipped":
        path = _shipped_path(entry)
        return path if path.is_file() else None
    return _cached(_weights_file(entry)) if entry.repo else None


def open_clip_on_this_machine(entry: ModelEntry) -> Path | None:
    """Return the file of the whole open_clip model if the hub's local cache has it, else None."""
    return _cached(_open_clip_file(entry)) if entry.whole_repo else None


def _weights_file(entry: ModelEntry) -> HubFile:
    return HubFile("weights", entry.name, entry.repo, FILE_NAMES)


def _open_clip_file(entry: ModelEntry) -> HubFile:
    return HubFile("text tower", entry.name, entry.whole_repo, OPEN_CLIP_FILE_NAMES)


def _given(entry: ModelEntry, weights: Path) -> Path:
    """Return the file that was given; raise UsageError if it is none, or the model needs none."""
    if entry.source == "random":
        raise UsageError(f"{entry.name} is the control without weights; leave out `--weights`.")
    if not os.path.isfile(weights):  # noqa: PTH113 (False for a name that is too long, too)
        raise UsageError(f"The weights {weights} for {entry.name} are not a file; check the path.")
    return weights


def _shipped(entry: ModelEntry) -> Path:
    """Return the file of the package; raise A2pipeError if it is missing."""
    path = _shipped_path(entry)
    if not path.is_file():
        raise A2pipeError(
            f"The weights that ship for {entry.name} are missing ({path}); reinstall the package."
        )
    return path


def _shipped_path(entry: ModelEntry) -> Path:
    return Path(entry.file) if entry.file else SHIPPED / f"{entry.name}.safetensors"


def _cached(wanted: HubFile) -> Path | None:
    """Return the file if the hub's local cache has it, else None."""
    from huggingface_hub import try_to_load_from_cache

    for name in wanted.files:
        path = try_to_load_from_cache(wanted.repo, name)
        if isinstance(path, str):
            return Path(path)
    return None


def _cached_or_fetched(wanted: HubFile, offline: bool) -> Path:
    return _cached(wanted) or _fetch(wanted, offline)


def _fetch(wanted: HubFile, offline: bool) -> Path:
    """Say on stderr what is fetched, and download it; raise A2pipeError, at once if offline."""
    from huggingface_hub import constants

    if offline or constants.HF_HUB_OFFLINE:
        raise _missing(wanted, "this run is offline")
    what = f"the {wanted.what} of {wanted.model}"
    print(f"a2pipe: fetching {what} from {wanted.repo}, once", file=sys.stderr)
    if not _reachable(constants.ENDPOINT):
        raise _missing(wanted, f"{constants.ENDPOINT} cannot be reached")
    return _download(wanted)


def _reachable(address: str) -> bool:
    """Return whether anything answers at an address within TIMEOUT seconds."""
    # Asked once before a download, as the hub's own client retries for half a minute.
    try:
        with urlopen(Request(address, method="HEAD"), timeout=TIMEOUT):
            return True
    # Any answer, a refusal too, shows that the hub can be reached.
    except HTTPError:
        return True
    except (OSError, ValueError):
        return False


def _download(wanted: HubFile) -> Path:
    """Return the first of the possible files that the hub has, downloaded into its cache."""
    from huggingface_hub.constants import ENDPOINT
    from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, LocalEntryNotFoundError

    for name in wanted.files:
        # In huggingface_hub the first of these errors is a kind of the second, so it comes first.
        try:
            return _hub_file(wanted.repo, name)
        except LocalEntryNotFoundError as error:
            raise _missing(wanted, "the hub cannot be reached") from error
        except EntryNotFoundError:
            continue
        except GatedRepoError as error:
            raise A2pipeError(
                f"The weights of {wanted.model} are gated; accept the licence at "
                f"{ENDPOINT}/{wanted.repo}, log in with `hf auth login`, or use "
                f"`--weights {wanted.model}=FILE`."
            ) from error
        # The client raises errors of its own and of the HTTP library that it uses, which differ by
        # version.
        except Exception as error:
            raise _missing(wanted, f"the hub said: {first_line(error)}") from error
    raise _missing(wanted, f"{wanted.repo} holds none of {', '.join(wanted.files)}")


def _hub_file(repo: str, name: str) -> Path:
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(repo, name, etag_timeout=TIMEOUT))


def _missing(wanted: HubFile, why: str) -> A2pipeError:
    """Return the error for a file that cannot be had, with the ways to get it."""
    verb, whole = ("are", "") if wanted.what == "weights" else ("is", " with the whole model")
    return A2pipeError(
        f"The {wanted.what} of {wanted.model} {verb} not on this machine and {why}; run "
        f"`{wanted.command}` on a machine with a network that shares its hub cache, or use "
        f"`--weights {wanted.model}=FILE`{whole}."
    )
