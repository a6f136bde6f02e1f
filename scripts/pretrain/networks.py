"""The two sizes of the demo's vision transformer, and how their weights are kept."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer

CANVAS = 48
PATCH = 8


@dataclass(frozen=True)
class Architecture:
    """What timm's `VisionTransformer` needs; `grid` is patches per side in training."""

    dim: int
    depth: int
    heads: int = 3
    patch: int = PATCH
    grid: int = CANVAS // PATCH


ARCHITECTURES: dict[str, Architecture] = {"s": Architecture(96, 4), "m": Architecture(144, 6)}


def build(architecture: Architecture, seed: int = 0) -> VisionTransformer:
    """A new network that maps images (b, 3, h, w) in [-1, 1] to CLS embeddings (b, dim)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return VisionTransformer(
            img_size=architecture.grid * architecture.patch,
            patch_size=architecture.patch,
            embed_dim=architecture.dim,
            depth=architecture.depth,
            num_heads=architecture.heads,
            num_classes=0,
            dynamic_img_size=True,
        )


def save_weights(
    network: VisionTransformer, architecture: Architecture, path: Path, facts: dict[str, str]
) -> None:
    """Write the state dict as float16 safetensors, in place of what `path` held before."""
    state = {
        name: value.detach().cpu().half().contiguous()
        for name, value in network.state_dict().items()
    }
    metadata = {"architecture": json.dumps(asdict(architecture)), **facts}
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.part")
    save_file(state, scratch, metadata)
    scratch.chmod(0o644)
    scratch.replace(path)


def load_weights(path: Path) -> tuple[VisionTransformer, Architecture]:
    """Rebuild a network from a file written by `save_weights`, in float32 and evaluation mode."""
    with safe_open(path, "pt") as file:
        architecture = Architecture(**json.loads(file.metadata()["architecture"]))
        state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    network = build(architecture)
    network.load_state_dict(state)
    return network.eval(), architecture
