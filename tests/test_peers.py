"""The comparison with peers: what it measures with, and one small run without extra packages."""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import a2pipe
from a2pipe.stages.boxes.greedy import greedy_boxes
from a2pipe.stages.maps import patch_maps

BENCHMARKS = Path(a2pipe.__file__).parent / "benchmarks"
HOLD_100_MB = "x = bytearray(100 << 20); print(len(x)); input()"


@pytest.fixture
def module(monkeypatch):
    """Import one of the benchmark's files."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


def test_photos_are_the_same_every_time_and_all_different(module, tmp_path):
    photos = module("photos")
    first, again = (photos.write_photos(tmp_path / name, 5) for name in ("first", "again"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    assert len({path.read_bytes() for path in first}) == 5
    assert {path.parent.parent.name for path in first} == {"train", "test"}


def test_a_series_of_photos_goes_on(module, tmp_path):
    photos = module("photos")
    (added,) = photos.write_photos(tmp_path / "one", 1, start=3)
    assert added.read_bytes() == photos.write_photos(tmp_path / "four", 4)[-1].read_bytes()


def test_the_script_finds_the_boxes_of_the_pipeline(module):
    crops = module("peer_crops")
    rows = torch.rand((6, 3, 1 + 36), generator=torch.Generator().manual_seed(0))
    corners = crops.most_attended(rows, prefix=1, canvas=48, size=16).numpy()
    boxes = greedy_boxes(patch_maps(rows.numpy(), 1), [16], canvas=48)[0]
    assert np.array_equal(corners, boxes[:, :2])


def test_a_crop_of_the_size_asked_for_is_cut_out_as_it_is(module):
    images = torch.rand((1, 3, 10, 10), generator=torch.Generator().manual_seed(0))
    crops = module("peer_crops").cut(images, torch.tensor([[2, 5]]), 4, 4)
    assert torch.allclose(crops, images[:, :, 5:9, 2:6])


def test_memory_counts_the_children_of_a_process(module):
    tree = module("process_tree")
    command = [sys.executable, "-c", f"import subprocess, sys\n{start_child()}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline().strip() == str(100 << 20).encode()
        alone, _ = tree.own_memory(process.pid)
        rss, pss = tree.memory(process.pid)
        process.communicate(b"\n")
    assert rss > alone + 100
    assert 100 < pss < rss


def start_child() -> str:
    return f"subprocess.run([sys.executable, '-c', {HOLD_100_MB!r}])"


def test_a_command_that_fails_ends_the_comparison_with_its_errors(module):
    with pytest.raises(SystemExit, match="no such photo"):
        module("process_tree").run([sys.executable, "-c", "import sys; sys.exit('no such photo')"])


def test_arrays_agree_row_by_row(module):
    agreeing = module("peers").agreeing
    one = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert agreeing(one, one + np.array([[0, 1e-5], [0, 1e-2]]), 1e-3).tolist() == [True, False]
    assert not agreeing(one, one[:, :1], 1e-3).any()


def test_rounds_are_compared_side_by_side(module):
    peers, tree = module("peers"), module("process_tree")

    def runs(*seconds):
        said = [{"seconds": each, "cpu_seconds": each / 2} for each in seconds]
        return peers.Runs([tree.Run(9, 1, 1, each) for each in said])

    assert peers.ratio(runs(2, 60, 3), runs(1, 20, 1)) == 3
    assert runs(2, 60, 4).summary(8)["images_per_second"] == 2


@pytest.mark.slow
def test_a_small_comparison_runs_to_its_table(module):
    """With the one peer that a2pipe needs itself; what it says is of the right kind."""
    peers = module("peers")
    words = ["--only=folder", "--tasks=crops", "--peers=timm", "--images=4", "--rounds=1"]
    report = peers.measure(peers.arguments(words))
    assert report["crops"]["timm"]["agrees"] == 1
    assert "second run" in "\n".join(peers.markdown(report))


def test_the_matrix_of_the_script_is_the_pipelines_with_fewer_passes(module, tmp_path):
    matrix = module("peer_matrix")
    table = matrix.write_table(tmp_path, 24)
    models = matrix.MODELS[1:3]
    script = matrix.run_script(table, models)
    first, again = (matrix.run_ours(table, tmp_path / "cache", 1, models) for _ in range(2))
    assert script["accuracies"] == first["accuracies"] == again["accuracies"]
    assert script["forward_passes"] == 2 * 2 * 2 * 24
    assert first["forward_passes"] == (2 + 2 * 2) * 24
    assert again["forward_passes"] == 0
