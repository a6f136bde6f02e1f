"""`plan` and the commands that compute stages, as a user types them."""

import json
from pathlib import Path

MODEL = "demo_localizer_s_random"


def test_each_stage_says_where_its_result_lies(run, cache):
    result = run("extract-attn", "--model", MODEL, "--json")
    (line,) = json.loads(result.stdout)
    assert line["rows"] == 36
    assert Path(line["folder"]).is_relative_to(cache)
    assert (Path(line["folder"]) / "spec.json").is_file()


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
