"""Boxes under a geometry, from the dataset to records, messages and the gallery."""

import numpy as np
import pytest

from a2pipe.errors import UsageError
from a2pipe.pipeline.experiment.load import load_experiment
from a2pipe.pipeline.results.localize import Measurements
from a2pipe.pipeline.results.matrix import build_matrix
from a2pipe.pipeline.results.report import gallery
from a2pipe.pipeline.results.study import make_study
from a2pipe.pipeline.session import open_session
from a2pipe.pipeline.shards.progress import SilentProgress
from a2pipe.stages.attention import grid_map
from a2pipe.stages.crops import PADDING
from a2pipe.stages.maps import upsample

from .conftest import write_images, write_manifest

CROPPED = {"size": 48, "geometry": "center-crop"}
LETTERBOXED = {"size": 48, "geometry": "letterbox"}
SHORT, CLIP = {"size": 48, "geometry": "short-256"}, {"size": 48, "geometry": "open-clip"}


class Said(SilentProgress):
    """Keeps what is said, but for the speed of the run."""

    def __init__(self):
        self.lines = []

    def say(self, line):
        if "images/s" not in line:
            self.lines.append(line)


def mapped(box, geometry):
    """A box of an image of 40 x 30 px on the canvas of 48."""
    x0, y0, x1, y1 = box
    if geometry == "letterbox":
        return [x0 * 1.2, y0 * 1.2 + 6, x1 * 1.2, y1 * 1.2 + 6]
    if geometry == "short-256":
        f = 55 / 30
        return [x0 * f - 12, y0 * f - 3, x1 * f - 12, y1 * f - 3]
    if geometry == "open-clip":
        return [x0 * 1.6 - 8, y0 * 1.6, x1 * 1.6 - 8, y1 * 1.6]
    return [(x0 - 5) * 1.6, y0 * 1.6, (x1 - 5) * 1.6, y1 * 1.6]


@pytest.mark.parametrize(
    "image", [CROPPED, LETTERBOXED, SHORT, CLIP], ids=lambda image: image["geometry"]
)
def test_numbers_are_those_of_a_plain_loop(experiment, tmp_path, image):
    session = open_session(experiment(image=image), tmp_path / "cache")
    study = make_study(session)
    collection, (row,) = session.collection, session.plan.rows
    masses = []
    for index in np.flatnonzero(collection.splits == "test"):
        rows = session.read(row.map.attention, [collection.digests[index]])
        (pixels,) = upsample(grid_map(row.map, rows, 1), 48)
        x0, y0, x1, y1 = mapped(collection.boxes[index][0], image["geometry"])
        centres = np.arange(48) + 0.5
        inside = np.outer((y0 <= centres) & (centres < y1), (x0 <= centres) & (centres < x1))
        masses.append(pixels[inside].sum())
    assert study.geometry == image["geometry"]
    assert study.lines[0].measure("mass").mean == pytest.approx(np.mean(masses))


def test_records_of_two_geometries_lie_apart(experiment, tmp_path):
    studies = [
        make_study(open_session(experiment(image=image), tmp_path / "cache"))
        for image in ({"size": 48}, CROPPED, LETTERBOXED)
    ]
    assert len({study.lines[0].record for study in studies}) == 3
    found = [Measurements(s, s.collection) for s in sessions(experiment, tmp_path)]
    crops = {m.of_crops(m.session.plan.rows[0].boxes).record for m in found}
    assert len(crops) == 3


def sessions(experiment, tmp_path):
    return [
        open_session(experiment(image=image), tmp_path / "cache")
        for image in ({"size": 48}, CROPPED, LETTERBOXED)
    ]


def at_the_edge(images, every):
    """Every so many images get a box that a centre crop of 40 x 30 px cuts away."""
    rows = write_images(images, 80)
    for row in rows[::every]:
        row |= {"x0": 0, "x1": 5}
    write_manifest(images, rows)


def test_images_whose_boxes_are_cut_away_are_left_out_and_it_is_said(experiment, images, tmp_path):
    at_the_edge(images, 5)
    said = Said()
    session = open_session(experiment(image=CROPPED), tmp_path / "cache", said)
    (line,) = make_study(session).lines
    test = np.flatnonzero(session.collection.splits == "test")
    lost = int((test % 5 == 0).sum())
    assert (line.n, line.n_left_out) == (len(test) - lost, lost)
    assert said.lines == [
        f"{lost} images have boxes, but none that covers the centre of a pixel under "
        "image.geometry center-crop: left out, as images without boxes are."
    ]
    whole = Said()
    (line,) = make_study(open_session(experiment(), tmp_path / "cache", whole)).lines
    assert (line.n, whole.lines) == (len(test), [])


def test_where_all_boxes_are_cut_away_one_line_says_so(experiment, images, tmp_path):
    at_the_edge(images, 1)
    said = Said()
    matrix = build_matrix(open_session(experiment(image=CROPPED), tmp_path / "cache", said)).matrix
    assert matrix.localization == ()
    assert said.lines == [
        "No box of the test images covers the centre of a pixel at image.size 48 under "
        "image.geometry center-crop: mass, hit and crop hit are left out."
    ]


def test_the_gallery_shows_the_canvas_and_its_boxes(experiment, tmp_path):
    session = open_session(experiment(image=LETTERBOXED), tmp_path / "cache")
    run = build_matrix(session)
    assert {row.label for row in run.matrix.rows} == {"demo_localizer_s_random, 16 px, letterboxed"}
    attended = experiment(image=LETTERBOXED, attention={"models": ["demo_localizer_s"]})
    session = open_session(attended, tmp_path / "cache")
    items = gallery(session, build_matrix(session), each=2)
    assert items
    for item in items:
        assert (item.image[:6] == PADDING).all()
        assert (item.image[42:] == PADDING).all()
        ((x0, y0, x1, y1),) = np.rint(item.truth).astype(int)
        inside = item.image[y0 + 1 : y1 - 1, x0 + 1 : x1 - 1]
        assert np.abs(inside.astype(int) - (250 if item.label == "1" else 5)).max() <= 2


def test_a_geometry_that_does_not_exist_is_refused(experiment):
    with pytest.raises(UsageError, match="'letterbox', 'short-256' or 'open-clip', not 'fisheye'"):
        load_experiment(experiment(image={"geometry": "fisheye"}))
    with pytest.raises(UsageError, match="'resized' or 'original', not 'raw'"):
        load_experiment(experiment(crops={"source": "raw"}))
