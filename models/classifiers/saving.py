"""Give a trained network as weights of a backbone, and its head beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from .network import Classifier


def backbone_bytes(classifier: Classifier) -> bytes:
    """Return a safetensors file of the trunk, for `--weights` of the backbone `lastvit`.

    Its metadata describe the architecture, as `architecture_of` reads it. Of a ResNet it fits
    timm's network of that name. The head is left out.
    """
    from safetensors.torch import save

    described = {"architecture": json.dumps(_architecture(classifier))}
    found: bytes = save(_plain(classifier.trunk.state_dict()), described)
    return found


def head_bytes(classifier: Classifier, classes: Sequence[str]) -> bytes:
    """Return a safetensors file of the head: weight (classes, D) and bias (classes,).

    Its metadata say under "head" what it reads, and the names of the classes.
    """
    from safetensors.torch import save

    described = json.dumps({"pool": classifier.design.pool, "classes": list(classes)})
    found: bytes = save(_plain(classifier.head.state_dict()), {"head": described})
    return found


def _architecture(classifier: Classifier) -> dict[str, Any]:
    design = classifier.design
    if not design.is_vit:
        return {"timm": design.network}
    sizes = {name: getattr(design, name) for name in ("dim", "depth", "heads", "patch", "grid")}
    # A backbone computes global attention: it must not take these weights for its own.
    windows = {"window": design.window, "windowed": list(design.windowed)}
    return sizes | windows if design.window else sizes


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
