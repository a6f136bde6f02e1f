"""Progress measured on pretraining digits and photo halves; evaluation material is not read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor
from torch.nn import functional

from a2pipe.datasets.demo.source import PHOTOS, composite, digit_masks, photo_crop, pretrain_digits

IMAGE = 96
CROP = 32
INPUT = 48
BATCH = 100
SEED = 4711


@dataclass(frozen=True)
class Composites:
    """Images uint8 (n, 96, 96, 3), half-open pixel boxes int64 (n, 4), digits int64 (n,)."""

    images: NDArray[np.uint8]
    boxes: NDArray[np.int64]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Localization:
    """Means over images: attention in the box, peak in the box, crop over half of the box."""

    mass: float
    hit: float
    crop_hit: float


def localization(network: VisionTransformer, smooth: bool, count: int = 400) -> Localization:
    """Where the last block's CLS attention, averaged over heads, points at 96 px."""
    data = compose(pretrain_digits(), range(10), count, SEED)
    maps = attention_maps(network, data.images, smooth)
    crops = greedy_boxes(maps)
    return Localization(
        mass=float(np.mean([_mass(m, b) for m, b in zip(maps, data.boxes, strict=True)])),
        hit=float(np.mean([_peak_inside(m, b) for m, b in zip(maps, data.boxes, strict=True)])),
        crop_hit=float(np.mean([_covers(c, b) for c, b in zip(crops, data.boxes, strict=True)])),
    )


def crop_accuracy(network: VisionTransformer, classes: Sequence[int], count: int = 1000) -> float:
    """Accuracy of a logistic regression on object crops; fitted and scored on other instances."""
    digits = pretrain_digits()
    fit = compose(digits[::2], classes, count, SEED + 1)
    score = compose(digits[1::2], classes, count, SEED + 2)
    head = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    head.fit(_embed_objects(network, fit), fit.labels)
    return float(head.score(_embed_objects(network, score), score.labels))


def compose(
    instances: NDArray[np.int64], classes: Sequence[int], count: int, seed: int
) -> Composites:
    """`count` composites on right photo halves, classes and photos in equal shares."""
    rng = np.random.default_rng(seed)
    masks = digit_masks()
    labels = np.resize(np.asarray(classes, np.int64), count)
    pools = {label: instances[masks.label[instances] == label] for label in map(int, classes)}
    made = []
    for index, label in enumerate(labels):
        photo = PHOTOS[index // len(classes) % 2]
        background = photo_crop(photo, "right", IMAGE, rng)
        made.append(composite(masks.alpha[rng.choice(pools[int(label)])], background, rng))
    return Composites(np.stack([c.image for c in made]), np.array([c.box for c in made]), labels)


@torch.inference_mode()
def attention_maps(
    network: VisionTransformer, images: NDArray[np.uint8], smooth: bool
) -> NDArray[np.float32]:
    """CLS attention to patches, bilinear at image size: float32 (n, 96, 96), each summing to 1."""
    maps = torch.cat(
        [_cls_attention(network, batch) for batch in torch.split(to_input(images), BATCH)]
    )
    if smooth:
        maps = functional.avg_pool2d(maps, 3, 1, 1, count_include_pad=False)
    large = functional.interpolate(maps[:, None], (IMAGE, IMAGE), mode="bilinear")[:, 0]
    normal: NDArray[np.float32] = (large / large.sum((1, 2), keepdim=True)).numpy()
    return normal


def greedy_boxes(maps: NDArray[np.float32]) -> NDArray[np.int64]:
    """The 32 px square with most attention in each map: int64 (n, 4)."""
    sums = functional.avg_pool2d(torch.from_numpy(maps)[:, None], CROP, 1).flatten(1)
    y, x = np.divmod(sums.argmax(1).numpy(), IMAGE - CROP + 1)
    return np.stack([x, y, x + CROP, y + CROP], 1)


def object_boxes(boxes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The 32 px square around the centre of each box, kept inside the image."""
    corner = np.clip((boxes[:, :2] + boxes[:, 2:] - CROP) // 2, 0, IMAGE - CROP)
    return np.concatenate([corner, corner + CROP], 1)


@torch.inference_mode()
def embed_crops(
    network: VisionTransformer, images: NDArray[np.uint8], boxes: NDArray[np.int64]
) -> NDArray[np.float32]:
    """CLS embeddings (n, dim) of one box an image, resized to 48 px."""
    crops = np.stack([_cut(image, box) for image, box in zip(images, boxes, strict=True)])
    return torch.cat([network(batch) for batch in torch.split(to_input(crops), BATCH)]).numpy()


def to_input(images: NDArray[np.uint8]) -> Tensor:
    """uint8 (n, h, w, 3) to float32 (n, 3, h, w) in [-1, 1]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1


def _embed_objects(network: VisionTransformer, data: Composites) -> NDArray[np.float32]:
    return embed_crops(network, data.images, object_boxes(data.boxes))


def _cut(image: NDArray[np.uint8], box: NDArray[np.int64]) -> NDArray[np.uint8]:
    x0, y0, x1, y1 = (int(v) for v in box)
    crop = Image.fromarray(image[y0:y1, x0:x1])
    return np.asarray(crop.resize((INPUT, INPUT), Image.Resampling.BICUBIC))


def _cls_attention(network: VisionTransformer, batch: Tensor) -> Tensor:
    """The head mean of the last block's CLS row over patches: (b, rows, columns)."""
    caught: list[Tensor] = []
    block: Any = network.blocks[-1]
    attention = block.attn
    hook = attention.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
    network(batch)
    hook.remove()
    tokens, heads = caught[0], attention.num_heads
    qkv = attention.qkv(tokens).unflatten(2, (3, heads, -1)).permute(2, 0, 3, 1, 4)
    logits = qkv[0][:, :, :1] @ qkv[1].transpose(2, 3) * attention.scale
    patches = logits.softmax(-1)[:, :, 0, 1:].mean(1)
    side: int = batch.shape[-1] // network.patch_embed.patch_size[0]
    maps: Tensor = patches.unflatten(1, (side, side))
    return maps


def _mass(heat: NDArray[np.float32], box: NDArray[np.int64]) -> float:
    x0, y0, x1, y1 = box
    return float(heat[y0:y1, x0:x1].sum())


def _peak_inside(heat: NDArray[np.float32], box: NDArray[np.int64]) -> bool:
    y, x = np.unravel_index(heat.argmax(), heat.shape)
    x0, y0, x1, y1 = box
    return bool(x0 <= x < x1 and y0 <= y < y1)


def _covers(crop: NDArray[np.int64], box: NDArray[np.int64]) -> bool:
    """Whether the crop holds at least half of the box's area."""
    width, height = np.minimum(crop[2:], box[2:]) - np.maximum(crop[:2], box[:2])
    shared = max(0, width) * max(0, height)
    return bool(2 * shared >= (box[2] - box[0]) * (box[3] - box[1]))
