"""All plots share the colours of their text, and the way a figure becomes a PNG.

Figures are drawn on matplotlib's Agg canvas without pyplot, so that there is no global state and no
display is needed.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, MUTED, RULE = "#1b1f24", "#5b6470", "#e6e8eb"


def png(figure: Figure, *, cropped: bool, dpi: int = 150, comment: str = "") -> bytes:
    """Return the figure as PNG on white; equal figures give equal bytes.

    cropped: whether the picture is cut to what is drawn instead of having the figure's size.
    comment: a text that the file holds beside the picture, for `comment_of`; none if empty.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    content = io.BytesIO()
    figure.savefig(
        content,
        format="png",
        dpi=dpi,
        facecolor="white",
        bbox_inches="tight" if cropped else None,
        # Else matplotlib writes its version, and another version would give other bytes.
        metadata={"Software": "a2pipe", **({"Comment": comment} if comment else {})},
    )
    return content.getvalue()


def comment_of(content: bytes) -> str:
    """Return the comment of a PNG file; "" if it has none, is damaged, or is no PNG file."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            comment = str(image.info.get("Comment", ""))
            image.verify()
    except Exception:  # Pillow raises nearly anything for a damaged file
        return ""
    return comment
