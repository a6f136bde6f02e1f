"""The table lists the named backbones by family: facts, and no code of any model.

Sizes are in millions of parameters, without head or projection; the tests compare them, patches and
prefix tokens with timm's networks.
"""

from collections.abc import Iterable
from typing import Any

from .model_entry import CLIP, HALVES, IMAGENET, ModelEntry

DEMO_SMALL = (("dim", 96), ("depth", 4), ("heads", 3), ("patch", 8), ("grid", 6))
"""The random control has this architecture, as it has no weights file that could say it."""


def hub_entry(
    name: str, timm: str, called: tuple[str, ...], parameters: float, patch: int, **facts: Any
) -> ModelEntry:
    """Return the entry of a timm model whose weights timm publishes on the hub.

    timm: timm's name of the model. called: its other names; the first is the paper's, "" if it has
    none. facts: other fields of `ModelEntry`, in place of the defaults: normalised as for ImageNet,
    224 pixels, CLS as the only prefix token, Apache-2.0.
    """
    defaults = {
        "arguments": (),
        "mean": IMAGENET[0],
        "std": IMAGENET[1],
        "input_size": 224,
        "source": "hub",
        "licence": "Apache-2.0",
        "repo": f"timm/{timm}",
        "prefix_tokens": 1,
    }
    named = {"name": name, "timm": timm, "paper_name": called[0], "aliases": called[1:]}
    return ModelEntry(**{**defaults, **named, "parameters": parameters, "patch": patch, **facts})


def _dino() -> Iterable[ModelEntry]:
    for letter, size, patch, parameters in (
        ("s", "small", 16, 21.67),
        ("s", "small", 8, 21.67),
        ("b", "base", 16, 85.80),
        ("b", "base", 8, 85.81),
    ):
        name, shown = f"dino_vit{letter}{patch}", f"ViT-{letter.upper()}"
        timm = f"vit_{size}_patch{patch}_224.dino"
        # A name without a patch size means patches of 16 pixels, the ones that the paper uses.
        short = (f"DINOv1 {shown}", f"DINO {shown}") if patch == 16 else ()
        called = (f"DINOv1 {shown}/{patch}", f"DINO {shown}/{patch}", *short)
        yield hub_entry(name, timm, called, parameters, patch, family="DINO", positions="offset")


def _dinov2() -> Iterable[ModelEntry]:
    """Yield each size without and with registers."""
    # The paper's names mean models with registers: the falls from ViT-S to ViT-G in its Table 3 are
    # those that its Figure 13 gives for registers.
    for letter, size, parameters in (
        ("s", "small", 22.06),
        ("b", "base", 86.58),
        ("l", "large", 304.37),
        ("g", "giant", 1136.48),
    ):
        patched, short = f"DINOv2 ViT-{letter.upper()}/14", f"DINOv2 ViT-{letter.upper()}"
        name, facts = f"dinov2_vit{letter}14", {"family": "DINOv2", "input_size": 518}
        without = ("", f"{patched} without registers", f"{short} without registers")
        timm = f"vit_{size}_patch14_dinov2.lvd142m"
        yield hub_entry(name, timm, without, parameters, 14, positions="offset", **facts)
        called = (patched, short, f"{patched} with registers", f"{short} with registers")
        timm = f"vit_{size}_patch14_reg4_dinov2.lvd142m"
        yield hub_entry(f"{name}_reg", timm, called, parameters, 14, prefix_tokens=5, **facts)


def _dinov3() -> Iterable[ModelEntry]:
    facts = {"family": "DINOv3", "input_size": 256, "licence": "DINOv3 licence"}
    for letters, size, shown, parameters in (
        ("s16", "small", "S", 21.59),
        ("s16plus", "small_plus", "S+", 28.68),
        ("b16", "base", "B", 85.64),
        ("l16", "large", "L", 303.08),
        ("h16plus", "huge_plus", "H+", 840.51),
        ("7b16", "7b", "7B", 6716.03),
    ):
        name, timm = f"dinov3_vit{letters}", f"vit_{size}_patch16_dinov3.lvd1689m"
        called = (f"DINOv3 ViT-{shown}/16", f"DINOv3 ViT-{shown}")
        yield hub_entry(name, timm, called, parameters, 16, prefix_tokens=5, rotary=True, **facts)


