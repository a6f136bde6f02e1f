"""What the end-to-end check needs and this Python lacks: `python benchmarks/dependencies.py`.

Prints a line for each package of pyproject.toml that is missing or too old, and exits with 1 if
there is one; then a line for each thing without which a part is left out. Needs nothing itself.
"""

from __future__ import annotations

import re
import shutil
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

PROJECT = Path(__file__).parent.parent / "pyproject.toml"
REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(\[.*\])?>=(?P<least>[\d.]+)")


def lacking(project: Path = PROJECT) -> Iterator[str]:
    """A line for each package that is missing or older than pyproject.toml asks for."""
    for requirement in tomllib.loads(project.read_text())["project"]["dependencies"]:
        found = REQUIREMENT.match(requirement)
        assert found, requirement
        name, least = found["name"], found["least"]
        try:
            present = version(name)
        except PackageNotFoundError:
            yield f"missing: {requirement}"
        else:
            if numbers(present) < numbers(least):
                yield f"too old: {name} {present}, and {requirement} is needed"


def numbers(text: str) -> tuple[int, ...]:
    """The leading numbers of a version: (2, 14, 1) of 2.14.1+cu130."""
    return tuple(map(int, re.findall(r"\d+", re.match(r"[\d.]*", text)[0])))  # type: ignore[index]


def left_out() -> Iterator[str]:
    """A line for each thing that is not there and without which the rest still runs."""
    if not find_spec("triton") or not any(map(shutil.which, ("cc", "gcc", "clang"))):
        yield "without Triton and a C compiler: no compiled forward passes"
    if not find_spec("torch"):
        return
    import torch

    if not torch.cuda.is_available():
        yield "without CUDA: no nvJPEG, and nothing here is the speed of a GPU"


def main() -> int:
    missing = list(lacking())
    print(*missing, *left_out(), sep="\n", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
