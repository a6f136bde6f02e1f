"""CLS attention against timm's own ways to get it: `python benchmarks/attention.py`.

A ViT-S/14 with 4 registers (DINOv2's shape) with random weights, 224 px, batch 16, one CPU thread.
Peers, all in one process and in turn: the model's plain forward pass, and the usual way to read
attention, which is to switch fused attention off and hook the softmax of the last block. Time is
CPU time, best of several repeats. Prints one JSON object: images per second, and time as a share of
the plain forward pass.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import timm
import torch

from a2pipe.models.attention import cls_attention

MODEL, BATCH, REPEATS = "vit_small_patch14_reg4_dinov2", 16, 5


def build(fused: bool) -> Any:
    """The model at 224 px with seeded random weights."""
    torch.manual_seed(0)
    model = timm.create_model(MODEL, pretrained=False, img_size=224, num_classes=0).eval()
    for block in model.blocks:
        block.attn.fused_attn = fused
    return model


def hooked(model: Any, images: torch.Tensor) -> torch.Tensor:
    """CLS rows of the last block's softmax, read from a model that forms every T x T matrix."""
    seen: list[torch.Tensor] = []
    dropout = model.blocks[-1].attn.attn_drop
    handle = dropout.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0][:, :, 0]))
    model.forward_features(images)
    handle.remove()
    return seen[0]


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of the fastest repeat."""
    best = float("inf")
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def main() -> None:
    """Check that the ways agree, time them, print."""
    torch.set_num_threads(1)
    images = torch.randn(BATCH, 3, 224, 224)
    fused, eager = build(fused=True), build(fused=False)
    last = len(fused.blocks)
    with torch.inference_mode():
        difference = (cls_attention(fused, images, [last])[:, 0] - hooked(eager, images)).abs()
        ways = {
            "a2pipe, last block": lambda: cls_attention(fused, images, [last]),
            "a2pipe, all blocks": lambda: cls_attention(fused, images, range(1, last + 1)),
            "plain forward pass": lambda: fused.forward_features(images),
            "hooked softmax": lambda: hooked(eager, images),
        }
        spent = {name: seconds(work) for name, work in ways.items()}
    plain = spent["plain forward pass"]
    report = {
        "largest_difference": float(difference.max()),
        "images_per_second": {name: round(BATCH / value, 1) for name, value in spent.items()},
        "share_of_a_forward_pass": {name: round(v / plain, 3) for name, v in spent.items()},
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
