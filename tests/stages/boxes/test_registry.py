"""Kinds of box by name, and those of other packages, from their files to stored embeddings."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any, ClassVar

import numpy as np
import pytest

from a2pipe import registry
from a2pipe.errors import UsageError
from a2pipe.pipeline.results.matrix import build_matrix
from a2pipe.pipeline.session import open_session
from a2pipe.stages.boxes.box import BoxSpec, NamedBoxes
from a2pipe.stages.boxes.center import CenterBox
from a2pipe.stages.boxes.registry import BOXES, box_kind, forms
from a2pipe.stages.specs import MapSpec

from ...pipeline.conftest import tiny_experiment, tiny_images


@dataclass(frozen=True)
class CornerBox(BoxSpec):
    """The size x size square at the top left."""

    form: ClassVar[str] = "corner:SIZE"
    option: ClassVar[str] = r"\d+"

    kind: str
    size: int
    canvas: int
    geometry: str = "squash"

    @classmethod
    def named(cls, option: str, canvas: Any, *_: Any) -> NamedBoxes:
        box = cls("corner", int(option), canvas.side, canvas.geometry)
        return NamedBoxes(f"corner:{box.size}", box.name, (box,), crops=(box.size,))

    def place(self, images: Sequence[str], *_: Any) -> Any:
        return np.tile(np.array([0, 0, self.size, self.size], np.int32), (len(images), 1))

    @property
    def name(self) -> str:
        return f"corner, {self.size} px"


@dataclass(frozen=True)
class PeakBox(BoxSpec):
    """The patch of largest attention."""

    form: ClassVar[str] = "peak"
    needs_map: ClassVar[bool] = True

    kind: str
    map: MapSpec
    canvas: int

    @classmethod
    def named(cls, option: str, canvas: Any, sizes: Any, placed_by: Any) -> NamedBoxes:
        del option, sizes
        return NamedBoxes("peak", "peak patch", (cls("peak", placed_by, canvas.side),))

    def place(self, images: Sequence[str], previous: Any, maps: Any) -> Any:
        del previous
        y, x = np.divmod(maps.reshape(len(images), -1).argmax(1), maps.shape[-1])
        side = self.canvas // maps.shape[-1]
        return (np.stack([x, y, x + 1, y + 1], axis=1) * side).astype(np.int32)

    @property
    def name(self) -> str:
        return "peak patch"


@dataclass(frozen=True)
class Nameless(BoxSpec):
    """A kind whose addresses could be those of a centre crop."""

    size: int
    canvas: int
    geometry: str = "squash"
    kind: str = "nameless"


@dataclass
class Thawed(BoxSpec):
    """A kind that is not frozen, so that no spec of it can be looked up."""

    kind: str
    canvas: int
    geometry: str = "squash"


@dataclass(frozen=True)
class Unplaced(BoxSpec):
    """A kind that says neither where a box lies nor what a name stands for."""

    kind: str
    canvas: int
    geometry: str = "squash"

    @property
    def name(self) -> str:
        return "somewhere"


PLUG_INS = {
    "corner": CornerBox,
    "peak": PeakBox,
    "nameless": Nameless,
    "number": int,
    "thawed": Thawed,
    "unplaced": Unplaced,
}


@pytest.fixture
def plug_ins(monkeypatch):
    """Kinds of box that another package offers; one of them takes a name that is built in."""
    points = [
        EntryPoint(name, f"{__name__}:{kind.__name__}", BOXES.group)
        for name, kind in {**PLUG_INS, "center": CornerBox}.items()
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: points * (group == BOXES.group))
    load = {point.value: PLUG_INS.get(point.name, CornerBox) for point in points}
    monkeypatch.setattr(EntryPoint, "load", lambda point: load[point.value])


def test_built_in_kinds_are_found_by_name():
    assert forms() == "full, center:SIZE, random, random:SEED or s2"
    assert box_kind("center") is CenterBox


def test_an_unknown_kind_is_a_usage_error():
    with pytest.raises(UsageError, match=r"There is no kind of box 'centre'.*'center'"):
        box_kind("centre")


@pytest.mark.usefixtures("plug_ins")
def test_a_built_in_name_cannot_be_taken_over():
    assert box_kind("center") is CenterBox


@pytest.mark.usefixtures("plug_ins")
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("number", r"'number' of .* is no frozen dataclass derived from a2pipe's BoxSpec"),
        ("thawed", r"'thawed' of .* is no frozen dataclass"),
        ("nameless", r"'nameless' of .* needs a field `kind` without a default"),
        ("unplaced", r"'unplaced' of .* lacks what BoxSpec asks of a kind: named, place\.$"),
    ],
)
def test_what_is_no_kind_of_box_or_could_be_taken_for_another_is_refused(name, problem):
    with pytest.raises(UsageError, match=problem):
        box_kind(name)


@pytest.mark.usefixtures("plug_ins")
def test_kinds_of_a_plug_in_go_through_an_experiment(tmp_path):
    model = "demo_localizer_s"
    content = tiny_experiment(
        tiny_images(tmp_path / "images"),
        attention={"models": [model]},
        crops={"sizes": [16]},
        embedding={"models": [model], "baselines": ["corner:16", "peak@24", "center:16"]},
        run={"device": "cpu", "limit": 40},
    )
    session = open_session(content, tmp_path / "cache")
    run = build_matrix(session)
    rows = {row.baseline: row for row in session.plan.rows}
    images = list(session.collection.images)

    corner, peak = rows["corner:16"], rows["peak@24"]
    assert [row.label for row in (corner, peak)] == [
        "corner, 16 px",
        f"{model}, peak patch at 24 px",
    ]
    assert peak.attention == model
    assert session.read(corner.boxes[0], images).tolist() == [[0, 0, 16, 16]] * len(images)
    patches = session.read(session.plan.attention[0], images).mean(1)[:, 1:].argmax(1)
    starts = np.stack([patches % 6, patches // 6], axis=1) * 8
    assert (session.read(peak.boxes[0], images) == np.hstack([starts, starts + 8])).all()
    for row in (corner, peak):
        assert run.matrix.cell(row.key, model, "logistic") is not None


@pytest.mark.usefixtures("plug_ins")
def test_a_form_that_a_plug_in_does_not_have_is_refused_with_all_forms(tmp_path):
    content = tiny_experiment(
        tiny_images(tmp_path / "images"), embedding={"models": [], "baselines": ["corner"]}
    )
    with pytest.raises(
        UsageError, match=r"'corner' is not understood; write full, .*, corner:SIZE or peak,"
    ):
        open_session(content, tmp_path / "cache")
