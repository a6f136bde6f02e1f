"""Say in one sentence what pydantic found wrong with a TOML file."""

import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from ...registry import did_you_mean


def sentence_of(found: ValidationError, where: str, model: type[BaseModel]) -> str:
    """Return a sentence that says what is wrong with which key, of the first error only.

    where: a text put behind the key, such as " in birds.toml". model: the model whose validation
    failed; its keys are what a misspelt one is compared with.
    """
    error: Any = found.errors()[0]
    place = ".".join(str(part) for part in error["loc"] if not isinstance(part, int))
    message = str(error["msg"]).removeprefix("Value error, ").removesuffix(".")
    if error["type"] == "extra_forbidden":
        return f"Unknown key {place!r}{where}; {_hint(error['loc'], model)}"
    if error["type"] == "missing":
        return f"The key {place!r} is missing{where}."
    if error["type"] == "model_type":
        return f"{place!r}{where} is a section of its own: write [{place}] and its keys below."
    if error["type"] == "too_short":
        return f"{place!r}{where} needs at least one value."
    if message.startswith("Input should"):
        return f"{place!r}{where} {_expected(message)}, not {error['input']!r}."
    # A validator of ours that begins with a capital names the keys itself.
    names_keys = error["type"] == "value_error" and message[0].isupper()
    return f"{message}{where}." if names_keys or not place else f"{place!r}{where}: {message}."


def _expected(message: str) -> str:
    """Turn pydantic's "Input should be a valid integer, unable to ..." into the words of TOML."""
    wanted = re.sub(r", (unable|got) .*", "", message.removeprefix("Input "))
    return wanted.replace("valid tuple", "list").replace("valid dictionary", "table")


def _hint(location: tuple[str | int, ...], model: type[BaseModel]) -> str:
    known = list(_known_keys(location[:-1], model))
    return did_you_mean(str(location[-1]), known, f"valid keys are {', '.join(known)}.", 1, 0.5)


def _known_keys(location: tuple[str | int, ...], model: type[BaseModel]) -> Iterator[str]:
    section: Any = model
    for part in location:
        section = section.model_fields[str(part)].annotation
    yield from section.model_fields
