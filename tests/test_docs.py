"""The documentation is held to the code: commands parse, examples run, keys and links are right."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image
from pydantic import BaseModel

import a2pipe
from a2pipe.cli import cli
from a2pipe.commands.experiment import experiment
from a2pipe.pipeline.cluster.description import Cluster
from a2pipe.pipeline.experiment.load import load_experiment
from a2pipe.pipeline.experiment.schema import Experiment
from a2pipe.pipeline.experiment.sections import CombineSection, HeadSection, Section

ROOT = Path(a2pipe.__file__).parent
AT_THE_TOP = ("README.md", "AGENTS.md", "CONTRIBUTING.md")
PAGES = [*(ROOT / name for name in AT_THE_TOP), *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"")
INLINE = re.compile(r"`(a2pipe [^`]+)`")
PUBLISHED = re.compile(r"\b(?:dinov[23]|dino|mae|openclip)_vit\w+")

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the line of the page it begins on."""

    language: str
    text: str
    line: int


def blocks(page: Path, *languages: str) -> list[Block]:
    """The fenced blocks of a page in these languages."""
    text = page.read_text(encoding="utf-8")
    found = [
        Block(match[1], match[2], text.count("\n", 0, match.start()) + 2)
        for match in FENCE.finditer(text)
    ]
    return [block for block in found if block.language in languages]


# --- commands -----------------------------------------------------------------------------------


def command_lines(page: Path) -> Iterator[str]:
    """Lines of code a reader may type: in shell blocks, behind a "$ ", or indented by four."""
    for block in blocks(page, "console", "sh", "bash", "shell"):
        for line in block.text.replace("\\\n", " ").splitlines():
            if block.language != "console" or line.startswith("$ "):
                yield line.removeprefix("$ ")
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    yield from re.findall(r"^    (?:\$ )?(a2pipe .*)$", text, re.MULTILINE)


def commands(page: Path) -> Iterator[list[str]]:
    """The arguments of every a2pipe command of a page, without pipes behind it."""
    for line in command_lines(page):
        words = shlex.split(line, comments=True)
        if "a2pipe" in words:
            yield until_pipe(words[words.index("a2pipe") + 1 :])


def until_pipe(words: list[str]) -> list[str]:
    ends = [words.index(sign) for sign in ("|", ">", "&&", "&", "2>") if sign in words]
    return words[: min(ends, default=len(words))]