def _mae() -> Iterable[ModelEntry]:
    facts = {"family": "MAE", "licence": "CC-BY-NC-4.0"}
    for letter, size, patch, parameters in (
        ("b", "base", 16, 85.80),
        ("l", "large", 16, 303.30),
        ("h", "huge", 14, 630.76),
    ):
        name, shown = f"mae_vit{letter}{patch}", f"MAE ViT-{letter.upper()}"
        called = (f"{shown}/{patch}", shown, f"mae_vit_{size}_patch{patch}")
        timm = f"vit_{size}_patch{patch}_224.mae"
        yield hub_entry(name, timm, called, parameters, patch, **facts)


def _ibot() -> Iterable[ModelEntry]:
    """Yield entries without a repository, as timm publishes no weights of iBOT."""
    facts = {"family": "iBOT", "positions": "offset", "repo": ""}
    for letter, size, parameters in (
        ("s", "small", 21.67),
        ("b", "base", 85.80),
        ("l", "large", 303.30),
    ):
        name, shown = f"ibot_vit{letter}16", f"iBOT ViT-{letter.upper()}"
        called = (f"{shown}/16", shown)
        yield hub_entry(name, f"vit_{size}_patch16_224", called, parameters, 16, **facts)


def _openclip() -> Iterable[ModelEntry]:
    for letter, size, patch, published, (mean, std), parameters in (
        ("B", "base", 16, "laion2B-s34B-b88K", CLIP, 85.80),
        # L/14 alone was trained on pixels in [-1, 1], in timm and open_clip alike.
        ("L", "large", 14, "laion2B-s32B-b82K", HALVES, 303.18),
        ("H", "huge", 14, "laion2B-s32B-b79K", CLIP, 630.77),
        ("g", "giant", 14, "laion2B-s12B-b42K", CLIP, 1011.20),
    ):
        shown, official = f"OpenCLIP ViT-{letter}", f"ViT-{letter}-{patch}"
        # LAION spells the tag in another case in the names of its repositories.
        tag = published.lower().replace("-", "_")
        yield hub_entry(
            f"openclip_vit{letter.lower()}{patch}",
            f"vit_{size}_patch{patch}_clip_224.laion2b",
            (f"{shown}/{patch}", shown, f"OpenCLIP {official}", f"{official}/{tag}"),
            parameters,
            patch,
            family="OpenCLIP",
            licence="MIT",
            mean=mean,
            std=std,
            open_clip=official,
            whole_repo=f"laion/CLIP-{official}-{published}",
        )


def _demo() -> Iterable[ModelEntry]:
    facts: dict[str, Any] = {"family": "demo", "repo": "", "input_size": 48}
    facts |= {"mean": HALVES[0], "std": HALVES[1]}
    for role in ("localizer", "embedder"):
        for letter, parameters in (("s", 0.47), ("m", 1.54)):
            name = f"demo_{role}_{letter}"
            yield hub_entry(name, "", ("",), parameters, 8, source="shipped", **facts)
    facts |= {"source": "random", "arguments": DEMO_SMALL}
    yield hub_entry("demo_localizer_s_random", "", ("",), 0.47, 8, **facts)


def _trained() -> Iterable[ModelEntry]:
    """Yield the entry of what `a2pipe train lastvit` makes; its sizes are those of the default."""
    sizes = (("dim", 384), ("depth", 12), ("heads", 6), ("patch", 16), ("grid", 14))
    facts: dict[str, Any] = {"family": "trained", "repo": "", "licence": "your own"}
    yield hub_entry("lastvit", "", ("",), 21.67, 16, arguments=sizes, **facts)


TABLE: dict[str, ModelEntry] = {
    entry.name: entry
    for family in (_demo(), _dinov2(), _dinov3(), _dino(), _mae(), _ibot(), _openclip(), _trained())
    for entry in family
}
"""Every backbone of the package stands here by its name, in the order of `models list`."""
