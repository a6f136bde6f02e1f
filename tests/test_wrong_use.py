"""Wrong use, and a machine that will not: one sentence on stderr, no traceback, an exit code."""

import errno
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from a2pipe import files
from a2pipe.files import checked_json, parse_checked_json

from .conftest import Outcome, unprivileged

MODEL = "demo_localizer_s_random"
ATTEND, EMBED = ("--attention-model", MODEL), ("--embedding-model", MODEL)
EXTRACT = ("extract-attn", "--model", MODEL)
CROPS = ("select-crops", "--model", MODEL)
MATRIX = ("build-matrix", *ATTEND, *EMBED, "--crop-sizes", "16")
COLUMNS = ("path", "label", "group", "split")
SENTENCE = re.compile(r"a2pipe: (?P<sentence>\S[^\n]*[.?)`])\n")


def write_table(folder: Path, name: str = "table.csv", **values: str) -> Path:
    """Sixteen images and a manifest of them; `values` replace a column, None leaves it out."""
    lines = []
    for number in range(16):
        path = folder / f"{number}.png"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng(number).integers(0, 256, (24, 32, 3), np.uint8)
            Image.fromarray(pixels).save(path)
        label = "ab"[number % 2]
        row = {"path": path.name, "label": label, "group": f"{label} {number % 4 // 2}"}
        row["split"] = "train" if number < 10 else "test"
        lines.append({**row, **{key: value(row) for key, value in values.items()}})
    kept = [column for column in COLUMNS if lines[0][column] is not None]
    text = [",".join(kept), *(",".join(row[column] for column in kept) for row in lines)]
    (folder / name).write_text("\n".join(text) + "\n")
    return folder / name


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_table(tmp_path / "images")


def stored(dataset: Path, cache: Path) -> tuple[str, ...]:
    """What says which rows of which cache."""
    place = ("--cache", str(cache), "--shard-size", "8", "--quiet")
    return ("--dataset", str(dataset), "--image-size", "48", *place)


def flags(dataset: Path, cache: Path) -> tuple[str, ...]:
    return (*stored(dataset, cache), "--batch-size", "8", "--device", "cpu")


