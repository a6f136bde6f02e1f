"""Object discovery on a dataset: right numbers, records, and what cannot be compared."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.ops import box_iou

from a2pipe.cache.records import read_record
from a2pipe.cache.references import Reference, uses_of
from a2pipe.errors import UsageError
from a2pipe.metrics.mean_intervals import mean_intervals
from a2pipe.pipeline.results import discover as module
from a2pipe.pipeline.results.discover import discover
from a2pipe.pipeline.session import open_session
from a2pipe.pipeline.shards.bad_images import BadImagesError
from a2pipe.stages.attention import grid_map

from ..conftest import tiny_experiment, write_images
from .conftest import without_boxes

SMALL, RANDOM = "demo_localizer_s", "demo_localizer_s_random"
WIDTH, HEIGHT, MASKED = 40, 30, 9


@pytest.fixture
def voc(tmp_path):
    """A Pascal VOC 2012 of 24 images, each with a box, of which nine have masks."""
    root = tmp_path / "VOC2012"
    rows = write_images(root / "JPEGImages", 24)
    for folder in ("Annotations", "SegmentationClass", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    for number, row in enumerate(rows):
        name = row["path"].removesuffix(".png")
        image = root / "JPEGImages" / row["path"]
        Image.open(image).save(image.with_suffix(".jpg"), quality=95)
        box = [row["x0"] + 1, row["y0"] + 1, row["x1"], row["y1"]]
        corners = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
        text = "".join(f"<{side}>{value}</{side}>" for side, value in corners)
        (root / "Annotations" / f"{name}.xml").write_text(
            f"<annotation><object><name>cat</name><bndbox>{text}</bndbox></object></annotation>"
        )
        if number < MASKED:
            mask = np.zeros((HEIGHT, WIDTH), np.uint8)
            mask[row["y0"] : row["y1"], row["x0"] : row["x1"]] = 8
            mask[row["y0"], row["x0"] : row["x1"]] = 255
            Image.fromarray(mask, "P").save(root / "SegmentationClass" / f"{name}.png")
    names = [row["path"].removesuffix(".png") for row in rows]
    (root / "ImageSets" / "Main" / "trainval.txt").write_text("\n".join(names))
    return root


@pytest.fixture
def experiment(voc):
    def make(**sections):
        dataset = {"name": "voc12", "root": str(voc)}
        return tiny_experiment(
            voc, **{"dataset": dataset, "attention": {"models": [SMALL]}, **sections}
        )

    return make


def discovered(experiment, cache):
    """What is found, and the forward passes it took."""
    session = open_session(experiment, cache)
    return discover(session), session.stats.forward_passes


def reached(mask, start):
    """The cells of the mask that steps to the sides reach from `start`."""
    found, front = set(), [start]
    while front:
        y, x = front.pop()
        if 0 <= y < len(mask) and 0 <= x < len(mask) and mask[y][x] and (y, x) not in found:
            found.add((y, x))
            front += [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
    return found


def foreground(cells, threshold):
    """The cells of a map that count, one by one."""
    flat = cells.ravel().tolist()
    if threshold == "mean+std":
        mean = sum(flat) / len(flat)
        cut = mean + (sum((each - mean) ** 2 for each in flat) / len(flat)) ** 0.5
        above = cells > cut
        return above if above.any() else np.arange(len(flat)).reshape(cells.shape) == cells.argmax()
    kept, held = set(), 0.0
    for place in sorted(range(len(flat)), key=lambda place: -flat[place]):
        if held >= 0.6 * sum(flat):
            break
        kept.add(place)
        held += flat[place]
    return np.isin(np.arange(len(flat)), sorted(kept)).reshape(cells.shape)


def test_numbers_are_those_of_a_plain_loop(experiment, cache):
    session = open_session(experiment(), cache)
    found = discover(session)
    collection, (row,) = session.collection, session.plan.rows
    assert [line.threshold for line in found.lines] == ["mean+std", "top60"]
    for line in found.lines:
        hits, overlaps = [], []
        for sample, digest in enumerate(collection.digests):
            (cells,) = grid_map(row.map, session.read(row.map.attention, [digest]), 1)
            mask = foreground(cells, line.threshold)
            part = reached(mask, divmod(int(cells.argmax()), len(cells)))
            ys, xs = zip(*part, strict=True)
            edges = np.array([min(xs), min(ys), max(xs) + 1, max(ys) + 1]) / len(cells)
            box = edges * [WIDTH, HEIGHT, WIDTH, HEIGHT]
            truth = torch.from_numpy(collection.boxes[sample])
            hits.append(float(box_iou(torch.from_numpy(box)[None], truth).max() >= 0.5))
            if collection.masks[sample]:
                pixels = np.asarray(Image.open(collection.masks[sample]).resize((48, 48), 0))
                shown = mask.repeat(8, axis=0).repeat(8, axis=1)
                counted = pixels != 255
                union = ((pixels > 0) | shown) & counted
                overlaps.append((shown & (pixels > 0) & counted).sum() / union.sum())
        assert (line.corloc.n, line.corloc.n_left_out) == (24, 0)
        assert (line.miou.n, line.miou.n_left_out) == (MASKED, 24 - MASKED)
        assert line.corloc.mean == pytest.approx(np.mean(hits))
        assert line.miou.mean == pytest.approx(np.mean(overlaps))
        for estimate, values in ((line.corloc, hits), (line.miou, overlaps)):
            low, high = mean_intervals([np.array(values)])[0]
            assert [estimate.low, estimate.high] == pytest.approx([low, high])
    assert found.lines[0].corloc.mean > 0, "the check needs images in which objects are found"


@pytest.mark.parametrize("source", ["patch-score", "votes:9", "pooled-score:9"])
def test_statistics_of_patches_are_thresholded_as_they_are(source, experiment, cache):
    attention = {"models": [SMALL], "source": [source]}
    session = open_session(experiment(attention=attention), cache)
    line = discover(session).lines[0]
    collection, (row,) = session.collection, session.plan.rows
    hits = []
    for sample, digest in enumerate(collection.digests):
        stored = session.read(row.map.attention, [digest]).astype(np.float64)
        cells = stored.reshape(6, 6)
        part = reached(foreground(cells, "mean+std"), divmod(int(cells.argmax()), 6))
        ys, xs = zip(*part, strict=True)
        edges = np.array([min(xs), min(ys), max(xs) + 1, max(ys) + 1]) / 6
        box = edges * [WIDTH, HEIGHT, WIDTH, HEIGHT]
        truth = torch.from_numpy(collection.boxes[sample])
        hits.append(float(box_iou(torch.from_numpy(box)[None], truth).max() >= 0.5))
    assert line.corloc.mean == pytest.approx(np.mean(hits))
    assert line.map.startswith(f"{SMALL}, ")


def test_a_second_run_computes_nothing(experiment, cache, written):
    first, passes = discovered(experiment(), cache)
    assert sum(passes.values()) == 24
    assert written == ["DiscoverSpec"] * 4
    again, passes = discovered(experiment(), cache)
    assert sum(passes.values()) == 0
    assert written == ["DiscoverSpec"] * 4
    assert again.lines == first.lines


def test_other_masks_are_measured_anew_and_boxes_are_not(experiment, cache, written, voc):
    discovered(experiment(), cache)
    path = min((voc / "SegmentationClass").glob("*.png"))
    Image.fromarray(np.full((HEIGHT, WIDTH), 3, np.uint8), "P").save(path)
    discovered(experiment(), cache)
    assert len(written) == 6


def test_the_same_masks_of_other_images_are_measured_anew(experiment, cache, written, voc):
    found, _ = discovered(experiment(), cache)
    masks = sorted((voc / "SegmentationClass").glob("*.png"))
    images = sorted((voc / "JPEGImages").glob("*.jpg"))
    masks[-1].rename(masks[-1].with_name(f"{images[MASKED].stem}.png"))
    again, _ = discovered(experiment(), cache)
    assert len(written) == 6
    assert again.lines[0].miou.record != found.lines[0].miou.record


def test_how_images_are_dealt_out_changes_nothing(experiment, cache, tmp_path, monkeypatch):
    expected, _ = discovered(experiment(), cache)
    monkeypatch.setattr(module, "READ_AT_ONCE", 7)
    monkeypatch.setattr(module, "MEASURED_AT_ONCE", 3)
    found, _ = discovered(experiment(), tmp_path / "other")
    assert found.lines == expected.lines


def test_every_map_of_the_experiment_is_compared(experiment, cache):
    attention = {"models": [SMALL, RANDOM], "heads": ["mean", "max"], "layers": "all"}
    found, passes = discovered(experiment(attention=attention), cache)
    assert len(found.lines) == 2 * 4 * 2 * 2
    assert sum(passes.values()) == 2 * 24
    assert {line.kind for line in found.lines if line.model == RANDOM} == {"control"}
    assert found.lines[2].map == f"{SMALL}, block 1, max over heads"


def test_values_per_image_are_kept_from_the_collector(experiment, cache):
    session = open_session(experiment(), cache)
    line = discover(session).lines[0]
    _, arrays = read_record(cache / "discovery" / f"{line.miou.record}.json")
    assert arrays["index"].tolist() == list(range(MASKED))
    assert arrays["value"].mean() == pytest.approx(line.miou.mean)
    uses = uses_of(cache, Reference("tiny", session.experiment.origin, "discover"))
    assert {line.corloc.record, line.miou.record} <= uses


def test_images_without_an_object_are_counted(experiment, cache, voc):
    min((voc / "Annotations").glob("*.xml")).write_text("<annotation></annotation>")
    found, _ = discovered(experiment(), cache)
    assert (found.lines[0].corloc.n, found.lines[0].corloc.n_left_out) == (23, 1)


def test_bad_images_are_left_out_if_asked_for(experiment, cache, voc):
    min((voc / "JPEGImages").glob("*.jpg")).write_bytes(b"torn")
    with pytest.raises(BadImagesError):
        discovered(experiment(), cache)
    run = {"batch_size": 16, "shard_size": 32, "device": "cpu", "skip_bad_images": True}
    found, _ = discovered(experiment(run=run), cache)
    assert (found.lines[0].corloc.n, found.lines[0].miou.n) == (23, MASKED - 1)
    assert len(found.run["bad_images"]) == 1


def test_what_cannot_be_compared_is_refused_before_anything_is_computed(tmp_path, cache):
    images = without_boxes(tmp_path / "plain")
    session = open_session(tiny_experiment(images), cache)
    with pytest.raises(UsageError, match="has no boxes and no masks in the split test"):
        discover(session)
    assert session.stats.forward_passes == {}


def test_a_model_is_needed(experiment, cache):
    session = open_session(experiment(attention={"models": []}), cache)
    with pytest.raises(UsageError, match="Name at least one attention model with --model"):
        discover(session)


def test_the_command_prints_a_table_with_published_rows(command, voc, cache):
    base = ["--dataset", "voc12", "--root", voc, "--image-size", "48", "--cache", cache, "-q"]
    outcome = command("discover", *base, "--model", SMALL, "--device", "cpu")
    assert outcome.code == 0
    assert "demo_localizer_s, block 4" in outcome.out
    assert "published: LOST, DINO ViT-S" in outcome.out
    assert "published: LaSt-ViT, supervised ViT-B/16" in outcome.out
    content = json.loads(command("discover", *base, "--model", SMALL, "--json").out)
    assert content["lines"][0]["corloc"]["n"] == 24
    assert {each["metric"] for each in content["published"]} == {"corloc", "miou"}
