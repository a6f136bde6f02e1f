"""Commands that end in a matrix, as a user types them."""

import json
from pathlib import Path

MODEL = "demo_localizer_s_random"


def test_stages_one_by_one_end_in_a_matrix_without_further_passes(run):
    crops = ["--crop-sizes", "16,8"]
    both = ["--attention-model", MODEL, "--embedding-model", MODEL, *crops, "--baseline", "full"]
    assert len(json.loads(run("select-crops", "--model", MODEL, *crops, "--json").stdout)) == 2
    assert run("embed-crops", *both).exit_code == 0
    result = run("fit-heads", *both, "--head-option", "C=0.5", "--json", "--out", "out")
    matrix = json.loads(result.stdout)
    assert matrix["run"]["forward_passes_total"] == 0
    assert len(matrix["cells"]) == 2
    assert {Path(path).name for path in matrix["files"].values()} == {
        "matrix.json",
        "matrix.csv",
        "matrix.md",
        "matrix.png",
        "report.html",
    }
    assert all(Path(path).is_file() for path in matrix["files"].values())
