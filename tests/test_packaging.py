"""The wheel and the sdist: what is in them, and that the wheel works outside the checkout."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import a2pipe

ROOT = Path(a2pipe.__file__).parent
NOT_SHIPPED = ("tests", "benchmarks", "scripts", "docs", "shared", "results", "build", "dist")
WEIGHTS = [
    f"models/demo_weights/demo_{role}_{size}.safetensors"
    for role in ("localizer", "embedder")
    for size in ("s", "m")
]


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Standard output of a command that has to succeed."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist, built from a copy so that the checkout stays clean."""
    folder = tmp_path_factory.mktemp("package")
    source = folder / "source"
    everywhere = shutil.ignore_patterns(".*", "*.egg-info", "__pycache__")

    def aside(folder: str, names: list[str]) -> set[str]:
        """What is left out: at the root also what no clone has; pipeline/ has a room `results`."""
        at_root = set(NOT_SHIPPED[4:]) if Path(folder) == ROOT else set()
        return everywhere(folder, names) | at_root.intersection(names)

    shutil.copytree(ROOT, source, ignore=aside)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, source, cwd=folder)
    return folder


@pytest.fixture(scope="session")
def wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def sdist(built: Path) -> Path:
    (found,) = built.glob("*.tar.gz")
    return found


@pytest.fixture(scope="session")
def in_wheel(wheel: Path) -> set[str]:
    """Paths in the wheel below the package."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names} == {"a2pipe", metadata_folder(wheel)}
    return {name.removeprefix("a2pipe/") for name in names if name.startswith("a2pipe/")}


def metadata_folder(wheel: Path) -> str:
    return "-".join(wheel.name.split("-")[:2]) + ".dist-info"


def test_the_wheel_is_for_every_platform(wheel):
    assert wheel.name == f"a2pipe-{a2pipe.__version__}-py3-none-any.whl"


def test_the_wheel_has_every_module_and_nothing_beside_the_package(in_wheel):
    modules = {str(path.relative_to(ROOT)) for path in ROOT.glob("*.py")}
    for folder in packages():
        modules |= {str(path.relative_to(ROOT)) for path in (ROOT / folder).glob("*.py")}
    assert {name for name in in_wheel if name.endswith(".py")} == modules
    assert {name.split("/")[0] for name in in_wheel} & set(NOT_SHIPPED) == set()


def packages() -> list[str]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    listed = settings["tool"]["setuptools"]["packages"]
    inside = [name.removeprefix("a2pipe.") for name in listed if name != "a2pipe"]
    return [name.replace(".", "/") for name in inside]


def test_the_wheel_has_its_data(in_wheel):
    patterns = (
        "models/demo_weights/*.safetensors",
        "pipeline/cluster/batch/templates/*",
        "paper/published_data/*.csv",
        "reports/templates/*",
    )
    data = {str(path.relative_to(ROOT)) for pattern in patterns for path in ROOT.glob(pattern)}
    assert {name for name in in_wheel if not name.endswith(".py")} == {"py.typed", *data}
    assert data >= {*WEIGHTS, "paper/published_data/a2_tables.csv"}


def test_the_shipped_weights_stay_small():
    assert sum((ROOT / name).stat().st_size for name in WEIGHTS) < 12_000_000


def test_the_wheel_says_what_it_is(wheel):
    with zipfile.ZipFile(wheel) as archive:
        folder = metadata_folder(wheel)
        metadata = archive.read(f"{folder}/METADATA").decode()
        entry_points = archive.read(f"{folder}/entry_points.txt").decode()
        licences = [name for name in archive.namelist() if name.endswith("licenses/LICENSE")]
    assert "License-Expression: Apache-2.0" in metadata
    assert "Requires-Python: >=3.11" in metadata
    assert "a2pipe = a2pipe.cli:program" in entry_points
    assert len(licences) == 1


def test_the_sdist_has_what_the_wheel_is_built_from(sdist, in_wheel):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert in_wheel | {"pyproject.toml", "README.md", "LICENSE"} <= names


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel alone, installed into an empty folder."""
    folder = tmp_path_factory.mktemp("installed")
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index")
    run(*pip, "--target", folder / "site", wheel, cwd=folder)
    return folder


def installed_python(installed: Path, *arguments: str | Path) -> str:
    """Run Python where the installed package comes first, away from the checkout."""
    here = {"PYTHONPATH": str(installed / "site"), "HF_HUB_OFFLINE": "1", "PYTHONSAFEPATH": "1"}
    return run(sys.executable, *arguments, cwd=installed, **here)


def test_the_installed_package_is_the_one_imported(installed):
    where = installed_python(installed, "-c", "import a2pipe; print(a2pipe.__file__)")
    assert Path(where.strip()) == installed / "site" / "a2pipe" / "__init__.py"


def test_the_installed_script_answers(installed):
    script = installed / "site" / "bin" / "a2pipe"
    assert installed_python(installed, script, "--version").split() == [
        "a2pipe,",
        "version",
        a2pipe.__version__,
    ]


@pytest.mark.slow
def test_the_installed_demo_runs(installed):
    script = installed / "site" / "bin" / "a2pipe"
    demo = (script, "demo", "--limit", "200", "--cache", "cache", "--out", "out", "--json")
    matrix = json.loads(installed_python(installed, *demo))
    assert {cell["n_train"] + cell["n_test"] for cell in matrix["cells"]} == {200}
    assert len(matrix["cells"]) == len(matrix["rows"]) * len(matrix["columns"])
    assert Path(matrix["files"]["report.html"]).parent == (installed / "out").resolve()
    assert all(Path(path).stat().st_size for path in matrix["files"].values())
    again = json.loads(installed_python(installed, *demo))
    assert again["cells"] == matrix["cells"]
    assert again["run"]["forward_passes_total"] == 0
