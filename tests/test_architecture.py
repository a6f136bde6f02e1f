"""Who may import whom, read from the source; and what stays out of a process until it is needed."""

import ast
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import a2pipe

ROOT = Path(a2pipe.__file__).parent
FLOORS = (
    (
        *("cli", "cli_batch", "cli_compare", "cli_datasets", "cli_executor", "cli_manage"),
        "cli_options",
        *("cli_output", "cli_paper", "cli_predict"),
    ),
    ("pipeline",),
    ("stages", "reports"),
    ("models", "datasets", "heads", "metrics", "cache"),
    ("errors",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
NOT_SHIPPED = ("tests", "benchmarks", "scripts", "docs")
HEAVY = ("torch", "timm", "zarr", "h5py", "sklearn", "scipy", "pandas", "pyarrow", "matplotlib")
HEAVY += (
    "dask",
    "distributed",
    "rich",
    "pydantic",
    "numpy",
    "PIL",
    "transformers",
    "safetensors",
    "open_clip",
)


def modules() -> list[Path]:
    """Every module of the package, relative to its root."""
    code = [*ROOT.glob("*.py"), *(path for folder in shipped() for path in folder.rglob("*.py"))]
    return sorted(path.relative_to(ROOT) for path in code)


def shipped() -> list[Path]:
    """The folders at the root that may hold code of the package."""
    aside = (*NOT_SHIPPED, "build", "dist", "results", "shared")
    folders = [path for path in ROOT.iterdir() if path.is_dir() and path.name not in aside]
    return [folder for folder in folders if not folder.name.startswith((".", "_"))]


def room_of(path: Path) -> str:
    """The folder a module lies in; a module of the root is a room of its own."""
    return path.parts[0].removesuffix(".py")


def imported(tree: ast.Module, path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name below the package of every import of it, those in functions too."""
    package = ("a2pipe", *path.parts[:-1])
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            stem = ".".join([*base, *filter(None, [node.module])])
            names = [f"{stem}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            yield node.lineno, name


def rooms_imported(path: Path) -> Iterator[tuple[int, str]]:
    """Line and room of every import of the package; other packages are left out."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"), str(path))
    for line, name in imported(tree, path):
        parts = name.split(".")
        if parts[0] == "a2pipe":
            yield line, (*parts[1:], "__init__")[0]
        elif parts[0] in NOT_SHIPPED:
            yield line, parts[0]


def may_import(importer: str, room: str) -> bool:
    """Downwards only; beside it only the two modules of the command line; `__version__` always."""
    if room.startswith("__") or importer == room:
        return True
    if importer == "__init__":
        return room in FLOOR
    if room not in FLOOR:
        return False
    if importer == "reports":
        return room in ("metrics", "errors")
    if importer in FLOORS[0]:
        return True
    return FLOOR[importer] < FLOOR[room]


@pytest.mark.parametrize("path", modules(), ids=str)
def test_imports_point_downwards(path):
    wrong = [
        f"{path}:{line} imports {room}"
        for line, room in rooms_imported(path)
        if not may_import(room_of(path), room)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("importer", "room", "allowed"),
    [
        ("cli", "pipeline", True),
        ("pipeline", "cli", False),
        ("pipeline", "reports", True),
        ("stages", "pipeline", False),
        ("stages", "reports", False),
        ("reports", "stages", False),
        ("reports", "cache", False),
        ("reports", "metrics", True),
        ("models", "cache", False),
        ("cache", "errors", True),
        ("errors", "cache", False),
        ("pipeline", "tests", False),
        ("heads", "benchmarks", False),
        ("heads", "scripts", False),
    ],
)
def test_the_rule_is_the_rule(importer, room, allowed):
    assert may_import(importer, room) is allowed


def test_imports_inside_functions_and_relative_ones_are_seen():
    source = (
        "def f():\n    from ..cache.files import x\n    import a2pipe.cli\nfrom . import maps\n"
    )
    found = {name for _, name in imported(ast.parse(source), Path("stages/boxes.py"))}
    assert found == {"a2pipe.cache.files.x", "a2pipe.cli", "a2pipe.stages.maps"}


def test_every_room_is_known_and_holds_something():
    assert {room_of(path) for path in modules()} == {*FLOOR, "__init__"}


def test_pyproject_names_every_folder_with_code():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = settings["tool"]["setuptools"]["packages"]
    folders = {path.parent.relative_to(ROOT) for top in shipped() for path in top.rglob("*.py")}
    assert sorted(listed) == sorted(
        [".".join(["a2pipe", *folder.parts]) for folder in folders] + ["a2pipe"]
    )


def test_every_folder_of_the_package_has_an_init():
    folders = {path.parent for path in modules()}
    assert [folder for folder in folders if not (ROOT / folder / "__init__.py").exists()] == []


def loaded_after(code: str) -> set[str]:
    """Top-level packages in a fresh interpreter that has run `code`."""
    script = f"{code}\nimport json, sys\nprint(json.dumps([name for name in sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    return {name.split(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


@pytest.mark.parametrize(
    "code",
    [
        "import a2pipe",
        "import a2pipe.cli",
        "import a2pipe.cli as c; c.cli.main(['--help'], standalone_mode=False)",
        "import a2pipe.cli as c; c.cli.main(['build-matrix', '--help'], standalone_mode=False)",
        "import a2pipe.cli as c; c.cli.main(['--version'], standalone_mode=False)",
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(code):
    assert loaded_after(code) & set(HEAVY) == set()


def test_help_names_every_command():
    from a2pipe.cli import cli

    command = [sys.executable, "-c", "from a2pipe.cli import main; main()", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert done.stderr == ""
    assert [name for name in cli.commands if f"\n  {name} " not in done.stdout] == []
