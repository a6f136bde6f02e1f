"""`plan` and the commands that compute stages, as a user types them."""

import json
from pathlib import Path

import pytest

from a2pipe.commands import stages
from a2pipe.errors import A2pipeError
from a2pipe.pipeline.shards.gpus import devices

MODEL = "demo_localizer_s_random"


def test_each_stage_says_where_its_result_lies(run, cache):
    result = run("extract-attn", "--model", MODEL, "--json")
    (line,) = json.loads(result.stdout)
    assert line["rows"] == 36
    assert Path(line["folder"]).is_relative_to(cache)
    assert (Path(line["folder"]) / "spec.json").is_file()


def test_statistics_of_patches_have_a_default_set(run):
    """Of 36 patches: 1, 36 / 28, 36 / 4 and 36 / 2, of which two are one."""
    lines = json.loads(run("extract-patches", "--model", MODEL, "--json").stdout)
    assert {(line["stage"], line["rows"]) for line in lines} == {("patches", 36)}
    assert [line["what"] for line in lines] == [
        f"{MODEL}, patch score to CLS",
        f"{MODEL}, norm after the final norm",
        f"{MODEL}, votes of 1 patch a channel",
        f"{MODEL}, votes of 9 patches a channel",
        f"{MODEL}, votes of 18 patches a channel",
    ]


def test_statistics_of_patches_that_are_named_are_the_only_ones(run):
    named = ["--statistic", "votes:N/9:paper", "--statistic", "norm:before"]
    lines = json.loads(run("extract-patches", "--model", MODEL, *named, "--json").stdout)
    assert [line["what"] for line in lines] == [
        f"{MODEL}, votes of 4 patches a channel, form paper",
        f"{MODEL}, norm before the final norm",
    ]


@pytest.mark.parametrize(
    ("name", "flags", "sentence"),
    [
        ("extract-patches", ["--statistic", "vote:4"], "There is no patch statistic 'vote:4'"),
        ("extract-patches", ["--statistic", "votes:37"], "K = 37 is more than the 36 patches"),
        ("select-crops", ["--attention-source", "norm"], "no map of where to look"),
        ("embed-crops", ["--pool", "max", "--baseline", "full"], "There is no pool 'max'"),
    ],
)
def test_a_wrong_statistic_source_or_pool_is_one_sentence(
    command, folder, tmp_path, name, flags, sentence
):
    where = ("--dataset", folder, "--image-size", 48, "--cache", tmp_path / "cache")
    done = command(name, "--model", MODEL, *flags, *where, "-q")
    assert (done.code, done.out) == (2, "")
    (line,) = done.err.splitlines()
    assert sentence in line
    assert list((tmp_path / "cache").rglob("spec.json")) == []


def test_plan_computes_nothing_and_status_counts(run):
    crops = ["--shard-size", "10", "--crop-sizes", "16", "--attention-model", MODEL]
    run("extract-attn", "--model", MODEL)
    plan = json.loads(run("plan", *crops, "--json").stdout)
    needs = plan["needs"]
    assert {line["stage"] for line in needs} == {"attention", "boxes"}
    assert needs[0]["shards"] == 4
    assert needs[0]["shards_done"] == 0
    assert needs[0]["rows_reusable"] == 36
    assert plan["total"]["forward_passes_total"] == 0
    run("extract-attn", "--shard-size", "10", "--model", MODEL)
    status = json.loads(run("status", *crops, "--json").stdout)
    assert status["stages"][0] == {
        "stage": "attention",
        "artifacts": 1,
        "shards_done": 4,
        "shards_missing": 0,
        "rows_missing": 0,
        "bad_images": 0,
        "images_per_second": None,
        "seconds_left": None,
    }
    assert status["submissions"] == []


def test_ranks_share_the_shards(run):
    sizes = ["--attention-model", MODEL, "--shard-size", "7", "--crop-sizes", "24"]
    sizes += ["--embedding-model", MODEL]
    for rank in range(3):
        assert run("run", *sizes, "--rank", str(rank), "--world-size", "3").exit_code == 0
    status = json.loads(run("status", *sizes, "--json").stdout)
    assert [line["shards_missing"] for line in status["stages"]] == [0, 0, 0]


