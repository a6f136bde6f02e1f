"""The backbones that have a name of their own, family by family: facts, no code of any model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from .model_entry import CLIP, HALVES, IMAGENET, Channels, ModelEntry, Positions

DEMO_SMALL = (("dim", 96), ("depth", 4), ("heads", 3), ("patch", 8), ("grid", 6))


def hub_entry(
    name: str,
    family: str,
    timm: str,
    called: tuple[str, ...],
    input_size: int,
    licence: str,
    *,
    parameters: float = 0.0,
    patch: int = 0,
    prefix_tokens: int = 0,
    scaling: tuple[Channels, Channels] = IMAGENET,
    positions: Positions = "antialias",
    published: bool = True,
    rotary: bool = False,
) -> ModelEntry:
    """An entry for a timm model, whose weights are published on the hub unless said otherwise.

    called: its other names; the first is the paper's, "" where it has none.
    """
    repo = f"timm/{timm}" if published else ""
    paper_name, *aliases = called
    return ModelEntry(
        name=name,
        family=family,
        timm=timm,
        arguments=(),
        paper_name=paper_name,
        mean=scaling[0],
        std=scaling[1],
        input_size=input_size,
        source="hub",
        licence=licence,
        repo=repo,
        positions=positions,
        aliases=tuple(aliases),
        parameters=parameters,
        patch=patch,
        prefix_tokens=prefix_tokens,
        rotary=rotary,
    )


def _dino() -> Iterable[ModelEntry]:
    for letter, size, millions in (
        ("s", "small", {16: 21.67, 8: 21.67}),
        ("b", "base", {16: 85.80, 8: 85.81}),
    ):
        for patch, parameters in millions.items():
            shown = f"ViT-{letter.upper()}"
            short = (f"DINOv1 {shown}", f"DINO {shown}") if patch == 16 else ()
            yield hub_entry(
                f"dino_vit{letter}{patch}",
                "DINO",
                f"vit_{size}_patch{patch}_224.dino",
                (f"DINOv1 {shown}/{patch}", f"DINO {shown}/{patch}", *short),
                224,
                "Apache-2.0",
                parameters=parameters,
                patch=patch,
                prefix_tokens=1,
                positions="offset",
            )


def _dinov2() -> Iterable[ModelEntry]:
    """The paper's DINOv2 models are those with registers."""
    for letter, size, parameters in (
        ("s", "small", 22.06),
        ("b", "base", 86.58),
        ("l", "large", 304.37),
        ("g", "giant", 1136.48),
    ):
        patched, short = f"DINOv2 ViT-{letter.upper()}/14", f"DINOv2 ViT-{letter.upper()}"
        plain = ("", f"{patched} without registers", f"{short} without registers")
        with_registers = (patched, short, f"{patched} with registers", f"{short} with registers")
        yield hub_entry(
            f"dinov2_vit{letter}14",
            "DINOv2",
            f"vit_{size}_patch14_dinov2.lvd142m",
            plain,
            518,
            "Apache-2.0",
            parameters=parameters,
            patch=14,
            prefix_tokens=1,
            positions="offset",
        )
        yield hub_entry(
            f"dinov2_vit{letter}14_reg",
            "DINOv2",
            f"vit_{size}_patch14_reg4_dinov2.lvd142m",
            with_registers,
            518,
            "Apache-2.0",
            parameters=parameters,
            patch=14,
            prefix_tokens=5,
        )


def _dinov3() -> Iterable[ModelEntry]:
    for letters, size, shown, parameters in (
        ("s16", "small", "S", 21.59),
        ("s16plus", "small_plus", "S+", 28.68),
        ("b16", "base", "B", 85.64),
        ("l16", "large", "L", 303.08),
        ("h16plus", "huge_plus", "H+", 840.51),
        ("7b16", "7b", "7B", 6716.03),
    ):
        yield hub_entry(
            f"dinov3_vit{letters}",
            "DINOv3",
            f"vit_{size}_patch16_dinov3.lvd1689m",
            (f"DINOv3 ViT-{shown}/16", f"DINOv3 ViT-{shown}"),
            256,
            "DINOv3 licence",
            parameters=parameters,
            patch=16,
            prefix_tokens=5,
            rotary=True,
        )


def _mae() -> Iterable[ModelEntry]:
    for letter, size, patch, parameters in (
        ("b", "base", 16, 85.80),
        ("l", "large", 16, 303.30),
        ("h", "huge", 14, 630.76),
    ):
        shown = f"MAE ViT-{letter.upper()}"
        yield hub_entry(
            f"mae_vit{letter}{patch}",
            "MAE",
            f"vit_{size}_patch{patch}_224.mae",
            (f"{shown}/{patch}", shown, f"mae_vit_{size}_patch{patch}"),
            224,
            "CC-BY-NC-4.0",
            parameters=parameters,
            patch=patch,
            prefix_tokens=1,
        )


def _ibot() -> Iterable[ModelEntry]:
    for letter, size, parameters in (
        ("s", "small", 21.67),
        ("b", "base", 85.80),
        ("l", "large", 303.30),
    ):
        shown = f"iBOT ViT-{letter.upper()}"
        yield hub_entry(
            f"ibot_vit{letter}16",
            "iBOT",
            f"vit_{size}_patch16_224",
            (f"{shown}/16", shown),
            224,
            "Apache-2.0",
            parameters=parameters,
            patch=16,
            prefix_tokens=1,
            positions="offset",
            published=False,
        )


def _openclip() -> Iterable[ModelEntry]:
    """The whole models are published by LAION under names that spell the tag in another case."""
    for letter, size, patch, published, scaling, parameters in (
        ("B", "base", 16, "laion2B-s34B-b88K", CLIP, 85.80),
        ("L", "large", 14, "laion2B-s32B-b82K", HALVES, 303.18),
        ("H", "huge", 14, "laion2B-s32B-b79K", CLIP, 630.77),
        ("g", "giant", 14, "laion2B-s12B-b42K", CLIP, 1011.20),
    ):
        shown, official = f"OpenCLIP ViT-{letter}", f"ViT-{letter}-{patch}"
        tag = published.lower().replace("-", "_")
        entry = hub_entry(
            f"openclip_vit{letter.lower()}{patch}",
            "OpenCLIP",
            f"vit_{size}_patch{patch}_clip_224.laion2b",
            (f"{shown}/{patch}", shown, f"OpenCLIP {official}", f"{official}/{tag}"),
            224,
            "MIT",
            parameters=parameters,
            patch=patch,
            prefix_tokens=1,
            scaling=scaling,
        )
        yield replace(entry, open_clip=official, whole_repo=f"laion/CLIP-{official}-{published}")


def _demo() -> Iterable[ModelEntry]:
    for role in ("localizer", "embedder"):
        for letter, parameters in (("s", 0.47), ("m", 1.54)):
            yield ModelEntry(
                f"demo_{role}_{letter}",
                "demo",
                "",
                (),
                "",
                *HALVES,
                48,
                "shipped",
                "Apache-2.0",
                parameters=parameters,
                patch=8,
                prefix_tokens=1,
            )
    yield ModelEntry(
        "demo_localizer_s_random",
        "demo",
        "",
        DEMO_SMALL,
        "",
        *HALVES,
        48,
        "random",
        "Apache-2.0",
        parameters=0.47,
        patch=8,
        prefix_tokens=1,
    )


TABLE: dict[str, ModelEntry] = {
    entry.name: entry
    for family in (_demo(), _dinov2(), _dinov3(), _dino(), _mae(), _ibot(), _openclip())
    for entry in family
}
