"""TOML is read and written here: any table of plain values, and a whole experiment."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w
from pydantic_core import to_jsonable_python

from ...errors import UsageError
from ...heads.registry import defaults
from .schema import Experiment


def read_toml(path: Path, kind: str, advice: str = "") -> dict[str, Any]:
    """Return the content of a TOML file.

    kind: the word for what it holds, such as "experiment". advice: what to do if it is not there.

    Raises UsageError if it cannot be read or is not valid TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"The {kind} {path} cannot be read ({reason}){advice}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}.") from error


def to_toml(experiment: Experiment, with_defaults: bool = True) -> str:
    """Return the whole experiment as TOML that reads back equal, with every default written out.

    TOML has no word for none, so a key that is not set stands in a comment, as do the defaults of
    a head's own parameters. with_defaults: off leaves out whatever was not set.

    Raises:
        UsageError: there is no such head, or a value is none where that is not the default.
    """
    # pydantic's mode "json" (2.14) would make null of infinity within options and parameters.
    values = experiment.model_dump(exclude_unset=not with_defaults)
    content = to_jsonable_python(values, inf_nan_mode="constants")
    heads, combined = content.pop("head", []), content.pop("combine", [])
    scalars = {key: value for key, value in content.items() if not isinstance(value, dict)}
    tables = {key: value for key, value in content.items() if isinstance(value, dict)}
    lines = [assignments(scalars)]
    lines += [f"[{name}]\n{assignments(table)}" for name, table in tables.items()]
    lines += [f"[[combine]]\n{assignments(rows)}" for rows in combined]
    lines += [_head_table(head, with_defaults) for head in heads]
    return "\n".join(lines)


def _head_table(head: dict[str, Any], with_defaults: bool) -> str:
    """A head as TOML, with the defaults of its own parameters in comments."""
    # As values they would make another head to the cache, which addresses it by what is given.
    known = defaults(head["kind"])
    for key, value in head.items():
        if value is None and known.get(key) is not None:
            raise UsageError(
                f"The head {head['kind']!r} has the parameter {key} = none, for which TOML has no "
                f"word, and which is not its default ({known[key]!r})."
            )
    left_out = {key: value for key, value in known.items() if key not in head}
    lines = assignments(left_out).splitlines() if with_defaults else []
    comments = [line if line.startswith("#") else f"# {line}" for line in lines]
    return "\n".join([f"[[head]]\n{assignments(head)}".rstrip(), *comments, ""])


def assignments(table: Mapping[str, Any]) -> str:
    """Return plain values by key as lines of TOML; a key without a value stands in a comment.

    Raises UsageError for a value that holds none in a list or table.
    """
    return "".join(
        f"# {_key(key)} is not set\n" if value is None else f"{_key(key)} = {toml_value(value)}\n"
        for key, value in table.items()
    )


def _key(key: str) -> str:
    return tomli_w.dumps({key: 0}).removesuffix(" = 0\n")


def toml_value(value: Any) -> str:
    """Return a plain value as TOML on one line.

    Raises UsageError for what TOML has no word for, which of plain values is none.
    """
    try:
        # Within two lists tomli_w (1.2) writes a dict as an inline table; alone, or in one list,
        # it would begin a table of the file.
        text = tomli_w.dumps({"": [[value]]})
    except TypeError as error:
        raise UsageError(f"{value!r} cannot be written as TOML: leave out what is none.") from error
    # It writes a list over several lines, an item each; within text it escapes every line break.
    joined = re.sub(r"(?<=\[)\n *|,\n *(?=\])", "", text)
    line = re.sub(r"\n *", " ", joined)
    return line.removeprefix('"" = [[').removesuffix("]] ")
