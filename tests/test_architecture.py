"""Who may import whom, read from the source; and what stays out of a process until it is needed."""

import ast
import json
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import a2pipe

ROOT = Path(a2pipe.__file__).parent
FLOORS = (
    ("cli",),
    ("commands",),
    ("paper",),
    ("training",),
    ("pipeline",),
    ("stages", "reports"),
    ("models", "datasets", "heads", "metrics", "cache"),
    ("files", "registry"),
    ("workers",),
    ("errors", "version", "machine", "shared_memory", "ending"),
)
"""Rooms at the root, from the top floor down; a room imports from lower floors only."""
PIPELINE_FLOORS = (
    ("cluster", "predict", "api"),
    ("results", "inspect"),
    ("session",),
    ("shards",),
    ("planning",),
    ("experiment",),
)
"""Rooms of pipeline/, likewise."""
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
PIPELINE_FLOOR = {room: number for number, rooms in enumerate(PIPELINE_FLOORS) for room in rooms}
MOST_MODULES = 16
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
    "jinja2",
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


def modules_imported(path: Path) -> Iterator[tuple[int, Path]]:
    """Line and file of every import of the package; other packages are left out."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"), str(path))
    for line, name in imported(tree, path):
        parts = name.split(".")
        if parts[0] == "a2pipe":
            yield line, module_at(tuple(parts[1:]))
        elif parts[0] in NOT_SHIPPED:
            yield line, Path(parts[0])


def module_at(parts: tuple[str, ...]) -> Path:
    """The file that a dotted name below the package is found in: of itself, or as its attribute."""
    for length in (len(parts), len(parts) - 1):
        stem = Path(*parts[: max(length, 0)])
        if stem.parts and (ROOT / stem).with_suffix(".py").exists():
            return stem.with_suffix(".py")
        if (ROOT / stem / "__init__.py").exists():
            return stem / "__init__.py"
    return Path(*parts)


def may_import(importer: Path, imported: Path) -> bool:
    """Downwards only, at the root and inside pipeline/; inside any other room freely."""
    upper, lower = room_of(importer), room_of(imported)
    if lower == "__init__":
        return False  # nobody needs the package's own __init__: its version is in version.py
    if upper == lower == "pipeline":
        return _inside_pipeline(importer, imported)
    if upper == lower or upper == "__init__":
        return lower in FLOOR
    if lower not in FLOOR:
        return False
    if upper == "reports":
        return lower == "metrics" or FLOOR[lower] > FLOOR["metrics"]
    return FLOOR[upper] < FLOOR[lower]


def _inside_pipeline(importer: Path, imported: Path) -> bool:
    upper, lower = (path.parts[1].removesuffix(".py") for path in (importer, imported))
    return upper == lower or PIPELINE_FLOOR[upper] < PIPELINE_FLOOR[lower]


@pytest.mark.parametrize("path", modules(), ids=str)
def test_imports_point_downwards(path):
    wrong = [
        f"{path}:{line} imports {other}"
        for line, other in modules_imported(path)
        if not may_import(path, other)
    ]
    assert wrong == []


def test_no_module_imports_itself_by_way_of_others():
    graph = {path: {other for _, other in modules_imported(path)} for path in modules()}
    del graph[Path("__init__.py")]
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(map(str, error.args[1])))


def test_folders_of_datasets_do_not_import_each_other_in_a_circle():
    """The registry reaches the formats and benchmarks by name only, as it does plug-ins."""
    graph: dict[Path, set[Path]] = {}
    for path in modules():
        for _, other in modules_imported(path):
            if room_of(path) == room_of(other) == "datasets" and path.parent != other.parent:
                graph.setdefault(path.parent, set()).add(other.parent)
    assert list(TopologicalSorter(graph).static_order())[:2] == [
        Path("datasets/images"),
        Path("datasets"),
    ]


def test_no_folder_has_more_modules_than_a_reader_can_hold():
    counts = Counter(path.parent for path in modules() if path.name != "__init__.py")
    assert {str(folder): n for folder, n in counts.items() if n > MOST_MODULES} == {}


def test_every_module_has_a_test_file_of_its_name():
    """Except version.py, which holds one name, and the files that make folders packages."""
    tested = [path for path in modules() if path.name not in ("__init__.py", "version.py")]
    mirrored = {path: Path("tests", path.parent, f"test_{path.name}") for path in tested}
    assert [str(path) for path, test in mirrored.items() if not (ROOT / test).is_file()] == []


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("cli.py", "commands/paper.py", True),
        ("commands/paper.py", "cli.py", False),
        ("commands/paper.py", "pipeline/session.py", True),
        ("paper/run.py", "pipeline/results/matrix.py", True),
        ("training/loop.py", "pipeline/planning/collection.py", True),
        ("models/classifiers/network.py", "training/loop.py", False),
        ("pipeline/session.py", "paper/run.py", False),
        ("pipeline/session.py", "commands/paper.py", False),
        ("pipeline/session.py", "reports/tables.py", True),
        ("pipeline/session.py", "pipeline/shards/local.py", True),
        ("pipeline/shards/local.py", "pipeline/session.py", False),
        ("pipeline/shards/local.py", "pipeline/cluster/dask/run.py", False),
        ("pipeline/cluster/dask/run.py", "pipeline/shards/local.py", True),
        ("pipeline/cluster/dask/run.py", "pipeline/predict/predict.py", False),
        ("pipeline/planning/plan.py", "pipeline/shards/task.py", False),
        ("pipeline/planning/plan.py", "pipeline/planning/rows.py", True),
        ("stages/boxes/box.py", "pipeline/session.py", False),
        ("stages/boxes/box.py", "reports/tables.py", False),
        ("reports/tables.py", "stages/boxes/box.py", False),
        ("reports/tables.py", "cache/catalog.py", False),
        ("reports/tables.py", "metrics/groups.py", True),
        ("reports/tables.py", "files.py", True),
        ("models/backbone.py", "cache/catalog.py", False),
        ("cache/catalog.py", "errors.py", True),
        ("errors.py", "cache/catalog.py", False),
        ("cache/catalog.py", "__init__.py", False),
        ("pipeline/session.py", "tests", False),
        ("heads/dfr.py", "benchmarks", False),
        ("heads/dfr.py", "scripts", False),
    ],
)
def test_the_rule_is_the_rule(importer, imported, allowed):
    assert may_import(Path(importer), Path(imported)) is allowed


def test_imports_inside_functions_and_relative_ones_are_seen():
    source = (
        "def f():\n    from ..cache.files import x\n    import a2pipe.cli\nfrom . import maps\n"
    )
    found = {name for _, name in imported(ast.parse(source), Path("stages/localization.py"))}
    assert found == {"a2pipe.cache.files.x", "a2pipe.cli", "a2pipe.stages.maps"}


def test_every_room_is_known_and_holds_something():
    assert {room_of(path) for path in modules()} == {*FLOOR, "__init__"}
    inside = {
        path.parts[1].removesuffix(".py") for path in modules() if room_of(path) == "pipeline"
    }
    assert inside - {"__init__"} == {*PIPELINE_FLOOR}


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
