"""The backbones that have a name of their own, family by family: facts, no code of any model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

Channels = tuple[float, float, float]
Source = Literal["hub", "shipped", "random"]

IMAGENET: tuple[Channels, Channels] = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP: tuple[Channels, Channels] = (
    (0.48145466, 0.4578275, 0.40821073),
    (0.26862954, 0.26130258, 0.27577711),
)
HALVES: tuple[Channels, Channels] = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
DEMO_SMALL = (("dim", 96), ("depth", 4), ("heads", 3), ("patch", 8), ("grid", 6))


@dataclass(frozen=True)
class ModelEntry:
    """One backbone.

    timm: timm model name with its tag; "" is timm's `VisionTransformer` built from `arguments`, or,
        where the weights file says it, from the file's own "architecture".
    arguments: keyword arguments for the model, as pairs.
    mean, std: normalisation per RGB channel of values in [0, 1].
    input_size: native side in pixels.
    source: "hub" is fetched once from the Hugging Face hub; "shipped" lies in a file of the
        package; "random" is a control that never saw an image, drawn from seed 0.
    repo: hub repository of the weights, "" where there is none and a weights file has to be given.
    positions: how position embeddings are resampled to another grid: "antialias" is bicubic with
        antialiasing (timm, and the official DINOv2 models with registers); "offset" is bicubic
        without it, with a scale 0.1 patches too large (the official DINO, iBOT and DINOv2 models).
    file: path of the weights of a "shipped" model; "" is the package's own folder.
    """

    name: str
    family: str
    timm: str
    arguments: tuple[tuple[str, Any], ...]
    paper_name: str
    mean: Channels
    std: Channels
    input_size: int
    source: Source
    licence: str
    repo: str = ""
    positions: Literal["antialias", "offset"] = "antialias"
    file: str = ""


def hub_entry(
    name: str,
    family: str,
    timm: str,
    paper_name: str,
    input_size: int,
    licence: str,
    *,
    scaling: tuple[Channels, Channels] = IMAGENET,
    positions: Literal["antialias", "offset"] = "antialias",
    published: bool = True,
) -> ModelEntry:
    """An entry for a timm model, whose weights are published on the hub unless said otherwise."""
    repo = f"timm/{timm}" if published else ""
    return ModelEntry(
        name, family, timm, (), paper_name, *scaling, input_size, "hub", licence, repo, positions
    )


def _dino() -> Iterable[ModelEntry]:
    for letter, size in (("s", "small"), ("b", "base")):
        for patch in (16, 8):
            yield hub_entry(
                f"dino_vit{letter}{patch}",
                "DINO",
                f"vit_{size}_patch{patch}_224.dino",
                f"DINO ViT-{letter.upper()}/{patch}",
                224,
                "Apache-2.0",
                positions="offset",
            )


def _dinov2() -> Iterable[ModelEntry]:
    sizes = (("s", "small"), ("b", "base"), ("l", "large"), ("g", "giant"))
    for letter, size in sizes:
        shown = letter if letter == "g" else letter.upper()
        for suffix, part, words in (("", "", ""), ("_reg", "reg4_", " with registers")):
            yield hub_entry(
                f"dinov2_vit{letter}14{suffix}",
                "DINOv2",
                f"vit_{size}_patch14_{part}dinov2.lvd142m",
                f"DINOv2 ViT-{shown}/14{words}",
                518,
                "Apache-2.0",
                positions="antialias" if suffix else "offset",
            )


def _dinov3() -> Iterable[ModelEntry]:
    sizes = (
        ("s16", "small", "S/16"),
        ("s16plus", "small_plus", "S+/16"),
        ("b16", "base", "B/16"),
        ("l16", "large", "L/16"),
        ("h16plus", "huge_plus", "H+/16"),
        ("7b16", "7b", "7B/16"),
    )
    for letters, size, shown in sizes:
        yield hub_entry(
            f"dinov3_vit{letters}",
            "DINOv3",
            f"vit_{size}_patch16_dinov3.lvd1689m",
            f"DINOv3 ViT-{shown}",
            256,
            "DINOv3 licence",
        )


def _mae() -> Iterable[ModelEntry]:
    sizes = (("b16", "base_patch16"), ("l16", "large_patch16"), ("h14", "huge_patch14"))
    for letters, size in sizes:
        shown = f"MAE ViT-{letters[0].upper()}/{letters[1:]}"
        yield hub_entry(
            f"mae_vit{letters}", "MAE", f"vit_{size}_224.mae", shown, 224, "CC-BY-NC-4.0"
        )


def _ibot() -> Iterable[ModelEntry]:
    for letter, size in (("s", "small"), ("b", "base"), ("l", "large")):
        yield hub_entry(
            f"ibot_vit{letter}16",
            "iBOT",
            f"vit_{size}_patch16_224",
            f"iBOT ViT-{letter.upper()}/16",
            224,
            "Apache-2.0",
            positions="offset",
            published=False,
        )


def _openclip() -> Iterable[ModelEntry]:
    sizes = (
        ("b16", "base_patch16", "B/16", CLIP),
        ("l14", "large_patch14", "L/14", HALVES),
        ("h14", "huge_patch14", "H/14", CLIP),
        ("g14", "giant_patch14", "g/14", CLIP),
    )
    for letters, size, shown, scaling in sizes:
        yield hub_entry(
            f"openclip_vit{letters}",
            "OpenCLIP",
            f"vit_{size}_clip_224.laion2b",
            f"OpenCLIP ViT-{shown}",
            224,
            "MIT",
            scaling=scaling,
        )


def _demo() -> Iterable[ModelEntry]:
    for role in ("localizer", "embedder"):
        for letter in ("s", "m"):
            yield ModelEntry(
                f"demo_{role}_{letter}",
                "demo",
                "",
                (),
                f"demo {role} {letter.upper()}",
                *HALVES,
                48,
                "shipped",
                "Apache-2.0",
            )
    yield ModelEntry(
        "demo_localizer_s_random",
        "demo",
        "",
        DEMO_SMALL,
        "demo localizer S, random weights (control)",
        *HALVES,
        48,
        "random",
        "Apache-2.0",
    )


TABLE: dict[str, ModelEntry] = {
    entry.name: entry
    for family in (_demo(), _dinov2(), _dinov3(), _dino(), _mae(), _ibot(), _openclip())
    for entry in family
}