# --- ranks that a launcher gives ------------------------------------------------------------------

STEP = {"SLURM_STEP_NUM_TASKS": "3", "SLURM_PROCID": "1", "SLURM_LOCALID": "1"}
TORCHRUN = {"RANK": "1", "WORLD_SIZE": "3", "LOCAL_RANK": "1"}
WORK = ["--attention-model", MODEL, "--embedding-model", MODEL, "--crop-sizes", "16"]


@pytest.fixture
def shards(command, folder, tmp_path, monkeypatch):
    """Run a command in an environment, on six shards; the shards it computed, and stderr."""

    def computed(environment, *words, name="run"):
        for key in (*STEP, *TORCHRUN):
            monkeypatch.delenv(key, raising=False)
        for key, value in environment.items():
            monkeypatch.setenv(key, value)
        flags = ("--dataset", folder, "--image-size", 48, "--device", "cpu", "--shard-size", 6)
        done = command(name, *WORK, *flags, "--cache", tmp_path / "cache", *words)
        assert done.code == 0, done.err
        markers = (tmp_path / "cache").glob("embeddings/*/*/done/0*.json")
        return sorted(int(path.stem) for path in markers), done.err

    return computed


@pytest.mark.parametrize(
    ("environment", "source"),
    [
        (STEP, "srun (SLURM_PROCID=1, SLURM_STEP_NUM_TASKS=3)"),
        (TORCHRUN, "torchrun (RANK=1, WORLD_SIZE=3)"),
    ],
    ids=["srun", "torchrun"],
)
def test_run_takes_its_rank_from_what_has_started_it_and_says_so(shards, environment, source):
    computed, err = shards(environment)
    assert computed == [1, 4]
    assert f"This is rank 1 of 3, as {source} says" in err


@pytest.mark.parametrize("environment", [STEP, TORCHRUN], ids=["srun", "torchrun"])
@pytest.mark.parametrize(
    ("flags", "dealt"),
    [(["--rank", 0, "--world-size", 2], [0, 2, 4]), (["--rank", 0], [*range(6)])],
)
def test_flags_win_over_the_environment(shards, environment, flags, dealt):
    computed, err = shards(environment, *flags)
    assert computed == dealt
    assert "This is rank" not in err


def test_a_batch_script_and_other_commands_have_no_rank(shards):
    script = {"SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_ARRAY_TASK_ID": "1"}
    assert shards(script)[0] == [*range(6)]


def test_embed_crops_computes_all_whatever_has_started_it(shards):
    assert shards(STEP, name="embed-crops")[0] == [*range(6)]


def test_an_environment_that_makes_no_sense_is_refused(command, monkeypatch):
    monkeypatch.setenv("RANK", "4")
    monkeypatch.setenv("WORLD_SIZE", "4")
    refused = command("run", "--dataset", "demo-01")
    assert refused.code == 2
    assert refused.err.startswith("a2pipe: No rank follows from RANK=4 and WORLD_SIZE=4 in the")


@pytest.mark.parametrize(
    ("flags", "device"),
    [((), "cuda:1"), (("--device", "cuda"), "cuda:1"), (("--device", "cpu"), "cpu")],
)
def test_processes_of_a_launcher_take_a_gpu_each(command, monkeypatch, flags, device):
    """They may all see every GPU of their machine."""
    opened = []

    def record(overrides, **_):
        opened.append(overrides.get("run.device", "auto"))
        raise A2pipeError("enough")

    monkeypatch.setattr(stages, "open_experiment", record)
    monkeypatch.setattr(devices, "visible_gpus", lambda: 2)
    for key, value in {**TORCHRUN, "LOCAL_RANK": "3"}.items():
        monkeypatch.setenv(key, value)
    command("run", "--dataset", "demo-01", *flags)
    assert opened == [device]
