"""Say which GPUs there are, which of them a run takes, and how a process is shown one alone."""

from collections.abc import Mapping, Sequence
from typing import Literal

from ....errors import UsageError
from ..progress import Progress
from ..task import Task

Gpus = Literal["all"] | int | Sequence[int]
"""All GPUs, the first so many, or those of these numbers."""
VISIBLE = "CUDA_VISIBLE_DEVICES"


def visible_gpus() -> int:
    """Return how many CUDA devices this process sees; 0 where there are none."""
    import torch

    return torch.cuda.device_count()


def choose_gpus(gpus: Gpus) -> tuple[int, ...]:
    """Return the numbers of the GPUs that a run takes, as CUDA numbers those this process sees.

    Raises:
        UsageError: there is no GPU, or not one of these.
    """
    count = visible_gpus()
    if not count:
        raise UsageError("This process sees no CUDA device: leave out --gpus (the key run.gpus).")
    if gpus == "all":
        return tuple(range(count))
    if isinstance(gpus, int):
        if gpus > count:
            raise UsageError(
                f"There are not {gpus} GPUs, this process sees {count}: give --gpus all or a "
                "smaller number."
            )
        return tuple(range(gpus))
    if unknown := [number for number in gpus if number not in range(count)]:
        raise UsageError(f"There is no GPU {unknown[0]}; this process sees 0 to {count - 1}.")
    return tuple(int(number) for number in gpus)


def gpu_of(local_rank: int) -> int | None:
    """Return the GPU for one of several processes on a machine, or None if there is no choice.

    local_rank: the number of the process on its machine, from 0.
    """
    count = visible_gpus()
    return local_rank % count if count > 1 else None


def shown(device: str, environment: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Return the name of a device in a process that sees no other, and its environment.

    device: "cuda:2", as this process numbers them, or another one, which is left as it is.
    environment: that of this process, which may hide some GPUs already.
    """
    kind, _, number = device.partition(":")
    if kind != "cuda" or not number:
        return device, dict(environment)
    names = [name.strip() for name in environment.get(VISIBLE, "").split(",")]
    name = names[int(number)] if any(names) else number
    return "cuda", {**environment, VISIBLE: name}


def label(device: str, place: int) -> str:
    """Return what a message calls the process of a device, the `place`th of its run."""
    kind, _, number = device.partition(":")
    return f"GPU {number}" if kind == "cuda" and number else f"process {place} ({device})"


def say_idle_gpus(task: Task, progress: Progress) -> None:
    """Say in one line that a task takes one of several GPUs, if it does."""
    # To count GPUs is to import PyTorch, for seconds, and boxes alone are placed without it.
    needs_model = any(task.missing[spec] for spec in task.asked_for if spec.stage != "boxes")
    if task.plan.experiment.run.device not in ("auto", "cuda") or not needs_model:
        return
    if (idle := visible_gpus() - 1) > 0:
        verb = "others are" if idle > 1 else "other is"
        progress.say(f"This run takes one of {idle + 1} GPUs, the {verb} idle: see --gpus all.")
