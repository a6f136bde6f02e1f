"""The command line as a user meets it: arguments in; exit code, stdout and stderr out."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from a2pipe import registry
from a2pipe.cli import main

SLOWEST = ("slurm", "dask", "faults")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first, so that it is not what the last process is left with."""
    places = {name: place for place, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: places.get(item.path.parent.name, len(places)))


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run `a2pipe ARGUMENTS` in this process."""

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["a2pipe", *map(str, arguments)])
        capfd.readouterr()
        handler = signal.getsignal(signal.SIGTERM)
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        finally:
            signal.signal(signal.SIGTERM, handler)
        return Outcome(code, *capfd.readouterr())

    return run


PlugIn = Callable[[str, str, object], None]


@pytest.fixture
def plug_in(monkeypatch: pytest.MonkeyPatch) -> PlugIn:
    """Act as if an installed package offered an object by that name in an entry-point group.

    An object that is a string is where the object would be, "module:name".
    """
    points: list[EntryPoint] = []

    def install(group: str, name: str, found: object) -> None:
        value = found if isinstance(found, str) else f"plug_in_{len(points)}:found"
        if not isinstance(found, str):
            module = SimpleNamespace(found=found)
            monkeypatch.setitem(sys.modules, value.partition(":")[0], module)
        points.append(EntryPoint(name, value, group))

    monkeypatch.setattr(
        registry, "entry_points", lambda group: EntryPoints(points).select(group=group)
    )
    return install


UNPRIVILEGED = 65534
_AS_ANOTHER_USER = f"""
import contextlib, io, json, os, sys
from a2pipe.cli import main

def run(arguments):
    sys.argv = ["a2pipe", *arguments]
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
    return code, out.getvalue(), err.getvalue()

first, *others = json.loads(sys.argv[1])
warm = run(first)
assert warm[0] == 0, warm
if os.getuid() == 0:
    os.setgroups([])
    os.setgid({UNPRIVILEGED})
    os.setuid({UNPRIVILEGED})
print(json.dumps([run(arguments) for arguments in others]))
"""


def unprivileged(first: list[str], *commands: list[str]) -> list[Outcome]:
    """Run commands as a user who is not root, whom permissions bind.

    first: a command that succeeds and is run before, so that every module is imported by then, as
    the other user may have no access to the Python installation.
    """
    argument = json.dumps([first, *commands])
    done = subprocess.run(
        [sys.executable, "-c", _AS_ANOTHER_USER, argument], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return [Outcome(*outcome) for outcome in json.loads(done.stdout)]


@pytest.fixture(scope="module")
def open_folder() -> Iterator[Path]:
    """A temporary folder that every user may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="a2pipe-"))
    folder.chmod(0o755)
    yield folder
    for path in folder.rglob("*"):
        if path.is_dir() and os.access(path.parent, os.X_OK):
            path.chmod(0o755)
    shutil.rmtree(folder)


# --- an OpenCLIP model of random weights --------------------------------------------------------

NARROW = {"embed_dim": 48, "depth": 3, "num_heads": 3}
TINY_CLIP = {
    "embed_dim": 40,
    "vision_cfg": {"image_size": 224, "patch_size": 16, "width": 48, "head_width": 16, "layers": 3},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


@dataclass(frozen=True)
class Clip:
    """A whole open_clip model, image and text tower, and the name its image tower goes by."""

    model: Any
    name: str = "openclip_vitb16"

    def save(self, folder: Path, how: str = "safetensors") -> Path:
        """The model in one of the formats in which such models are passed on."""
        import torch
        from safetensors.torch import save_file

        state = self.model.state_dict()
        if how == "safetensors":
            path = folder / "open_clip_model.safetensors"
            save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
            return path
        if how == "trainer":
            named = {f"module.{name}": tensor for name, tensor in state.items()}
            state = {"epoch": 32, "name": "run", "state_dict": named}
        path = folder / ("open_clip_pytorch_model.bin" if how == "plain" else "epoch_32.pt")
        torch.save(state, path)
        return path

    def save_timm(self, folder: Path) -> Path:
        """The image tower alone, with the projection as its head, as in timm's copies."""
        from safetensors.torch import save_file
        from timm.models.vision_transformer import _convert_openai_clip

        path = folder / "model.safetensors"
        tower = _convert_openai_clip(self.model.state_dict(), None)
        save_file({name: tensor.contiguous() for name, tensor in tower.items()}, path)
        return path


def randomize(model: Any, seed: int = 0) -> Any:
    """Weights under which images and prompts differ: attention is sharp, nothing is near zero."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(model.named_parameters()):
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.ndim < 2:
            parameter.data += 0.1 * noise
        elif "embedding" in name:
            parameter.data = noise
        else:
            parameter.data = 1.5 * noise / parameter[0].numel() ** 0.5
    return model.requires_grad_(False).eval()


@pytest.fixture
def clip(monkeypatch: pytest.MonkeyPatch) -> Clip:
    """A small OpenCLIP model; timm and open_clip build its architecture under the real names."""
    import open_clip
    import timm

    original = timm.create_model
    monkeypatch.setattr(
        timm, "create_model", lambda name, **given: original(name, **{**NARROW, **given})
    )
    monkeypatch.setattr(open_clip, "get_model_config", lambda _: TINY_CLIP)
    return Clip(randomize(open_clip.CLIP(**TINY_CLIP)))


@pytest.fixture
def randomized() -> Callable[[str], Clip]:
    """An OpenCLIP model of full size by open_clip's name."""
    import open_clip

    return lambda name: Clip(randomize(open_clip.create_model(name)))
