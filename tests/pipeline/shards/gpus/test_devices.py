"""Which GPUs a run takes: with two to five that are none."""

import pytest

from a2pipe.errors import UsageError
from a2pipe.pipeline.session import open_session
from a2pipe.pipeline.shards.gpus import devices
from a2pipe.pipeline.shards.gpus.devices import choose_gpus, gpu_of, label, say_idle_gpus, shown
from a2pipe.pipeline.shards.progress import SilentProgress
from a2pipe.pipeline.shards.task import prepare


@pytest.fixture
def visible(monkeypatch):
    """Act as if so many GPUs were visible."""
    return lambda count: monkeypatch.setattr(devices, "visible_gpus", lambda: count)


@pytest.mark.parametrize(
    ("gpus", "numbers"), [("all", (0, 1, 2)), (2, (0, 1)), ([2], (2,)), ((0, 2), (0, 2))]
)
def test_what_the_words_mean(visible, gpus, numbers):
    visible(3)
    assert choose_gpus(gpus) == numbers


@pytest.mark.parametrize(
    ("count", "gpus", "said"),
    [
        (0, "all", "sees no CUDA device: leave out --gpus"),
        (0, 1, "sees no CUDA device"),
        (2, 3, "There are not 3 GPUs, this process sees 2"),
        (2, [0, 2], "There is no GPU 2; this process sees 0 to 1"),
    ],
)
def test_what_is_not_there_is_refused(visible, count, gpus, said):
    visible(count)
    with pytest.raises(UsageError, match=said):
        choose_gpus(gpus)


@pytest.mark.parametrize(
    ("device", "before", "name", "after"),
    [
        ("cuda:1", {}, "cuda", {"CUDA_VISIBLE_DEVICES": "1"}),
        ("cuda:1", {"CUDA_VISIBLE_DEVICES": ""}, "cuda", {"CUDA_VISIBLE_DEVICES": "1"}),
        ("cuda:1", {"CUDA_VISIBLE_DEVICES": "3, 5"}, "cuda", {"CUDA_VISIBLE_DEVICES": "5"}),
        ("cuda:0", {"CUDA_VISIBLE_DEVICES": "GPU-4f"}, "cuda", {"CUDA_VISIBLE_DEVICES": "GPU-4f"}),
        ("cpu", {"CUDA_VISIBLE_DEVICES": "3"}, "cpu", {"CUDA_VISIBLE_DEVICES": "3"}),
    ],
)
def test_a_process_is_shown_its_gpu_alone(device, before, name, after):
    assert shown(device, {"HOME": "/home", **before}) == (name, {"HOME": "/home", **after})


def test_messages_name_a_gpu_or_a_process():
    assert [label("cuda:2", 0), label("cpu", 1)] == ["GPU 2", "process 1 (cpu)"]


@pytest.mark.parametrize(
    ("count", "local", "gpu"), [(0, 1, None), (1, 1, None), (4, 3, 3), (4, 5, 1)]
)
def test_processes_of_a_launcher_take_one_gpu_each(visible, count, local, gpu):
    visible(count)
    assert gpu_of(local) == gpu


# --- GPUs that are idle -------------------------------------------------------------------------


@pytest.fixture
def idle(experiment, tmp_path, monkeypatch):
    """What is said of idle GPUs before a stage is computed on a device."""

    def lines(device, through="attention"):
        said = []
        monkeypatch.setattr(SilentProgress, "say", lambda _, line: said.append(line))
        run = {"shard_size": 32, "device": device}
        session = open_session(experiment(run=run), tmp_path / "cache")
        task = prepare(session.plan, session.cache, session.plan.specs(through))
        say_idle_gpus(task, session.progress)
        return said

    return lines


def test_idle_gpus_are_told_in_one_line(visible, idle):
    visible(4)
    assert idle("auto") == ["This run takes one of 4 GPUs, the others are idle: see --gpus all."]
    visible(2)
    assert idle("cuda") == ["This run takes one of 2 GPUs, the other is idle: see --gpus all."]


@pytest.mark.parametrize(("count", "device"), [(0, "auto"), (1, "auto"), (4, "cpu"), (4, "cuda:1")])
def test_no_gpu_is_idle_where_there_is_one_or_one_is_named(visible, idle, count, device):
    visible(count)
    assert idle(device) == []


def test_gpus_are_not_counted_where_no_model_is_needed(experiment, tmp_path, idle, monkeypatch):
    open_session(experiment(run={"shard_size": 32, "device": "cpu"}), tmp_path / "cache").compute(
        "attention"
    )
    monkeypatch.setattr(devices, "visible_gpus", None)
    assert idle("auto", "boxes") == []
