"""`a2pipe paper` as a user meets it, on a miniature Spawrious with the models that ship."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Command = Callable[..., object]

O2O = "spawrious-o2o-hard"
PLACES = ("desert", "jungle", "dirt", "mountain", "snow", "beach")
BREEDS = ("bulldog", "corgi", "dachshund", "labrador")
SIZES = [f"dinov2_vit{letter}14_reg" for letter in "sblg"]
STAND_INS = {
    f"attention:{SIZES[0]}": "demo_localizer_s",
    **{f"attention:{name}": "demo_localizer_s_random" for name in SIZES[1:]},
    **{f"embedding:{name}": "demo_embedder_s" for name in SIZES},
}
REPLACED = [f"--replace={paper}={ours}" for paper, ours in STAND_INS.items()]
FAST = ("--attention-input=48", "--embedding-input=48", "--device=cpu", "--quiet")


def write_spawrious(root: Path, count: int) -> Path:
    """The published layout: a square with the stripes of the breed on the colour of the place."""
    for folder in (0, 1):
        for p, place in enumerate(PLACES):
            for b, breed in enumerate(BREEDS):
                target = root / "spawrious224" / str(folder) / place / breed
                target.mkdir(parents=True)
                for number in range(count):
                    picture = dog(np.random.default_rng([folder, p, b, number]), p, b)
                    Image.fromarray(picture).save(target / f"{breed}_{number}.png")
    return root


def dog(rng: np.random.Generator, place: int, breed: int) -> np.ndarray:
    pixels = np.clip(35 * place + rng.normal(0, 10, (224, 224, 3)), 0, 255).astype(np.uint8)
    x, y = rng.integers(10, 150, 2)
    pixels[y : y + 60, x : x + 60] = (
        255 * (np.indices((60, 60))[breed % 2] // (4 + breed) % 2)[..., None]
    )
    return pixels


@pytest.fixture(scope="module")
def spawrious(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_spawrious(tmp_path_factory.mktemp("spawrious"), 4)


def run(command: Command, spawrious: Path, tmp_path: Path, *more: str):
    """Table 11 on the miniature, under a cache and a folder of its own."""
    place = (f"--dataset-root={O2O}={spawrious}", "--dataset-option=proportional=true")
    folders = (f"--cache={tmp_path / 'cache'}", f"--out={tmp_path / 'out'}")
    return command("paper", "run", "table-11", *place, *REPLACED, *FAST, *folders, *more)


def test_a_miniature_of_table_11(command, spawrious, tmp_path):
    done = run(command, spawrious, tmp_path)
    assert done.code == 0, done.err
    folder = tmp_path / "out" / O2O
    assert {path.name for path in folder.iterdir()} >= {
        *("report.html", "matrix.json", "paper.json", "table-11.csv", "table-11.md")
    }
    check_layout(folder / "table-11.csv")
    check_matrix(folder)
    check_comparison(command, folder)


def check_layout(path: Path) -> None:
    """Four rows of attention models, four columns of embedding models, as in the paper."""
    head, *rows = csv.reader(path.read_text(encoding="utf-8").splitlines())
    assert head[:2] == ["row", "attention"]
    assert head[2:] == [f"{name} (miniature: demo_embedder_s)" for name in SIZES]
    assert [row[0] for row in rows] == [f"ViT-{size} attn" for size in "SBLG"]
    assert rows[0][1] == f"{SIZES[0]} (miniature: demo_localizer_s)"
    values = [list(map(float, row[2:])) for row in rows]
    assert all(0 <= value <= 100 for row in values for value in row)
    assert all(len(set(row)) == 1 for row in values)  # one model stands for four
    assert values[1] == values[2] == values[3]


def check_matrix(folder: Path) -> None:
    """The numbers are those of the matrix beside them, which has each cell once."""
    matrix = json.loads((folder / "matrix.json").read_text(encoding="utf-8"))
    accuracy = {
        row["attention"]: cell["accuracy"]
        for row in matrix["rows"]
        for cell in matrix["cells"]
        if cell["row"] == row["key"]
    }
    assert len(matrix["cells"]) == 2
    assert matrix["notes"][0].startswith("miniature: demo_localizer_s for dinov2_vits14_reg")
    _, first, second, *_ = csv.reader((folder / "table-11.csv").read_text().splitlines())
    assert float(first[2]) == pytest.approx(100 * accuracy["demo_localizer_s"])
    assert float(second[2]) == pytest.approx(100 * accuracy["demo_localizer_s_random"])


def check_comparison(command: Command, folder: Path) -> None:
    shown = command("paper", "compare", folder)
    assert shown.code == 0
    assert "miniature: demo_localizer_s for dinov2_vits14_reg (attention)" in shown.out
    assert "32 test samples, where 25,344 were published" in shown.out
    assert shown.out.count("published") >= 3
    assert "91.0" in shown.out
    found = json.loads(command("paper", "compare", folder, "--json", "--tolerance=100").out)
    assert (found["within"], found["outside"], found["not_run"]) == (16, 0, {})
    first = found["numbers"][0]
    assert first["published"] == 91.0
    assert first["difference"] == pytest.approx(first["ours"] - 91.0)
    plotted = command("paper", "plot", folder, "--out", folder / "figures")
    assert "figure-7.png: left out" in plotted.out
    assert (folder / "figures" / "figure-6.png").exists()


def test_bad_requests_are_one_sentence(command, tmp_path):
    root = f"--dataset-root={O2O}={tmp_path}"
    for arguments, sentence in {
        ("run", "table-99"): "There is no preset 'table-99': did you mean",
        ("show", "tabel-11"): "There is no preset 'tabel-11': did you mean 'table-11'",
        ("run", "table-11"): f"table-11 needs the folder of {O2O}",
        ("run", "table-11", f"--dataset-root={O2O}={tmp_path / 'none'}"): "There is no folder",
        ("run", "table-11", root): f"Dataset {O2O}: there is no",
        ("run", "table-11", "--only=waterbirds"): "table-11 is not about dataset 'waterbirds'",
        ("run", "table-11", root, "--dataset-option=cows:a=1"): "not about dataset 'cows'",
        ("show", "table-13", "--only=foo"): "table-13 is not about dataset 'foo'",
        ("run", "table-11", "--dataset-root=here"): "--dataset-root is NAME=DIR, not 'here'",
        ("run", "table-11", root, "--replace=x=demo_localizer_s"): "'x' is no model of the paper",
        ("run", "table-11", root, f"--replace={SIZES[0]}=nothing"): "There is no model called",
        ("compare", tmp_path): "There is no paper.json",
        ("compare", tmp_path / "none"): "Cannot read",
        ("plot",): "Give results, or --published",
    }.items():
        outcome = command("paper", *arguments)
        assert outcome.code in (1, 2), arguments
        assert outcome.err.startswith("a2pipe: ")
        assert sentence in outcome.err
        assert outcome.err.count("\n") == 1


def test_the_list_says_what_can_run_and_why_not(command):
    listed = command("paper", "list").out
    assert "table-11" in listed
    assert "iFAM is trained end to end: published numbers only: 1 (10), 2 (10), 18 (14)" in listed
    entries = {e["id"]: e for e in json.loads(command("paper", "list", "--json").out)}
    assert sum(name.startswith("table-") for name in entries) == 31
    assert "last-vit/norms" in listed
    assert entries["last-vit/norms"]["command"] == "a2pipe patches"
    assert len(entries) == 31 + 9
    assert (entries["table-11"]["cells"], entries["table-11"]["can_run"]) == (16, 16)
    assert sum(entries["table-6"]["cannot"].values()) == 56 - entries["table-6"]["can_run"]


def test_a_preset_is_shown_as_an_experiment_that_loads(command, tmp_path):
    shown = command("paper", "show", "table-13").out
    assert 'name = "waterbirds"' in shown
    assert "sizes = [[64]]" in shown
    file = tmp_path / "experiment.toml"
    file.write_text(shown, encoding="utf-8")
    whole = command("experiment", "show", file)
    assert whole.code == 0, whole.err
    assert "# metrics: wga" in shown


def test_crops_are_chosen_from_the_command_line(command, spawrious, tmp_path):
    """Without a validation split there is nothing to choose on."""
    refused = command(
        *("paper", "choose-crops", f"--dataset={O2O}", f"--root={spawrious}"),
        *("--attention-model=demo_localizer_s", "--embedding-model=demo_embedder_s"),
        *("--crop-sizes=64", "--crop-sizes=64,64", "--limit=24", *FAST),
        f"--cache={tmp_path / 'cache'}",
    )
    assert refused.code == 2
    assert "has no validation split to choose on" in refused.err


def test_crops_are_not_chosen_on_what_dfr_was_fitted_on(command, spawrious, tmp_path):
    """By default DFR is fitted on the validation split; nothing is computed before that is said."""
    refused = command(
        *("paper", "choose-crops", f"--dataset={O2O}", f"--root={spawrious}", "--head=dfr"),
        *("--attention-model=demo_localizer_s", "--embedding-model=demo_embedder_s"),
        *("--crop-sizes=64", "--crop-sizes=64,64", f"--cache={tmp_path / 'cache'}"),
    )
    assert refused.code == 2
    assert "choose with variant=train." in refused.err
    assert not (tmp_path / "cache").exists()


# --- tables that need boxes -----------------------------------------------------------------------

WATERBIRDS = ("--dataset-root=waterbirds={0}", "--dataset-option=boxes={0}")


@pytest.fixture(scope="module")
def waterbirds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight birds of every split, two of every group, ever farther right; with boxes."""
    root = tmp_path_factory.mktemp("waterbirds")
    lines, boxes, names = ["img_id,img_filename,y,split,place,place_filename"], [], []
    for number in range(24):
        split, y, place = number // 8, number % 2, number // 2 % 2
        x = 80 + 5 * (number % 8)
        pixels = np.full((200, 200, 3), 90 * place, np.uint8)
        pixels[90:110, x : x + 20] = 250 if y else 170
        Image.fromarray(pixels).save(root / f"{number:02d}.png")
        lines.append(f"{number + 1},{number:02d}.png,{y},{split},{place},p.jpg")
        boxes.append(f"{number + 1} {x}.0 90.0 20.0 20.0")
        names.append(f"{number + 1} {number:02d}.png")
    (root / "metadata.csv").write_text("\n".join(lines) + "\n")
    (root / "bounding_boxes.txt").write_text("\n".join(boxes) + "\n")
    (root / "images.txt").write_text("\n".join(names) + "\n")
    return root


