"""Make names of models and other long texts fit where they stand."""

import re
from textwrap import TextWrapper


class _NameWrapper(TextWrapper):
    """It breaks lines after the signs that join the parts of a model's name, too."""

    wordsep_re = re.compile(r"([^ _./-]*[_./-]| +)")


def wrapped(text: str, width: int) -> str:
    """Return the text in lines of at most `width` characters.

    Lines are broken after spaces, underscores, hyphens, dots and slashes, and anywhere in a part
    that is longer than a line.
    """
    return "\n".join(_NameWrapper(width).wrap(text))


def shortened(text: str, longest: int = 44) -> str:
    """Return the text on one line, with "…" for its middle if it has more than `longest`
    characters."""
    text = " ".join(text.split())
    if len(text) <= longest:
        return text
    kept = longest - 1
    return f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"
