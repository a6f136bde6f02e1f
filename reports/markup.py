"""Small pieces of HTML: escaped text, tables, and pictures as data URIs."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray


def text(value: object) -> str:
    """Any value as escaped text."""
    return escape(str(value), quote=True)


def name(value: str) -> str:
    """Escaped text that may break after the joints of a name (underscore, hyphen, slash)."""
    return re.sub(r"([_\-/])(?=\w{3})", r"\1<wbr>", text(value))


def tag(element: str, inner: str = "", **attributes: str) -> str:
    """An element; attribute values are escaped, `inner` must be markup already.

    A trailing underscore in an attribute's name is dropped (`class_`).
    """
    given = "".join(f' {key.rstrip("_")}="{text(each)}"' for key, each in attributes.items())
    return f"<{element}{given}>{inner}</{element}>"


def table(
    caption: str, head: Iterable[str], bodies: Iterable[Iterable[str]], note: str = ""
) -> str:
    """A table with its caption, in a frame that scrolls sideways on a narrow screen.

    caption: text; head: markup of the header cells; bodies: groups of rows, each row markup;
    note: text under the table.
    """
    columns = "".join(tag("th", each, scope="col") for each in head)
    groups = "".join(tag("tbody", "".join(rows)) for rows in bodies)
    inner = tag("caption", text(caption)) + tag("thead", tag("tr", columns)) + groups
    under = tag("p", text(note), class_="note") if note else ""
    return tag("div", tag("div", tag("table", inner), class_="scroll") + under, class_="table")


def row(title: str, cells: Iterable[str]) -> str:
    """A table row: its title as the header cell, then cells that are markup already."""
    return tag("tr", tag("th", name(title), scope="row") + "".join(cells))


def picture(image: NDArray[np.uint8], alt: str) -> str:
    """An image, uint8 (H, W, 3), as an inlined JPEG of high quality."""
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(image).save(data, format="JPEG", quality=88, subsampling=0)
    source = "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode("ascii")
    height, width = image.shape[:2]
    size = {"width": str(width), "height": str(height)}
    return f'<img src="{source}" alt="{text(alt)}" {_attributes(size)} loading="lazy">'


def facts(values: Mapping[str, Any]) -> str:
    """A description list of a nested record; lists are shown one item a line.

    Keys of the outermost record are read as words; those within are names and stay as they are.
    """
    return _pairs({key.replace("_", " "): each for key, each in values.items()})


def _pairs(values: Mapping[str, Any]) -> str:
    pairs = (tag("dt", name(str(key))) + tag("dd", _fact(each)) for key, each in values.items())
    return tag("dl", "".join(pairs))


def _fact(value: Any) -> str:
    if isinstance(value, Mapping):
        return _pairs(value) if value else "none"
    if isinstance(value, list | tuple):
        return tag("ul", "".join(tag("li", _fact(each)) for each in value)) if value else "none"
    if isinstance(value, float):
        return text(f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}")
    if isinstance(value, int) and not isinstance(value, bool):
        return text(f"{value:,}")
    return text("none" if value is None or value == "" else value)


def _attributes(values: Mapping[str, str]) -> str:
    return " ".join(f'{key}="{text(each)}"' for key, each in values.items())