def run_birds(command: Command, waterbirds: Path, tmp_path: Path, table: str):
    place = [text.format(waterbirds) for text in WATERBIRDS]
    folders = (f"--cache={tmp_path / 'cache'}", f"--out={tmp_path / 'out'}")
    stand_ins = [f"--replace={name}=demo_localizer_s" for name in SIZES]
    used = stand_ins[:1] if table == "table-18" else stand_ins
    done = command("paper", "run", table, *place, *used, *FAST, *folders, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_strata_come_from_stored_predictions(command, waterbirds, tmp_path):
    """Each hundredth, twentieth and tenth of eight birds is one bird: the farthest or the nearest,
    which is right or wrong."""
    found = run_birds(command, waterbirds, tmp_path, "table-18")
    ours = {
        (n["subset"], n["attention"] != "", n["metric"]): n["ours"]
        for n in found["numbers"]
        if "k8" not in n["key"]
    }
    for attended in (True, False):
        for end in ("top", "bottom"):
            scores = {ours[f"{end}{q}", attended, "accuracy"] for q in (1, 5, 10)}
            assert len(scores) == 1
            assert scores <= {0.0, 100.0}
            assert ours[f"{end}1", attended, "wga"] in scores
    assert found["not_run"] == {"iFAM is trained end to end: published numbers only": 14}
    numbers = json.loads((tmp_path / "out" / "waterbirds" / "paper.json").read_text())["measured"]
    assert {n["n"] for n in numbers if "/top" in n["key"] and not n["reason"]} == {1}


def test_concentration_comes_from_the_localisation_study(command, waterbirds, tmp_path):
    found = run_birds(command, waterbirds, tmp_path, "table-20")
    study = json.loads((tmp_path / "out" / "waterbirds" / "localization.json").read_text())
    assert study["split"] == "val"
    (line,) = study["lines"]
    means = {measure["name"]: measure["mean"] for measure in line["measures"]}
    assert len(found["numbers"]) == 12
    assert {n["ours"] for n in found["numbers"] if n["metric"] == "top10"} == {means["top10"]}
    first = next(n for n in found["numbers"] if n["metric"] == "entropy")
    assert first["difference"] == pytest.approx(100 * (means["entropy"] - 0.8763))
