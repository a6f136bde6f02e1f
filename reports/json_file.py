"""Files of results hold a dataclass as JSON and a format number; pydantic reads and checks them.

A number that is not finite is written as null, since JSON has no word for it; fields of the type
`FloatOrNaN` read null as NaN.
"""

import json
import math
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BeforeValidator, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError, to_jsonable_python

from ..errors import A2pipeError

T = TypeVar("T")

_EXPECTED = {"float": "number", "string": "str", "tuple": "list", "dataclass": "dict"}
"""It maps the first word of pydantic's kinds of error to what is expected, where words differ."""


def _from_null(value: Any) -> Any:
    if isinstance(value, int | float) and abs(value) > sys.float_info.max:
        raise PydanticCustomError("too_large", "too large")
    return math.nan if value is None else value


FloatOrNaN = Annotated[float, BeforeValidator(_from_null)]
"""It is a float that may be NaN, which is null in JSON; infinity is refused."""


@dataclass(frozen=True)
class JsonFile(Generic[T]):
    """A JsonFile is one kind of file that holds a dataclass.

    record: the dataclass.
    format: number of the form that is written; files of a higher one are refused.
    kind: the value of the file's key "kind"; "" for files without that key.
    foreign: what is said of a file that is not of this kind, such as "is no localisation study".
    again: what to do about a broken file, such as "write the report again".
    """

    record: type[T]
    format: int
    kind: str
    foreign: str
    again: str

    def content(self, value: T) -> dict[str, Any]:
        """Return the record as plain JSON values; NumPy's scalars become numbers, paths text."""
        plain = to_jsonable_python(value, inf_nan_mode="null", fallback=lambda each: each.item())
        return {"format": self.format, **({"kind": self.kind} if self.kind else {}), **plain}

    def text(self, value: T) -> str:
        """Return the record as indented JSON text."""
        return json.dumps(self.content(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def parse(self, content: Any, where: str) -> T:
        """Return the record of which `content` made these values.

        Unknown keys are passed over, and a missing key takes the default of its field. where:
        what errors call the file.

        Raises A2pipeError, in one sentence with the place, for another kind of file, a newer
        format, a missing key without default, or a value of another type.
        """
        self._check_kind(content, where)
        try:
            # Strict: 1.0 is no int and true is no number. From text, as in strict mode only JSON's
            # lists may become tuples.
            found = TypeAdapter(self.record).validate_json(json.dumps(content), strict=True)
        except ValidationError as error:
            raise A2pipeError(_sentence(error.errors(), where)) from error
        return found

    def read(self, path: Path) -> T:
        """Return the record of a file. Raises A2pipeError as `parse`, and if it cannot be read."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise A2pipeError(f"Cannot read {path}: {error.strerror}; check the path.") from error
        except RecursionError as error:
            raise A2pipeError(f"{path} is nested too deeply; {self.again}.") from error
        except ValueError as error:
            raise A2pipeError(f"{path} is not JSON ({error}); {self.again}.") from error
        return self.parse(content, str(path))

    def _check_kind(self, content: Any, where: str) -> None:
        known = content if isinstance(content, dict) else {}
        found = known.get("format")
        if known.get("kind", "") != self.kind or type(found) is not int or found < 1:
            raise A2pipeError(f"{where} {self.foreign}.")
        if found > self.format:
            raise A2pipeError(
                f"{where} has format {found}, was written by a newer version of a2pipe and cannot "
                f"be read by this one (format {self.format}); update a2pipe."
            )


def _sentence(errors: Sequence[ErrorDetails], where: str) -> str:
    """Return the first error as a sentence with its place: "matrix.cells[1] has no 'wga'; ..."."""
    first = errors[0]
    kind, value, steps = first["type"], first["input"], first["loc"]
    missing = steps[-1] if kind == "missing" else None
    within = steps if missing is None else steps[:-1]
    place = where + "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in within)
    if kind == "too_long" or isinstance(missing, int):
        wanted = first.get("ctx", {}).get("max_length", len(value) + len(errors))
        return f"{place} has {len(value)} values, where {wanted} are expected."
    if missing is not None:
        return f"{place} has no '{missing}'; the file is incomplete, write it again."
    # pydantic's parser (2.14) takes no 200 levels and no half characters.
    if kind == "json_invalid":
        return f"{where} cannot be read: {first['ctx']['error']}; mend the file."
    if kind == "too_large":
        return f"{place} is larger than any number that is computed with; mend the file."
    if kind == "literal_error":
        known = ", ".join(re.findall(r"'(.*?)'", first["ctx"]["expected"]))
        return f"{place} is {value!r}, which is none of {known}."
    word = kind.split("_")[0]
    return f"{place} is {value!r}, where a {_EXPECTED.get(word, word)} is expected."
