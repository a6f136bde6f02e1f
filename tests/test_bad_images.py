"""A folder with every kind of bad image: the good ones come out right, the bad ones are listed."""

import json
import shutil
import struct
import subprocess
import sys
import zlib
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from a2pipe.cache.artifact import Artifact

from .conftest import UNPRIVILEGED, unprivileged

MODEL = "demo_localizer_s_random"
GRID = ("--attention-model", MODEL, "--embedding-model", MODEL, "--crop-sizes", "16")


def noise(seed: int, height: int = 30, width: int = 40) -> np.ndarray:
    """uint8 (height, width, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def png(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, "PNG")


def sixteen_bit(path: Path) -> np.ndarray:
    grey = noise(101)[..., 0]
    Image.fromarray(grey.astype(np.uint16) * 257).save(path)
    return np.repeat(grey[..., None], 3, axis=2)


def cmyk(path: Path) -> np.ndarray:
    ink = np.concatenate([noise(102), np.zeros((30, 40, 1), np.uint8)], axis=2)
    Image.fromarray(ink, "CMYK").save(path)
    return 255 - ink[..., :3]


def palette_with_alpha(path: Path) -> np.ndarray:
    indices = noise(103)[..., 0] % 3
    image = Image.fromarray(indices, "P")
    image.putpalette([10, 20, 30, 200, 100, 0, 0, 0, 255])
    image.save(path, transparency=bytes([255, 0, 255]))
    return np.array([[10, 20, 30], [255, 255, 255], [0, 0, 255]], np.uint8)[indices]


def animated(path: Path) -> np.ndarray:
    frames = [noise(seed)[..., 0] % 200 for seed in (104, 105)]
    first, second = (Image.fromarray(frame, "L") for frame in frames)
    first.save(path, save_all=True, append_images=[second])
    return np.repeat(frames[0][..., None], 3, axis=2)


def rotated(path: Path) -> np.ndarray:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise(106)).save(path, exif=exif)
    with Image.open(path) as stored:
        return np.rot90(np.asarray(stored), -1)


def one_pixel(path: Path) -> np.ndarray:
    png(path, noise(107, 1, 1))
    return noise(107, 1, 1)


def not_ascii(path: Path) -> np.ndarray:
    png(path, noise(108))
    return noise(108)


UNUSUAL = {
    "16-bit.png": sixteen_bit,
    "cmyk.tif": cmyk,
    "palette.png": palette_with_alpha,
    "animated.gif": animated,
    "rotated.jpg": rotated,
    "1x1.png": one_pixel,
    "größe 猫.png": not_ascii,
}


def truncated(path: Path) -> None:
    png(path, noise(201))
    path.write_bytes(path.read_bytes()[:1500])


def png_of_size(path: Path, width: int, height: int) -> None:
    """A PNG whose header says so much, with few bytes behind it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + pixels + chunk(b"IEND", b""))


BAD = {
    "empty.jpg": (Path.touch, "file is empty"),
    "again-empty.jpg": (Path.touch, "file is empty"),
    "truncated.png": (truncated, "truncated"),
    "text.jpg": (lambda path: path.write_text("once upon a time"), "not an image"),
    "no-pixels.png": (lambda path: png_of_size(path, 0, 0), ""),
    "no-height.ppm": (lambda path: path.write_bytes(b"P6 40 0 255\n"), ""),
    "directory.jpg": (Path.mkdir, "a directory, not a file"),
    "bomb.png": (lambda path: png_of_size(path, 20_000, 20_000), "more pixels than the limit"),
    "dangling.jpg": (lambda path: path.symlink_to("nowhere.jpg"), "a link to a file that is miss"),
}