@pytest.fixture
def base(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Flags of a tiny dataset; reports would go into an empty folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return flags(table, tmp_path / "cache")


def refused(outcome: Outcome, code: int) -> str:
    """The one sentence on stderr."""
    assert "Traceback" not in outcome.err
    assert outcome.code == code, outcome.err
    assert outcome.out == ""
    match = SENTENCE.fullmatch(outcome.err)
    assert match, outcome.err
    sentence = match["sentence"]
    assert not re.match(r"[a-z]+ ", sentence), f"begins small: {sentence}"
    assert not re.search(r"[.?][.;:]|  |None|\{", sentence), sentence
    return sentence


WRONG_FLAGS = {
    "unknown model": (
        ("extract-attn", "--model", "dinov2_vits14_rge"),
        ["no model called 'dinov2_vits14_rge'", "dinov2_vits14_reg", "`a2pipe models list`"],
    ),
    "no model": (("extract-attn",), ["Nothing to compute", "model"]),
    "no models for a matrix": (("build-matrix",), ["attention model or baseline"]),
    "no embedding model": (("build-matrix", *ATTEND, "--crop-sizes", "16"), ["embedding model"]),
    "unknown dataset": ((*EXTRACT, "--dataset", "demo01"), ["'demo01'", "did you mean 'demo-01'"]),
    "no such folder": ((*EXTRACT, "--dataset", "no/where"), ["no/where does not exist"]),
    "no such manifest": ((*EXTRACT, "--dataset", "none.csv"), ["none.csv does not exist"]),
    "crop above the image": (
        (*CROPS, "--crop-sizes", "64"),
        ["A crop of 64 px does not fit into an image of 48 px", "crops.sizes"],
    ),
    "default crop above the image": (CROPS, ["A crop of 64 px does not fit"]),
    "centre crop above the image": (
        ("embed-crops", "--model", MODEL, "--baseline", "center:64"),
        ["A centre crop of 64 px does not fit into an image of 48 px"],
    ),
    "growing crops": ((*CROPS, "--crop-sizes", "16,24"), ["must not grow", "[16, 24]"]),
    "no number of pixels": ((*CROPS, "--crop-sizes", "abc"), ["'crops.sizes'", "not 'abc'"]),
    "even filter": ((*CROPS, "--crop-sizes", "16", "--smooth", "2"), ["must be odd"]),
    "no multiple of the patch": (
        (*EXTRACT, "--attention-input", "50"),
        ["patches of 8 px", "do not divide an input of 50 px", "multiple of 8"],
    ),
    "unknown block": ((*EXTRACT, "--layers", "9"), ["blocks 1 to 4, not 9"]),
    "no block": ((*EXTRACT, "--layers", "first"), ['"last", "all" or block numbers', "'first'"]),
    "unknown head": ((*MATRIX, "--head", "logistics"), ["did you mean 'logistic'?"]),
    "unknown parameter": (
        (*MATRIX, "--head-option", "c=1"),
        ["no parameter 'c'", "features, C, tol, max_iter"],
    ),
    "impossible parameter": ((*MATRIX, "--head-option", "C=-1"), ["takes a positive number as C"]),
    "half an option": ((*MATRIX, "--head-option", "C"), ["write KEY=VALUE, not 'C'", "--help"]),
    "unknown baseline": (("embed-crops", "--model", MODEL, "--baseline", "x"), ["center:SIZE"]),
    "unknown backend": ((*EXTRACT, "--backend", "csv"), ["'zarr' or 'hdf5', not 'csv'"]),
    "unknown device": ((*EXTRACT, "--device", "gpu"), ["no device 'gpu'", "cpu, cuda or mps"]),
    "limit of zero": ((*EXTRACT, "--limit", "0"), ["'run.limit' should be greater than 0"]),
    "rank outside": (
        ("run", *ATTEND, *EMBED, "--rank", "2", "--world-size", "2"),
        ["--rank must be at least 0 and below --world-size (2)"],
    ),
    "no number": ((*EXTRACT, "--image-size", "x"), ["'x' is not a valid integer", "--help"]),
    "unknown option": ((*EXTRACT, "--modle", "x"), ["No such option", "--model"]),
    "unknown column": (
        (*EXTRACT, "--dataset-option", "label=species"),
        ["no column 'species'", "path, label, group, split"],
    ),
}


@pytest.mark.parametrize("case", WRONG_FLAGS)
def test_wrong_flags(command, base, tmp_path, case):
    (name, *arguments), said = WRONG_FLAGS[case]
    sentence = refused(command(name, *base, *arguments), 2)
    assert [part for part in said if part not in sentence] == []
    assert not list((tmp_path / "cache").glob("*/*/*/done/*"))


def test_a_demo_limited_to_nothing_is_refused(command, tmp_path):
    sentence = refused(command("demo", "--limit", "0", "--cache", str(tmp_path / "cache")), 2)
    assert "'run.limit' should be greater than 0" in sentence


def test_an_unknown_command_and_none_at_all(command):
    assert "Did you mean one of: 'extract-attn'," in refused(command("extract-atn"), 2)
    assert "Usage: a2pipe" in command().err


def test_a_flag_that_two_have_longer_names_for_offers_both(command, base):
    said = refused(command(*MATRIX, *base, "--model", "demo_embedder_s"), 2)
    assert "Did you mean '--attention-model' or '--embedding-model'?" in said


def test_crops_that_cannot_be_placed_name_the_image(command, base, table):
    sentence = refused(command(*CROPS, *base, "--crop-sizes", "48,48"), 2)
    assert sentence.startswith(f"Image {table.parent / '0.png'} has no room for a crop of 48 px")
    assert "use smaller or fewer crops" in sentence


WRONG_TABLES = {
    "no label column": (
        {"label": lambda _: None},
        ["no column 'label'", "path, group, split", "label=COLUMN"],
    ),
    "class in test alone": (
        {"label": lambda row: "new" if row["split"] == "test" else row["label"]},
        ["no training sample of 'new'", "test split has"],
    ),
    "no test split": (
        {"split": lambda _: "train"},
        ["No sample of wrong (16 in all) is in the test split", "split column"],
    ),
    "no splits": ({"split": lambda _: None}, ["is in the train split"]),
    "unknown split": ({"split": lambda _: "exam"}, ["row 1", "'exam'", "train, val, test"]),
}


@pytest.mark.parametrize("case", WRONG_TABLES)
def test_wrong_tables(command, base, table, case):
    values, said = WRONG_TABLES[case]
    wrong = write_table(table.parent, "wrong.csv", **values)
    sentence = refused(command(*MATRIX, *base, "--dataset", wrong), 2)
    assert [part for part in said if part not in sentence] == []


def test_a_limit_that_leaves_no_test_sample_says_how_many_are_left(command, base):
    sentence = refused(command(*MATRIX, *base, "--limit", "1"), 2)
    assert sentence.startswith("No sample of table (1 in all) is in the test split")


def test_a_limit_above_the_dataset_takes_it_all(command, base):
    (line,) = json.loads(command(*EXTRACT, *base, "--limit", "100", "--json").out)
    assert line["rows"] == 16


WRONG_FILES = {
    "unknown section": ("[atention]\n", ["Unknown key 'atention'", "did you mean 'attention'?"]),
    "unknown key": ("[attention]\nmodel = []\n", ["'attention.model'", "did you mean 'models'?"]),
    "no near key": ("[image]\nzzz = 1\n", ["'image.zzz'", "valid keys are size, geometry, draft"]),
    "not TOML": ("[image\n", ["is not valid TOML", "line 3"]),
    "text for a number": ('[image]\nsize = "big"\n', ["'image.size'", "valid integer, not 'big'"]),
    "number for a name": ("[attention]\nmodels = 3\n", ["'attention.models'", "string, not 3"]),
    "half a pixel": ("[crops]\nsizes = [6.5]\n", ["'crops.sizes'", "integer, not 6.5"]),
    "no crop": ("[crops]\nsizes = []\n", ["'crops.sizes'", "at least one value"]),
    "unknown precision": ('[run]\nprecision = "fp8"\n', ["'fp32', 'bf16' or 'fp16', not 'fp8'"]),
    "text for a section": ('image = "big"\n', ["write [image]"]),
    "two heads of a name": ("[[head]]\n[[head]]\n", ["Give each head its own name"]),
    "no file name": ('name = "a/b"\n', ["'name'", "'a/b'"]),
}


@pytest.mark.parametrize("case", WRONG_FILES)
def test_wrong_experiment_files(command, tmp_path, case):
    text, said = WRONG_FILES[case]
    path = tmp_path / "wrong.toml"
    dataset = 'dataset = { name = "demo-01" }\n'
    path.write_text(f"{dataset}\n{text}")
    sentence = refused(command("plan", path, "--cache", tmp_path / "cache"), 2)
    assert str(path) in sentence
    assert [part for part in said if part not in sentence] == []


def test_a_file_that_is_not_there_or_has_no_dataset(command, tmp_path):
    absent = refused(command("plan", tmp_path / "absent.toml"), 2)
    assert "absent.toml cannot be read" in absent
    assert "`a2pipe experiment new absent.toml`" in absent
    (tmp_path / "bare.toml").write_text("[image]\nsize = 48\n")
    assert "Name a dataset" in refused(command("plan", tmp_path / "bare.toml"), 2)
    (tmp_path / "text.toml").write_text('dataset = "demo-01"\n')
    text = refused(command("plan", tmp_path / "text.toml", "--root", tmp_path), 2)
    assert "write [dataset]" in text


def test_a_new_experiment_is_written_over_no_other(command, tmp_path):
    (tmp_path / "mine.toml").write_text("mine")
    taken = refused(command("experiment", "new", tmp_path / "mine.toml"), 2)
    assert "exists already" in taken
    assert (tmp_path / "mine.toml").read_text() == "mine"
    nowhere = refused(command("experiment", "new", tmp_path / "no" / "e.toml"), 2)
    assert "cannot be written" in nowhere


@pytest.mark.parametrize("asked", ["fit-heads", "report"])
def test_features_that_are_not_there(command, base, table, tmp_path, asked):
    rows = stored(table, tmp_path / "cache")
    sentence = refused(command(asked, *MATRIX[1:], *rows), 4)
    assert f"The cache {tmp_path / 'cache'} lacks" in sentence
    assert "`a2pipe run`" in sentence
    command(*EXTRACT, *base)
    assert "lacks some or all boxes" in refused(command(asked, *MATRIX[1:], *rows), 4)


def test_a_fingerprint_that_is_not_there_or_not_alone(command, base, tmp_path):
    cache = ("--cache", tmp_path / "cache")
    for asked in (("show", "ffff"), ("export", "ffff", tmp_path / "x.npy")):
        assert "begins with 'ffff'" in refused(command("cache", *asked, *cache), 4)
    command(*CROPS, *base, "--crop-sizes", "16")
    several = refused(command("cache", "show", "", *cache), 2)
    assert several == "2 fingerprints begin with ''; give more digits."


def test_weights_without_a_network(command, base, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_, **__: None)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    asked = ("extract-attn", "--model", "dinov2_vits14", *base, "--attention-input", "42")
    online = command(*asked)
    notice, _, rest = online.err.partition("\n")
    assert notice.startswith("a2pipe: fetching the weights of dinov2_vits14")
    offline = command(*asked, "--offline")
    for outcome in (Outcome(online.code, online.out, rest), offline):
        sentence = refused(outcome, 1)
        assert "The weights of dinov2_vits14 are not on this machine" in sentence
        assert "run `a2pipe models fetch dinov2_vits14` on a machine with a network" in sentence
        assert "`--weights dinov2_vits14=FILE`" in sentence
    absent = command(*asked, "--weights", "dinov2_vits14=none.pth")
    assert "none.pth" in refused(absent, 2)


def test_a_cache_by_a_newer_version(command, base, tmp_path):
    command(*EXTRACT, *base)
    (spec,) = (tmp_path / "cache" / "attention").glob("*/*/spec.json")
    document = parse_checked_json(spec.read_bytes())
    spec.write_bytes(checked_json({**document, "format": document["format"] + 1}))
    before = spec.read_bytes()
    sentence = refused(command(*EXTRACT, *base), 1)
    assert str(spec) in sentence
    assert "newer version" in sentence
    assert "upgrade a2pipe" in sentence
    assert spec.read_bytes() == before


TEAR = {
    "shortened": lambda chunk: chunk.write_bytes(chunk.read_bytes()[:-100]),
    "emptied": lambda chunk: chunk.write_bytes(b""),
    "flipped": lambda chunk: chunk.write_bytes(bytes(255 - v for v in chunk.read_bytes())),
    "deleted": Path.unlink,
}


@pytest.mark.parametrize("backend", ["zarr", "hdf5"])
@pytest.mark.parametrize("tear", TEAR)
def test_an_array_torn_by_hand(command, base, tmp_path, tear, backend):
    build = (*MATRIX, *base, "--backend", backend, "--json")
    cache = ("--cache", tmp_path / "cache")
    first = json.loads(command(*build).out)
    pattern = "*/*/data.zarr/embedding/c.1.0" if backend == "zarr" else "*/*/data/000001.h5"
    (chunk,) = (tmp_path / "cache" / "embeddings").glob(pattern)
    whole = chunk.read_bytes()
    TEAR[tear](chunk)
    verified = command("cache", "verify", "--deep", *cache)
    assert verified.code == 1
    assert str(chunk.parents[len(Path(pattern).parts) - 3]) in verified.out
    assert "Traceback" not in verified.err
    (found,) = json.loads(command("cache", "verify", "--deep", "--json", *cache).out)
    assert found["shard"] == 1
    again = command(*build, "--head-option", "C=10")
    assert again.code == 0
    assert json.loads(again.out)["run"]["forward_passes_total"] == 8
    assert chunk.read_bytes() == whole
    assert json.loads(command(*build).out)["cells"] == first["cells"]
    assert command("cache", "verify", "--deep", *cache).code == 0


def test_a_disk_that_is_really_full(command, base, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", str(disk)]
    mounted = shutil.which("mount") and not subprocess.run(mount, capture_output=True).returncode
    if not mounted:
        pytest.skip("a small file system can be mounted by root alone")
    try:
        sentence = refused(command(*EXTRACT, *base, "--cache", disk), 1)
        assert "No space is left" in sentence
        assert str(disk) in sentence
        assert "free some" in sentence
        committed = list(disk.rglob("done/*.json"))
        assert not list(disk.rglob("*.tmp"))
        subprocess.run(["mount", "-o", "remount,size=1m", str(disk)], check=True)
        (line,) = json.loads(command(*EXTRACT, *base, "--cache", disk, "--json").out)
        assert (line["rows"], line["bad"]) == (16, 0)
        assert all(marker.exists() for marker in committed)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_at_the_nth_flush(command, base, tmp_path, monkeypatch, number):
    fsync, allowed, codes = os.fsync, 0, [1]
    while codes[-1] == 1:
        left = [allowed]

        def flush(descriptor: int, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise OSError(number, os.strerror(number))
            fsync(descriptor)

        monkeypatch.setattr(files.os, "fsync", flush)
        outcome = command(*EXTRACT, *base)
        codes.append(outcome.code)
        if outcome.code:
            assert "No space is left" in refused(outcome, 1)
        allowed += 3
    assert codes[-1] == 0
    assert len(codes) > 3
    monkeypatch.setattr(files.os, "fsync", fsync)
    assert command("cache", "verify", "--deep", "--cache", tmp_path / "cache").code == 0


def test_a_file_where_the_cache_or_the_report_should_be(command, base, tmp_path):
    taken = tmp_path / "taken"
    taken.write_text("mine")
    cache = refused(command(*EXTRACT, *base, "--cache", taken), 1)
    assert f"{taken} could not be written, as a file is in the way" in cache
    report = refused(command(*MATRIX, *base, "--out", taken), 2)
    assert f"'--out': Directory '{taken}' is a file" in report
    assert taken.read_text() == "mine"
    assert not (tmp_path / "cache").exists()  # nothing was computed for a report without a place


@pytest.fixture(scope="module")
def locked(open_folder: Path) -> tuple[Path, dict[str, Outcome]]:
    """What a user who may not write into a cache, nor into a folder of reports, is told."""
    table = write_table(open_folder / "images")
    mine, theirs = open_folder / "mine", open_folder / "theirs"
    (open_folder / "reports").mkdir()
    theirs.mkdir()
    theirs.chmod(0o777)
    first = [*MATRIX, *flags(table, mine), "--out", str(open_folder / "first")]
    for folder in (mine, open_folder / "reports"):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o555)
    here = [*flags(table, mine)]
    commands = {
        "cache": [*EXTRACT, *here, "--attention-input", "40"],
        "new cache": [*EXTRACT, *flags(table, open_folder / "reports" / "new")],
        "report": [*MATRIX, *flags(table, theirs), "--out", str(open_folder / "reports" / "r")],
        "plan": ["plan", *MATRIX[1:], *stored(table, mine)],
        "list": ["cache", "ls", "--json", "--cache", str(mine)],
    }
    return open_folder, dict(zip(commands, unprivileged(first, *commands.values()), strict=True))


@pytest.mark.parametrize("case", ["cache", "new cache"])
def test_a_cache_that_may_not_be_written(locked, case):
    folder, outcomes = locked
    sentence = refused(outcomes[case], 1)
    assert sentence.startswith(str(folder))
    assert "may not be written (Permission denied)" in sentence
    assert "--cache or $A2PIPE_CACHE" in sentence


def test_a_report_that_may_not_be_written(locked):
    folder, outcomes = locked
    sentence = refused(outcomes["report"], 1)
    assert f"Cannot write the report to {folder / 'reports' / 'r'}: Permission denied" in sentence


def test_a_cache_that_may_not_be_written_can_be_read(locked):
    _, outcomes = locked
    assert outcomes["plan"].code == 0
    assert {line["stage"] for line in json.loads(outcomes["list"].out)} == {
        "attention",
        "boxes",
        "embeddings",
    }
