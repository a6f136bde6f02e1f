"""Convert the names and shapes of official checkpoints to timm's; nothing is resampled.

DINO, MAE and iBOT use timm's own names. DINOv2, DINOv3, OpenCLIP and torchvision are renamed here,
by the conventions of facebookresearch/dinov2, facebookresearch/dinov3, mlfoundations/open_clip and
pytorch/vision. Any other format is left to timm's own conversion.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from functools import partial
from typing import TYPE_CHECKING

from ...errors import A2pipeError

if TYPE_CHECKING:
    from torch import Tensor, nn

Tensors = dict[str, "Tensor"]

NOT_OF_THE_BACKBONE = (
    "head.",
    "head_dist.",
    "decoder_",
    "mask_token",
    "masked_embed",
    "local_cls_norm.",
    "rope_embed.periods",
)
DINOV2_NAMES = ((r"\.mlp\.w12\.", ".mlp.fc1."), (r"\.mlp\.w3\.", ".mlp.fc2."))
DINOV3_NAMES = (
    (r"^storage_tokens$", "reg_token"),
    (r"\.ls([12])\.gamma$", r".gamma_\1"),
    (r"\.mlp\.w1\.", ".mlp.fc1_g."),
    (r"\.mlp\.w2\.", ".mlp.fc1_x."),
    (r"\.mlp\.w3\.", ".mlp.fc2."),
)
OPENCLIP_NAMES = (
    (r"^class_embedding$", "cls_token"),
    (r"^positional_embedding$", "pos_embed"),
    (r"^conv1\.", "patch_embed.proj."),
    (r"^ln_pre\.", "norm_pre."),
    (r"^ln_post\.", "norm."),
    (r"^transformer\.resblocks\.", "blocks."),
    (r"\.ln_([12])\.", r".norm\1."),
    (r"\.ls_([12])\.", r".ls\1."),
    (r"\.attn\.in_proj_", ".attn.qkv."),
    (r"\.attn\.out_proj\.", ".attn.proj."),
    (r"\.mlp\.c_fc\.", ".mlp.fc1."),
    (r"\.mlp\.c_proj\.", ".mlp.fc2."),
)
TORCHVISION_NAMES = (
    (r"^class_token$", "cls_token"),
    (r"^conv_proj\.", "patch_embed.proj."),
    (r"^encoder\.pos_embedding$", "pos_embed"),
    (r"^encoder\.layers\.encoder_layer_(\d+)\.", r"blocks.\1."),
    (r"^encoder\.ln\.", "norm."),
    (r"^heads\.", "head."),
    (r"\.ln_([12])\.", r".norm\1."),
    (r"\.self_attention\.in_proj_", ".attn.qkv."),
    (r"\.self_attention\.out_proj\.", ".attn.proj."),
    # Older versions of torchvision call the two layers linear_1 and linear_2.
    (r"\.mlp\.(?:0|linear_1)\.", ".mlp.fc1."),
    (r"\.mlp\.(?:3|linear_2)\.", ".mlp.fc2."),
)


def to_timm(module: nn.Module, tensors: Mapping[str, Tensor], origin: str) -> Tensors:
    """Return the tensors of a checkpoint's backbone under timm's names.

    Heads, decoders, mask tokens, text towers and projections are left out. Whether the result fits
    the module is not checked here; see `loading.check_fit`.

    module: the timm network that they are meant for. tensors: as `read_tensors` returns them.
    origin: where they come from, for the error.

    Raises A2pipeError for attention biases that the module would leave out.
    """
    # Our own rules come first: timm's conversion resamples what does not fit, where a file of
    # another patch or grid has to be refused.
    own = _backbone_only(module, _renamed(module, tensors, origin))
    if _shapes(own) == _shapes(module.state_dict()):
        return own
    by_timm = _by_timm(module, tensors)
    return by_timm if _shapes(by_timm) == _shapes(module.state_dict()) else own


def _renamed(module: nn.Module, tensors: Mapping[str, Tensor], origin: str) -> Tensors:
    """Return the tensors under timm's names; a name that only one format has tells the format."""
    if "visual.class_embedding" in tensors:
        return _from_openclip(tensors)
    if any(name.startswith("visual.trunk.") for name in tensors):
        return _below("visual.trunk.", tensors)
    if "encoder.pos_embedding" in tensors:
        return _under_new_names(tensors, TORCHVISION_NAMES)
    if "storage_tokens" in tensors:
        return _from_dinov3(module, tensors, origin)
    return _from_dinov2(tensors)


def _from_openclip(tensors: Mapping[str, Tensor]) -> Tensors:
    """Return the image tower without its projection into the space shared with text."""
    tower = _below("visual.", tensors)
    tower.pop("proj", None)
    tower["class_embedding"] = tower["class_embedding"].reshape(1, 1, -1)
    if "positional_embedding" in tower:
        tower["positional_embedding"] = tower["positional_embedding"].unsqueeze(0)
    return _under_new_names(tower, OPENCLIP_NAMES)