def write_good(root: Path) -> None:
    """train/ with six images of each of two classes, test/ with three."""
    for split, count in (("train", 6), ("test", 3)):
        for label, name in enumerate(("cat", "dog")):
            for number in range(count):
                seed = 1000 * label + 100 * (split == "test") + number
                png(root / split / name / f"{number}.png", noise(seed) // 2 + 100 * label)


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """The good, the unusual and the bad; bad ones are in both splits."""
    root = tmp_path / "pets"
    write_good(root)
    for name, write in UNUSUAL.items():
        write(root / "train" / "cat" / name)
    for number, (name, (write, _)) in enumerate(BAD.items()):
        write(root / ("train", "test")[number % 2] / "dog" / name)
    return root


@pytest.fixture
def clean(tmp_path: Path) -> dict[str, Path]:
    """Stem of an unusual image -> the same pixels as a plain PNG in a folder of its own."""
    written, scratch = {}, tmp_path / "scratch"
    scratch.mkdir()
    for name, write in UNUSUAL.items():
        target = tmp_path / "clean" / "train" / "cat" / f"{Path(name).stem}.png"
        png(target, np.ascontiguousarray(write(scratch / name)))
        written[name] = target
    return written


def flags(dataset: Path, cache: Path) -> list[str]:
    run = ["--batch-size", "8", "--shard-size", "16", "--device", "cpu", "--quiet"]
    return ["--dataset", str(dataset), "--image-size", "48", "--cache", str(cache), *run]


def bad_paths(root: Path) -> dict[str, str]:
    """Path of every bad image -> its reason, or a part of it."""
    paths = {path.name: path for path in root.glob("*/dog/*") if path.name in BAD}
    return {str(paths[name]): reason for name, (_, reason) in BAD.items()}


def listed(stderr: str) -> list[tuple[str, str]]:
    """Path and reason of every line below the first."""
    return [tuple(line.strip().split(": ", 1)) for line in stderr.splitlines()[1:]]


def assert_lists_the_bad(stderr: str, root: Path) -> None:
    found, expected = listed(stderr), bad_paths(root)
    assert sorted(path for path, _ in found) == sorted(expected)
    for path, reason in found:
        assert reason
        assert expected[path] in reason
    head = stderr.splitlines()[0]
    assert head.startswith(f"a2pipe: {len(BAD)} images could not be used; all others are done.")
    assert "--skip-bad-images" in head


def stored_row(folder: str, name: str, image: Path) -> np.ndarray:
    digest = sha256(image.read_bytes()).hexdigest()[:32]
    return Artifact(Path(folder)).rows(name, [digest])[0]


def passes(outcome) -> int:
    return json.loads(outcome.out)["run"]["forward_passes_total"]


STAGES = {
    "attention": ("extract-attn", "--model", MODEL),
    "box": ("select-crops", "--model", MODEL, "--crop-sizes", "16"),
    "embedding": ("embed-crops", "--attention-model", MODEL, "--model", MODEL, *GRID[4:]),
}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("as_json", [True, False], ids=["json", "text"])
def test_a_stage_lists_the_bad_and_says_where_the_others_lie(
    command, pets, tmp_path, stage, as_json
):
    form = ("--json",) if as_json else ()
    outcome = command(*STAGES[stage], *flags(pets, tmp_path / "cache"), *form)
    assert outcome.code == 3
    assert_lists_the_bad(outcome.err, pets)
    if as_json:
        assert [line["bad"] for line in json.loads(outcome.out)] == [len(BAD)]
    else:
        assert f" {len(BAD)} " in outcome.out.splitlines()[-1]


@pytest.mark.parametrize("stage", STAGES)
def test_unusual_images_give_the_rows_of_a_plain_copy(command, pets, clean, tmp_path, stage):
    plain = next(iter(clean.values())).parents[2]
    outcomes = [
        command(*STAGES[stage], *flags(root, tmp_path / "cache"), "--json")
        for root in (pets, plain)
    ]
    assert [outcome.code for outcome in outcomes] == [3, 0]
    odd, right = (json.loads(outcome.out)[0]["folder"] for outcome in outcomes)
    for name, copy in clean.items():
        row = stored_row(odd, stage, pets / "train" / "cat" / name)
        assert np.isfinite(row).all()
        np.testing.assert_allclose(row, stored_row(right, stage, copy), atol=1e-5, err_msg=name)
    rows = Artifact(Path(right)).read(stage)
    assert len(np.unique(rows.round(4), axis=0)) > len(rows) // 2


def test_a_bad_image_stops_no_other(command, pets, tmp_path):
    alone, beside = tmp_path / "alone", tmp_path / "cache"
    write_good(tmp_path / "good")
    good = command(*STAGES["embedding"], *flags(tmp_path / "good", alone), "--json")
    both = command(*STAGES["embedding"], *flags(pets, beside), "--json")
    folders = [json.loads(outcome.out)[0]["folder"] for outcome in (both, good)]
    for image in (tmp_path / "good").rglob("*.png"):
        rows = [stored_row(folder, "embedding", image) for folder in folders]
        np.testing.assert_allclose(*rows, atol=1e-5)


def test_a_matrix_waits_until_they_are_mended_or_skipped(command, pets, tmp_path):
    build = ("build-matrix", *GRID, *flags(pets, tmp_path / "cache"), "--out", tmp_path / "out")
    refused = command(*build)
    assert (refused.code, refused.out) == (3, "")
    assert_lists_the_bad(refused.err, pets)
    skipped = command(*build, "--skip-bad-images", "--json")
    assert (skipped.code, skipped.err) == (0, "")
    assert passes(skipped) == 0
    matrix = json.loads(skipped.out)
    (cell,) = matrix["cells"]
    assert (cell["n_train"], cell["n_test"], cell["n_left_out"]) == (12 + len(UNUSUAL), 6, len(BAD))
    assert matrix["run"]["samples_left_out"] == len(BAD)
    assert {bad["path"] for bad in matrix["run"]["bad_images"]} == set(bad_paths(pets))
    assert (
        f"{len(BAD)} images could not be read" in Path(matrix["files"]["report.html"]).read_text()
    )
    looked = [*build[1:]]
    for flag in ("--batch-size", "--device"):  # of computing, which `report` does not do
        at = looked.index(flag)
        del looked[at : at + 2]
    told = command("report", *looked, "--skip-bad-images")
    assert told.code == 0
    assert f"their images are bad: {len(BAD)} samples" in told.out


def test_skipping_ends_well_after_a_stage_too(command, pets, tmp_path):
    flag = (*flags(pets, tmp_path / "cache"), "--skip-bad-images", "--json")
    outcome = command(*STAGES["attention"], *flag)
    assert (outcome.code, outcome.err) == (0, "")
    assert json.loads(outcome.out)[0]["bad"] == len(BAD)


def test_every_rank_lists_what_it_met(command, pets, tmp_path):
    run = ("run", *GRID, *flags(pets, tmp_path / "cache"), "--world-size", "2")
    assert [command(*run, "--rank", rank).code for rank in (0, 1)] == [3, 3]
    assert_lists_the_bad(command(*run, "--rank", "0").err, pets)


def test_a_mended_image_is_the_only_one_computed(command, pets, tmp_path):
    build = ("build-matrix", *GRID, *flags(pets, tmp_path / "cache"), "--out", tmp_path / "out")
    options = ("--skip-bad-images", "--json")
    assert passes(command(*build, *options)) == 2 * (18 + len(UNUSUAL))
    (mended,) = pets.glob("*/dog/truncated.png")
    png(mended, noise(201))
    again = command(*build, *options)
    assert passes(again) == 2
    assert json.loads(again.out)["run"]["samples_left_out"] == len(BAD) - 1


def test_one_bad_image_in_a_process_of_its_own(tmp_path):
    write_good(tmp_path / "pets")
    (tmp_path / "pets" / "test" / "dog" / "empty.jpg").touch()
    code = "from a2pipe.cli import main; main()"
    arguments = [*STAGES["attention"], *flags(tmp_path / "pets", tmp_path / "cache")]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert done.stderr.startswith("a2pipe: 1 image could not be used; all others are done.")
    assert listed(done.stderr) == [
        (str(tmp_path / "pets" / "test" / "dog" / "empty.jpg"), "file is empty")
    ]


def test_an_image_without_permission_to_read(open_folder):
    write_good(open_folder / "pets")
    locked = open_folder / "pets" / "train" / "dog" / "locked.png"
    png(locked, noise(301))
    locked.chmod(0)
    theirs = open_folder / "theirs"
    theirs.mkdir()
    theirs.chmod(0o777)
    write_good(open_folder / "readable")
    first = [*STAGES["attention"], *flags(open_folder / "readable", open_folder / "mine")]
    (outcome,) = unprivileged(first, [*STAGES["attention"], *flags(open_folder / "pets", theirs)])
    assert outcome.code == 3
    assert listed(outcome.err) == [(str(locked), "file cannot be read: permission denied")]
    assert locked.stat().st_uid != UNPRIVILEGED
    shutil.rmtree(theirs)