def resolve(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that the words name, and its arguments."""
    command: click.Command = cli
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        assert words[0] in command.commands, f"there is no command {' '.join(words)}"
        command, words = command.commands[words[0]], words[1:]
    return command, words


@pages
def test_commands_parse(page):
    for words in commands(page):
        command, arguments = resolve(words)
        try:
            command.make_context(command.name, list(arguments))
        except click.exceptions.Exit:
            assert {"-h", "--help", "--version"} & {*arguments}
        except click.UsageError as error:
            pytest.fail(f"a2pipe {' '.join(words)}: {error.format_message()}")


@pages
def test_commands_in_the_text_exist(page):
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for words in map(shlex.split, INLINE.findall(text)):
        command, arguments = resolve(until_pipe(words)[1:])
        known = {flag for parameter in command.params for flag in parameter.opts} | {"--help"}
        assert {word for word in arguments if word.startswith("--")} <= known, words


# --- experiments --------------------------------------------------------------------------------


@pages
def test_experiments_load(page):
    for block in blocks(page, "toml"):
        content = tomllib.loads(block.text)
        if "system" in content:
            Cluster.model_validate(content)
        elif "project" not in content:
            load_experiment({"dataset": {"name": "folder"}, **content})


def sections() -> dict[str, type[BaseModel]]:
    """The sections of an experiment by name."""
    found = {
        name: field.annotation
        for name, field in Experiment.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
    }
    return {**found, "combine": CombineSection, "head": HeadSection}


def defaults() -> dict[str, object]:
    """Every key of an experiment with its default as plain JSON; ... where there is none."""
    shown = json.loads(Experiment(dataset={"name": "x"}).model_dump_json())
    shown["head"], shown["combine"] = shown["head"][0], {"name": ""}
    keys: dict[str, object] = {name: shown[name] for name in ("notes", "metrics")}
    for name, section in sections().items():
        for key, field in section.model_fields.items():
            keys[f"{name}.{key}"] = ... if field.is_required() else shown[name][key]
    return keys


def documented() -> dict[str, tuple[str, str]]:
    """Default and flag of every key in the tables of docs/experiment-file.md."""
    text = (ROOT / "docs" / "experiment-file.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w.]+)` \| (.*?) \| (.*?) ?\| .* \|$", text, re.MULTILINE)
    return {key: (default.strip(), flag.strip(" `")) for key, default, flag in rows}


def read_default(cell: str) -> object:
    if cell == "required":
        return ...
    return None if cell == "not set" else tomllib.loads(f"x = {cell.strip('`')}")["x"]


def test_every_key_is_documented_with_its_default():
    found = {key: read_default(cell) for key, (cell, _) in documented().items() if key != "name"}
    assert found == defaults()
    assert "name" in documented()


def test_every_key_is_documented_with_its_flag():
    command = experiment.commands["show"]
    by_flag = {flag: option.name for option in command.params for flag in option.opts}
    flags = {key: flag for key, (_, flag) in documented().items() if flag}
    assert {*documented()} - {*flags} == {"notes", "combine.name"}
    expected = {key: key.replace(".", "__") for key in flags} | {
        f"head.{key}": "head__options" for key in ("name", "models")
    }
    assert {key: by_flag[flag] for key, flag in flags.items()} == expected


def test_every_key_of_a_cluster_is_documented_with_its_default():
    text = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| .* \|$", text, re.MULTILINE)
    found = {key: read_default(default) for key, default in rows}
    assert found == json.loads(Cluster().model_dump_json())


# --- links --------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pages
def test_links_lead_somewhere(page):
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for link in (markdown or html for markdown, html in LINK.findall(text)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_index_names_every_page():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    names = {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert {name for name in names if f"({name})" not in index} == set()


# --- examples in Python -------------------------------------------------------------------------

EXPERIMENT = """
[dataset]
name = "manifest"
root = "birds/metadata.csv"
options = { columns = { label = "species" } }
[image]
size = 96
[attention]
models = ["demo_localizer_s"]
[crops]
sizes = [32]
[embedding]
models = ["demo_embedder_s"]
baselines = ["full", "random"]
input_size = 48
[run]
device = "cpu"
"""


def write_birds(folder: Path, count: int = 24) -> None:
    """Small images of two species on two backgrounds, with boxes, in two splits."""
    folder.mkdir()
    lines = ["path,species,group,split,x0,y0,x1,y1"]
    for number in range(count):
        species, place = number % 2, number // 2 % 2
        pixels = np.random.default_rng(number).integers(0, 60, (40, 40, 3)) + 80 * place
        pixels[10:25, 5:20] = 250 * species
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number:02d}.png")
        split = "train" if number < count // 2 else "test"
        lines.append(f"{number:02d}.png,{species},{species} on {place},{split},5,10,20,25")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the examples name: images, an experiment, its cache and its matrix."""
    folder = tmp_path_factory.mktemp("docs")
    write_birds(folder / "birds")
    (folder / "experiment.toml").write_text(EXPERIMENT, encoding="utf-8")
    matrix = a2pipe.build_matrix(folder / "experiment.toml", cache=folder / "cache", quiet=True)
    report = folder / "results" / "experiment"
    report.mkdir(parents=True)
    (report / "matrix.json").write_text(json.dumps(matrix.to_json()), encoding="utf-8")
    return folder


def runnable(text: str) -> str:
    """An example with a shipped model in place of published ones, which need a network."""
    return PUBLISHED.sub("demo_embedder_s", text)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.name
)
def test_python_examples_run(page, workshop, monkeypatch):
    monkeypatch.chdir(workshop)
    monkeypatch.setenv("A2PIPE_CACHE", str(workshop / "cache"))
    names: dict[str, object] = {"__name__": page.stem, "__file__": str(workshop / "example.py")}
    for block in blocks(page, "python"):
        code = "\n" * (block.line - 1) + runnable(block.text)
        exec(compile(code, str(page), "exec"), names)
