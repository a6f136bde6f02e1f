"""Canvases decoded on a device beside Pillow's: `python benchmarks/nvjpeg.py --device cuda`.

How far pixels, attention, boxes and embeddings of `--decode nvjpeg` lie from those of Pillow, and
how many images a second the device decodes and resizes. Two collections, each at 4:2:0 and 4:4:4:
generated photographs of about 500 x 375 on a canvas of 224 px, looked at by ViT-S/14 with registers
and seeded random weights; and images of the demo enlarged to 288 px, on their own canvas of 96 px,
looked at by the trained networks that ship.

With `--device cpu` libjpeg-turbo stands in for nvJPEG. It interpolates chroma; nvJPEG, as
torchvision calls it, is told to repeat it. Where the package simplejpeg is installed, libjpeg-turbo
is measured with repeated chroma too. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import io
import json
import platform
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
from networks import backbone
from photos import photo
from PIL import Image

from a2pipe.datasets.registry import load
from a2pipe.models.backbone import Backbone, load_backbone
from a2pipe.models.preprocessing import to_unit
from a2pipe.stages.crops import PADDING, whole_canvas
from a2pipe.stages.device_canvas import Jpeg, device_canvases
from a2pipe.stages.device_resize import Part, resize_parts
from a2pipe.stages.geometry import Canvas
from a2pipe.stages.jpeg_header import size_for_gpu
from a2pipe.stages.nvjpeg import decode_jpegs, require_decoder
from errors import attention_error, embedding_error

QUALITY, ENLARGED = 90, 288
SUBSAMPLINGS = ("4:2:0", "4:4:4")
Pixels = np.ndarray[Any, np.dtype[np.uint8]]


def photographs(count: int) -> list[Image.Image]:
    """Generated photographs of several sizes."""
    return [photo(number) for number in range(count)]


def demo(count: int) -> list[Image.Image]:
    """Images of the demo, three times as large."""
    with tempfile.TemporaryDirectory() as folder:
        collection = load("demo-01", root=Path(folder))
        paths = [collection.path_of[digest] for digest in collection.images[:count]]
        images = [Image.open(path).convert("RGB") for path in paths]
    return [each.resize((ENLARGED, ENLARGED), Image.Resampling.BICUBIC) for each in images]


def encoded(images: Sequence[Image.Image], subsampling: str) -> list[bytes]:
    """The images as JPEG files."""
    files = []
    for image in images:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=QUALITY, subsampling=subsampling)
        files.append(buffer.getvalue())
    return files


def by_pillow(files: Sequence[bytes], canvas: Canvas) -> Pixels:
    """Canvases as the pipeline makes them without a GPU: uint8 (n, side, side, 3)."""
    pixels = (np.array(Image.open(io.BytesIO(file)).convert("RGB")) for file in files)
    return np.stack([whole_canvas(canvas).cut(each) for each in pixels])


def on_device(files: Sequence[bytes], canvas: Canvas, device: torch.device) -> Pixels:
    """Canvases as the pipeline makes them with `--decode nvjpeg`: uint8 (n, side, side, 3)."""
    jpegs = [Jpeg(file, size) for file in files if (size := size_for_gpu(file))]
    assert len(jpegs) == len(files)
    found, bad = device_canvases(jpegs, [canvas], device)
    assert not bad, bad
    return found[canvas].cpu().numpy()


def with_repeated_chroma(files: Sequence[bytes], canvas: Canvas) -> Pixels | None:
    """The same with chroma that is repeated, not interpolated; None without simplejpeg."""
    try:
        import simplejpeg
    except ImportError:
        return None
    images = [
        torch.from_numpy(simplejpeg.decode_jpeg(file, fastupsample=True)).permute(2, 0, 1)
        for file in files
    ]
    frames = [canvas.frame(image.shape[2], image.shape[1]) for image in images]
    parts = [Part(frame.shown, frame.filled) for frame in frames]
    return resize_parts(images, parts, canvas.side, PADDING).numpy()


def difference(
    exact: Pixels, other: Pixels, looking: Backbone, seeing: Backbone, crop: int
) -> dict[str, float]:
    """What lies between two ways to make canvases."""
    levels = np.abs(exact.astype(int) - other)
    first, second = to_unit(exact), to_unit(other)
    rows = [looking.attention(each, [looking.info.blocks])[:, 0] for each in (first, second)]
    features = [seeing.embed(each) for each in (first, second)]
    found = {
        "pixels_largest": float(levels.max()),
        "pixels_mean": float(levels.mean()),
        "pixels_other": float((levels > 0).mean()),
        **attention_error(*rows, looking.info.prefix_tokens, canvas=exact.shape[1], crop=crop),
        **embedding_error(*features),
    }
    return {name: float(f"{value:.4g}") for name, value in found.items()}


def differences(count: int, device: torch.device) -> dict[str, Any]:
    """Both collections, each at two subsamplings, each decoder beside Pillow."""
    small = backbone("vit_small_patch14_reg4_dinov2", 224)
    trained = [load_backbone(f"demo_{role}_m", device="cpu") for role in ("localizer", "embedder")]
    report: dict[str, Any] = {}
    for name, images, canvas, looking, seeing, crop in (
        ("photographs", photographs(count), Canvas(224), small, small, 64),
        ("demo", demo(count), Canvas(96), *trained, 32),
    ):
        for subsampling in SUBSAMPLINGS:
            files = encoded(images, subsampling)
            exact = by_pillow(files, canvas)
            others = {str(device): on_device(files, canvas, device)}
            if (repeated := with_repeated_chroma(files, canvas)) is not None:
                others["repeated chroma"] = repeated
            report[f"{name}, {subsampling}"] = {
                decoder: difference(exact, other, looking, seeing, crop)
                for decoder, other in others.items()
            }
    return report


def rates(batch: int, rounds: int, device: torch.device) -> dict[str, float]:
    """Images a second: decoded, and made into canvases of 224 px."""
    files = encoded(photographs(batch), "4:2:0")
    jpegs = [Jpeg(file, size) for file in files if (size := size_for_gpu(file))]
    best: dict[str, float] = {}
    for _ in range(rounds + 1):
        for way, work in {
            "decoded": lambda: decode_jpegs(files, device),
            "canvases": lambda: device_canvases(jpegs, [Canvas(224)], device),
        }.items():
            start = time.perf_counter()
            work()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            best[way] = max(best.get(way, 0.0), batch / (time.perf_counter() - start))
    return {f"{way}_per_second": round(rate, 1) for way, rate in best.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1 or cpu")
    parser.add_argument("--images", type=int, default=128, help="of each collection")
    parser.add_argument("--batch", type=int, default=256, help="images decoded at once for rates")
    parser.add_argument("--rounds", type=int, default=5, help="of which the fastest counts")
    given = parser.parse_args()
    device = torch.device(given.device)
    require_decoder(device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    report = {
        "device": name,
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "images": given.images,
        "rates": {"batch": given.batch, **rates(given.batch, given.rounds, device)},
        "beside_pillow": differences(given.images, device),
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
