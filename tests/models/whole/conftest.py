"""Networks without CLS attention, small where timm has no small ones, loaded from weights files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from a2pipe.models import identity
from a2pipe.models.backbone import Backbone, load_backbone

VIT: dict[str, Any] = {"embed_dim": 48, "depth": 3, "num_heads": 3}
SWIN: dict[str, Any] = {"embed_dim": 16, "depths": (1, 2, 1, 1), "num_heads": (1, 2, 4, 4)}
SHRUNK: dict[str, dict[str, Any]] = {
    "vit_base_patch16_siglip_224": VIT,
    "vit_base_patch16_gap_224": VIT,
    "vit_medium_patch16_reg1_gap_256": VIT,
    "beit_base_patch16_224": VIT,
    "swin_tiny_patch4_window7_224": SWIN,
}
BY_STEPS = (
    "vit_base_patch16_siglip_224",
    "vit_base_patch16_gap_224",
    "vit_medium_patch16_reg1_gap_256",
)
WHOLE = (
    "test_resnet",
    "test_convnext",
    "test_efficientnet",
    "test_mambaout",
    "beit_base_patch16_224",
    "swin_tiny_patch4_window7_224",
)
Loaded = tuple[Any, Backbone]


@pytest.fixture(autouse=True)
def shrunk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """timm's names stand for small networks."""
    create = timm.create_model

    def small(name: str, **given: Any) -> nn.Module:
        return create(name, **SHRUNK.get(name.split(".")[0], {}), **given)

    monkeypatch.setattr(timm, "create_model", small)
    identity._outline.cache_clear()
    yield
    identity._outline.cache_clear()


@pytest.fixture
def network_of(sharpened: Callable[..., nn.Module]) -> Callable[[str], Any]:
    """timm's network of a name, with a classifier, random weights and random statistics."""

    def make(name: str) -> Any:
        module = sharpened(timm.create_model(name))
        generator = torch.Generator().manual_seed(1)
        for key, values in sorted(module.named_buffers()):
            if key.endswith("running_mean"):
                values.copy_(0.3 * torch.randn(values.shape, generator=generator))
            elif key.endswith("running_var"):
                values.copy_(0.5 + torch.rand(values.shape, generator=generator))
        # Gains near 0, as of other vectors, would leave nothing of an image in what comes out.
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.weight.copy_(1 + 0.1 * torch.randn(part.weight.shape, generator=generator))
        return module

    return make


@pytest.fixture
def loaded(tmp_path: Path, network_of: Callable[[str], Any]) -> Callable[..., Loaded]:
    """A network of timm's, and the backbone that is loaded from a file with its weights."""

    def load(name: str, **options: Any) -> Loaded:
        module, path = network_of(name), tmp_path / f"{name}.safetensors"
        state = {key: value.contiguous() for key, value in module.state_dict().items()}
        save_file(state, path)
        return module, load_backbone(name, weights=path, device="cpu", **options)

    return load


@pytest.fixture
def seen() -> Callable[[Backbone, Tensor], Tensor]:
    """Pixels as the network of a backbone sees them."""

    def normalize(backbone: Backbone, pixels: Tensor) -> Tensor:
        mean, std = (
            torch.tensor(each).view(3, 1, 1) for each in (backbone.info.mean, backbone.info.std)
        )
        return (pixels - mean) / std

    return normalize


@pytest.fixture(params=WHOLE)
def whole(request: pytest.FixtureRequest) -> str:
    """Every kind of network that runs as a whole, in turn."""
    return str(request.param)


@pytest.fixture(params=(*BY_STEPS, *WHOLE))
def name(request: pytest.FixtureRequest) -> str:
    """Every kind of network without CLS attention, in turn."""
    return str(request.param)
