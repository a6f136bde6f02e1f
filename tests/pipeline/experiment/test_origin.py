"""Where an experiment comes from, which tells apart two of one name."""

from pathlib import Path

from a2pipe.pipeline.cluster.batch.submit import frozen
from a2pipe.pipeline.experiment.load import load_experiment
from a2pipe.pipeline.experiment.toml import to_toml


def written(folder: Path, dataset: str = "demo-01") -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / "experiment.toml"
    file.write_text(f'[dataset]\nname = "{dataset}"\n')
    return file


def test_it_is_the_resolved_path_of_the_file(tmp_path, monkeypatch):
    file = written(tmp_path / "a")
    (tmp_path / "link.toml").symlink_to(file)
    monkeypatch.chdir(tmp_path)
    assert load_experiment(file).origin == str(file)
    assert load_experiment("a/experiment.toml").origin == str(file)
    assert load_experiment("link.toml").origin == str(file)


def test_flags_over_a_file_leave_it(tmp_path):
    file = written(tmp_path)
    assert load_experiment(file, {"dataset.name": "demo-02"}).origin == str(file)


def test_without_a_file_it_is_the_dataset(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("birds").mkdir()
    flags = {"dataset.name": "birds"}
    assert load_experiment(None, flags).origin == str(tmp_path / "birds")
    assert load_experiment({"dataset": {"name": "demo-01"}}).origin == "demo-01"
    flags = {"dataset.name": "waterbirds", "dataset.root": Path("birds")}
    assert load_experiment(None, flags).origin == f"waterbirds at {tmp_path / 'birds'}"


def test_it_changes_neither_equality_nor_what_is_written(tmp_path):
    here, there = (load_experiment(written(tmp_path / name)) for name in "ab")
    assert here.origin != there.origin
    assert here == there
    assert to_toml(here) == to_toml(there)
    assert "origin" not in here.model_dump()


def test_the_copy_of_a_submission_keeps_it(tmp_path):
    original = load_experiment(written(tmp_path))
    copy = tmp_path / "jobs.toml"
    copy.write_text(frozen(original))
    assert load_experiment(copy).origin == original.origin
