"""Small vision transformers of every kind the package reads, sharp in attention, and oracles."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from huggingface_hub import constants
from timm.models.eva import Eva
from timm.models.vision_transformer import ResPostBlock, VisionTransformer
from torch import Tensor, nn

from a2pipe.models.backbone import Backbone
from a2pipe.models.identity import BackboneInfo
from a2pipe.models.zoo.model_entry import ModelEntry

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.3, 0.25)
SMALL: dict[str, Any] = {"embed_dim": 48, "depth": 3, "num_heads": 3, "num_classes": 0}
PLAIN: dict[str, Any] = {**SMALL, "img_size": 48, "patch_size": 8}
GROUPED: dict[str, Any] = {
    **SMALL,
    "num_kv_heads": 1,
    "attn_type": "rope",
    "qkv_fused": False,
    "use_rot_pos_emb": True,
    "use_abs_pos_emb": False,
    "global_pool": "token",
    "img_size": 96,
}
KINDS: dict[str, Callable[[], nn.Module]] = {
    "plain": lambda: VisionTransformer(**PLAIN),
    "no bias": lambda: VisionTransformer(**PLAIN, qkv_bias=False),
    "qk norm": lambda: VisionTransformer(**PLAIN, qk_norm=True, init_values=0.1),
    "post norm": lambda: VisionTransformer(**PLAIN, block_fn=ResPostBlock),
    "dynamic": lambda: VisionTransformer(**PLAIN, dynamic_img_size=True),
    "dinov2": lambda: timm.create_model("vit_small_patch14_dinov2", img_size=126, **SMALL),
    "registers": lambda: timm.create_model("vit_small_patch14_reg4_dinov2", img_size=126, **SMALL),
    "swiglu": lambda: timm.create_model("vit_giant_patch14_reg4_dinov2", img_size=126, **SMALL),
    "clip": lambda: timm.create_model("vit_base_patch16_clip_224", **SMALL),
    "dinov3": lambda: timm.create_model("vit_small_patch16_dinov3_qkvb", **SMALL),
    "eva02": lambda: timm.create_model("eva02_tiny_patch14_224", **SMALL),
    "mixed rope": lambda: timm.create_model("vit_small_patch16_rope_mixed_224", **SMALL),
    "grouped keys": lambda: Eva(**GROUPED),
}
SIZES = {
    **dict.fromkeys(("clip", "dinov3", "mixed rope", "grouped keys"), (96, 224)),
    **dict.fromkeys(("dinov2", "registers", "swiglu"), (98, 126, 224)),
    **dict.fromkeys(("no bias", "qk norm", "post norm", "dynamic"), (48, 96)),
    "eva02": (98, 224),
    "plain": (48, 96, 224),
}

GAINS = {"post norm": 1.0, "swiglu": 1.8}


def sharpen(module: nn.Module, gain: float, seed: int = 0) -> nn.Module:
    """Random weights under which the softmax is far from uniform."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(module.named_parameters()):
        noise = torch.randn(parameter.shape, generator=generator)
        parameter.data.copy_(_scaled(name, parameter, noise, gain))
    return module.requires_grad_(False).eval()


