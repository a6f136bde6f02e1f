"""The part of the page that shows images: what attention chose, by group, right and wrong apart."""

from __future__ import annotations

from collections.abc import Sequence

from . import markup
from .markup import tag
from .overlay import draw_attention, draw_boxes
from .results import GalleryItem

_KEY = (
    '<ul class="key"><li><i class="crop"></i>crop chosen</li>'
    '<li><i class="truth"></i>ground truth</li>'
    "<li>left: the image as the model sees it; right: its attention, brightest at the peak</li>"
    "</ul>"
)


def gallery_section(group_names: Sequence[str], items: Sequence[GalleryItem], about: str) -> str:
    """Markup of the gallery, "" without items; groups in the given order, others after them."""
    if not items:
        return ""
    others = sorted({item.group for item in items} - set(group_names))
    parts = [tag("h2", "Images"), tag("p", markup.text(about)) if about else "", _KEY]
    parts += [_group(name, items) for name in (*group_names, *others)]
    return "\n".join(part for part in parts if part)


def _group(name: str, items: Sequence[GalleryItem]) -> str:
    here = [item for item in items if item.group == name]
    if not here:
        return ""
    right = _verdict("Right", [item for item in here if item.right])
    wrong = _verdict("Wrong", [item for item in here if not item.right])
    verdicts = tag("div", right + wrong, class_="verdicts")
    return tag("section", tag("h3", markup.name(name)) + verdicts)


def _verdict(title: str, items: Sequence[GalleryItem]) -> str:
    if not items:
        return ""
    figures = "".join(map(_figure, items))
    heading = tag("h4", f"{title} ({len(items)} shown)", class_=title.lower())
    return tag("div", heading + tag("div", figures, class_="gallery"))


def _figure(item: GalleryItem) -> str:
    image = draw_boxes(item.image, item.boxes, item.truth)
    attention = draw_attention(item.image, item.attention, item.boxes, item.truth)
    both = markup.picture(image, f"{item.name}: the image with its crops")
    both += markup.picture(attention, f"{item.name}: its attention with the crops")
    verdict = f"{item.label}, predicted {item.predicted}"
    caption = markup.name(verdict) + "<br>" + markup.name(item.name)
    return tag("figure", tag("div", both) + tag("figcaption", caption))
