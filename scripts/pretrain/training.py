"""One training run: a schedule counted in views, a log, and a checkpoint to continue from."""

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from .objectives import Objective

CLIP = 1.0


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: `views` in images seen, the other lengths in steps."""

    views: int
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup: int = 40
    checkpoint: int = 250
    log: int = 25

    def rate(self, step: int, views_per_step: int) -> float:
        """Linear warm-up, then half a cosine down to zero at the last view."""
        steps = math.ceil(self.views / views_per_step)
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, steps - self.warmup)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


class Run:
    """A training and all its state, which is saved and restored as one."""

    def __init__(
        self,
        network: VisionTransformer,
        objective: Objective,
        schedule: Schedule,
        folder: Path,
        seed: int,
    ) -> None:
        self.device = objective_device(objective)
        self.network, self.objective, self.schedule, self.folder = (
            network,
            objective,
            schedule,
            folder,
        )
        plain_attention(network)
        self.both = nn.ModuleList([network, objective.head]).to(self.device)
        self.optimizer = torch.optim.AdamW(
            parameter_groups(self.both, schedule), betas=(0.9, 0.98), fused=True
        )
        self.rng = torch.Generator(self.device).manual_seed(seed)
        self.step, self.seconds, self.cpu_seconds = 0, 0.0, 0.0
        self.losses: list[Tensor] = []

    @property
    def views(self) -> int:
        """Images seen so far."""
        return self.step * self.objective.views_per_step

    def train(self) -> None:
        """Continue from the checkpoint in the folder, if any, to the end of the schedule."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.restore()
        self.both.train()
        while self.views < self.schedule.views:
            started, worked = time.perf_counter(), time.process_time()
            self.losses.append(self.update())
            self.seconds += time.perf_counter() - started
            self.cpu_seconds += time.process_time() - worked
            if self.step % self.schedule.log == 0:
                self.write_log()
            if self.step % self.schedule.checkpoint == 0:
                self.save()
        self.save()

    def update(self) -> Tensor:
        """One step of AdamW on one batch; returns its loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.schedule.rate(self.step, self.objective.views_per_step)
        with torch.autocast(self.device.type, torch.bfloat16):
            loss = self.objective.loss(self.network, self.views / self.schedule.views, self.rng)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.both.parameters(), CLIP)
        self.optimizer.step()
        self.step += 1
        return loss.detach()

    def write_log(self) -> None:
        """Append one JSON line: step, views, mean loss since the last line, seconds."""
        loss = torch.stack(self.losses).mean().item()
        self.losses.clear()
        facts = {
            "step": self.step,
            "views": self.views,
            "loss": round(loss, 4),
            "seconds": round(self.seconds, 1),
            "cpu_seconds": round(self.cpu_seconds, 1),
        }
        with (self.folder / "log.jsonl").open("a") as log:
            log.write(json.dumps(facts) + "\n")

    def save(self) -> None:
        """Write the checkpoint, in place of the one before."""
        state = {
            "both": self.both.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": self.rng.get_state(),
            "step": self.step,
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
        }
        scratch = self.folder / ".checkpoint.part"
        torch.save(state, scratch)
        scratch.replace(self.folder / "checkpoint.pt")

    def restore(self) -> None:
        """Read the checkpoint back, if there is one."""
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        self.both.load_state_dict(state["both"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.rng.set_state(state["rng"])
        self.step = state["step"]
        self.seconds, self.cpu_seconds = state["seconds"], state["cpu_seconds"]


def plain_attention(network: VisionTransformer) -> None:
    """Spell the softmax out: on a CPU, training with the fused kernel takes twice as long."""
    blocks: Any = network.blocks
    for block in blocks:
        block.attn.fused_attn = False


def parameter_groups(module: nn.Module, schedule: Schedule) -> list[dict[str, Any]]:
    """Matrices decay; biases, norms and embeddings of rank three do not."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    decayed = [p for p in parameters if p.ndim in (2, 4)]
    others = [p for p in parameters if p.ndim not in (2, 4)]
    return [
        {"params": decayed, "weight_decay": schedule.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]


def objective_device(objective: Objective) -> torch.device:
    """Where the objective draws its views."""
    device: torch.device = objective.sources.masks.device
    return device