def _scaled(name: str, parameter: Tensor, noise: Tensor, gain: float) -> Tensor:
    if "q_norm" in name or "k_norm" in name:
        return 2 + 0.2 * noise
    if "norm" in name and name.endswith("weight"):
        return 1 + 0.1 * noise
    if "gamma" in name:
        return 0.5 + 0.2 * noise
    if parameter.ndim < 2 or name.endswith(("_token", "pos_embed")) or "freqs" in name:
        return 0.3 * noise
    sharp = any(part in name for part in ("qkv", "q_proj", "k_proj"))
    return (gain if sharp else 1.0) * noise / parameter[0].numel() ** 0.5


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small are slower on several threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=sorted(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    """Every kind of transformer in turn."""
    return str(request.param)


@pytest.fixture(
    params=[(kind, size) for kind, sizes in SIZES.items() for size in sizes],
    ids=lambda pair: f"{pair[0]} {pair[1]}",
)
def kind_and_size(request: pytest.FixtureRequest) -> tuple[str, int]:
    """Every kind at its native size and at sizes for which positions are resampled."""
    return tuple(request.param)


@pytest.fixture
def tiny() -> Callable[[str], Any]:
    """A small network of a kind, with sharp attention."""
    return lambda kind: sharpen(KINDS[kind](), GAINS.get(kind, 2.0))


@pytest.fixture
def backbone_of() -> Callable[..., Backbone]:
    """A backbone around a copy of a network."""

    def make(
        module: Any,
        positions: str = "antialias",
        precision: str = "fp32",
        compiled: bool = False,
        device: str = "cpu",
    ) -> Backbone:
        info = BackboneInfo(
            name="tiny",
            architecture="{}",
            weights="",
            mean=MEAN,
            std=STD,
            input_size=module.patch_embed.img_size[0],
            patch=module.patch_embed.patch_size[0],
            prefix_tokens=module.num_prefix_tokens,
            heads=module.blocks[0].attn.num_heads,
            dim=module.embed_dim,
            blocks=len(module.blocks),
            parameters=0,
        )
        where = torch.device(device)
        return Backbone(info, copy.deepcopy(module), where, precision, positions, compiled)

    return make


def at_size(module: Any, size: int) -> Any:
    """timm's own way of changing the input size, on a copy."""
    other = copy.deepcopy(module)
    if not getattr(other, "dynamic_img_size", False):
        other.set_input_size((size, size))
    return other


@pytest.fixture
def sharpened() -> Callable[..., nn.Module]:
    """Give a network weights under which its attention is sharp."""
    return lambda module, gain=2.0: sharpen(module, gain)


@pytest.fixture(name="normalized")
def normalized_fixture() -> Callable[[Tensor], Tensor]:
    """Pixels as a network of `backbone_of` sees them."""
    return normalized


def normalized(pixels: Tensor) -> Tensor:
    return (pixels - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


@pytest.fixture
def eager_rows() -> Callable[[Any, Tensor, int], Tensor]:
    """Oracle: the CLS row of timm's own unfused softmax of one block (1 is the first)."""

    def rows(module: Any, pixels: Tensor, block: int) -> Tensor:
        other = at_size(module, pixels.shape[-1])
        attention = other.blocks[block - 1].attn
        attention.fused_attn = False
        caught: list[Tensor] = []
        attention.attn_drop.register_forward_pre_hook(lambda _, given: caught.append(given[0]))
        other.forward_features(normalized(pixels))
        return caught[0][:, :, 0]

    return rows


@pytest.fixture
def timm_features() -> Callable[[Any, Tensor], Tensor]:
    """Oracle: all tokens after the final norm, by timm's own forward pass."""

    def features(module: Any, pixels: Tensor) -> Tensor:
        other = at_size(module, pixels.shape[-1])
        tokens = other.forward_features(normalized(pixels))
        pools = isinstance(other.norm, nn.Identity)  # then timm norms what it has pooled
        return other.fc_norm(tokens) if pools else tokens

    return features


@pytest.fixture
def timm_native() -> Callable[[Any, Tensor], Tensor]:
    """Oracle: what timm's own forward pass pools, before any classification head."""

    def pooled(module: Any, pixels: Tensor) -> Tensor:
        other = at_size(module, pixels.shape[-1])
        tokens = other.forward_features(normalized(pixels))
        found: Tensor = other.forward_head(tokens, pre_logits=True)
        return found

    return pooled


@pytest.fixture
def timm_raw() -> Callable[[Any, Tensor], Tensor]:
    """Oracle: all tokens as they enter the final norm in timm's own forward pass."""

    def raw(module: Any, pixels: Tensor) -> Tensor:
        other = at_size(module, pixels.shape[-1])
        caught: list[Tensor] = []
        other.norm.register_forward_pre_hook(lambda _, given: caught.append(given[0]))
        other.forward_features(normalized(pixels))
        return caught[0]

    return raw


@pytest.fixture
def pixels() -> Callable[..., Tensor]:
    """Random pixels in [0, 1]."""

    def draw(size: int, count: int = 2) -> Tensor:
        generator = torch.Generator().manual_seed(size)
        return torch.rand((count, 3, size, size), generator=generator)

    return draw


COMMIT = "0123456789" * 4


@pytest.fixture
def no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty hub cache, and no hub at the address where it is looked for."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")


@pytest.fixture
def cached(tmp_path: Path) -> Callable[[ModelEntry], Path]:
    """Put a weights file of a model into the hub's cache."""

    def put(entry: ModelEntry) -> Path:
        folder = tmp_path / "cache" / f"models--{entry.repo.replace('/', '--')}"
        snapshot = folder / "snapshots" / COMMIT
        snapshot.mkdir(parents=True)
        (folder / "refs").mkdir()
        (folder / "refs" / "main").write_text(COMMIT)
        (snapshot / "model.safetensors").write_bytes(b"weights")
        return snapshot / "model.safetensors"

    return put