def _from_dinov2(tensors: Mapping[str, Tensor]) -> Tensors:
    """Return DINOv2's tensors; timm adds the position of CLS to the token in register models."""
    given = dict(tensors)
    if {"register_tokens", "cls_token", "pos_embed"} <= given.keys():
        positions = given["pos_embed"]
        given["reg_token"] = given.pop("register_tokens")
        given["cls_token"] = given["cls_token"] + positions[:, :1]
        given["pos_embed"] = positions[:, 1:]
    gated = any(".mlp.w12." in name for name in given)
    return _under_new_names(given, DINOV2_NAMES) if gated else given


def _from_dinov3(module: nn.Module, tensors: Mapping[str, Tensor], origin: str) -> Tensors:
    """Return DINOv3's tensors, with the biases of attention that the module has."""
    wanted, found = module.state_dict().keys(), {}
    for name, tensor in tensors.items():
        if name.endswith(".attn.qkv.bias"):
            masked = f"{name}_mask" in tensors
            found.update(_biases(name, tensor, masked, wanted, origin))
        elif not name.endswith(".attn.qkv.bias_mask"):
            found[name] = tensor
    return _under_new_names(found, DINOV3_NAMES)


def _biases(name: str, bias: Tensor, masked: bool, wanted: Set[str], origin: str) -> Tensors:
    """Return the biases of query and value, which timm keeps apart; {} if the module has none.

    masked: whether the file masks out the biases of the keys. wanted: names that the module has.

    Raises A2pipeError for a bias on the keys that counts, and for biases that are not zero where
    the module has none, as it would then be another function.
    """
    query, key, value = bias.chunk(3)
    stem = name.removesuffix("qkv.bias")
    parts = {f"{stem}q_bias": query, f"{stem}v_bias": value}
    if not masked and not bool(((key == 0) | key.isnan()).all()):
        raise A2pipeError(
            f"The weights {origin} have a bias on the keys ({name}), which no DINOv3 model of timm "
            "has; give an official checkpoint."
        )
    if parts.keys() <= wanted:
        return parts
    if any(bool((part != 0).any()) for part in parts.values()):
        raise A2pipeError(
            f"The weights {origin} have biases in their attention ({name}) that the model would "
            "leave out; name timm's model with biases instead, such as "
            "vit_small_patch16_dinov3_qkvb, and give the file to it."
        )
    return {}


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> Tensors:
    """Return the tensors below a prefix, without it."""
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def _under_new_names(tensors: Mapping[str, Tensor], rules: Sequence[tuple[str, str]]) -> Tensors:
    """Return the tensors with each pattern in their names replaced, one rule after another."""
    found: Tensors = {}
    for given, tensor in tensors.items():
        name = given
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        # A second tensor of one name keeps its own, so that it is refused as left over.
        found[given if name in found else name] = tensor
    return found


def _backbone_only(module: nn.Module, tensors: Mapping[str, Tensor]) -> Tensors:
    """Return the tensors without heads, decoders, mask tokens and the like."""
    # A ConvNeXt has its last norm below "head.", so what the network itself has stays.
    wanted, aside = module.state_dict().keys(), (*NOT_OF_THE_BACKBONE, *_classifiers(module))
    return {n: t for n, t in tensors.items() if n in wanted or not n.startswith(aside)}


def _classifiers(module: nn.Module) -> list[str]:
    """Return what the names of a timm network's classifiers begin with, such as "fc."."""
    found = getattr(module, "pretrained_cfg", {}).get("classifier") or ()
    return [f"{name}." for name in ((found,) if isinstance(found, str) else found)]


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def _by_timm(module: nn.Module, tensors: Mapping[str, Tensor]) -> Tensors:
    """Return what timm's own conversion makes of a checkpoint; {} if it fails or resamples."""
    # It prints as it goes and raises nearly anything for a format it does not know (timm 1.0).
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            converted = _timm_conversion(module)(dict(tensors), module)
    except (AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError):
        return {}
    return {} if _resampled(tensors, converted) else _backbone_only(module, converted)


def _timm_conversion(module: nn.Module) -> Callable[[Tensors, nn.Module], Tensors]:
    """Return timm's own conversion for a kind of network."""
    from timm.models import eva, vision_transformer

    if isinstance(module, eva.Eva):
        return eva.checkpoint_filter_fn
    if isinstance(module, vision_transformer.VisionTransformer):
        return partial(vision_transformer.checkpoint_filter_fn, adapt_layer_scale=True)
    # Every family of timm that has a conversion calls it so, in its own file (timm 1.0).
    of_family = vars(sys.modules[type(module).__module__]).get("checkpoint_filter_fn")
    return partial(_of_family, of_family) if of_family else (lambda tensors, _: tensors)


def _of_family(
    convert: Callable[[Tensors, nn.Module], Tensors], tensors: Tensors, module: nn.Module
) -> Tensors:
    """Return what the conversion of a family makes of a checkpoint; {} if it resamples anything."""
    converted = convert(tensors, module)
    # Names differ, so that numbers of elements are all there is to compare.
    sizes, before = (Counter(t.numel() for t in each.values()) for each in (converted, tensors))
    return converted if sizes <= before else {}


def _resampled(given: Mapping[str, Tensor], converted: Mapping[str, Tensor]) -> bool:
    """Return whether patches or positions have another number of elements than in the file."""
    return any(
        tensor.numel() != converted[end].numel()
        for end in ("patch_embed.proj.weight", "pos_embed")
        for name, tensor in given.items()
        if name.endswith(end) and not name.startswith("decoder_") and end in converted
    )
