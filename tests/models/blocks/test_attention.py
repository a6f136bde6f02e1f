"""CLS rows against timm's own unfused softmax, and how little is computed for them."""

import copy
import weakref

import numpy as np
import pytest
import timm
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from a2pipe.models.blocks.attention import embed_patches, read_outputs, why_unreadable
from a2pipe.models.outputs import Block, Pool


def test_every_block_equals_the_eager_softmax(
    kind_and_size, tiny, backbone_of, eager_rows, pixels
) -> None:
    kind, size = kind_and_size
    module = tiny(kind)
    patch = module.patch_embed.patch_size[0]
    images = pixels(size)
    rows = backbone_of(module).attention(images, [1, 2, 3])
    tokens = module.num_prefix_tokens + (size // patch) ** 2
    assert rows.shape == (2, 3, module.blocks[0].attn.num_heads, tokens)
    assert (rows.max(axis=-1) > 0.3).mean() > 0.25, "the check needs a sharp softmax"
    for index in range(3):
        expected = eager_rows(module, images, index + 1)
        exact = eager_rows(copy.deepcopy(module).double(), images.double(), index + 1)
        rounding = (expected - exact).abs().max().item()
        bound = max(1e-6, 2 * rounding)  # timm's own error in float32, as this processor rounds
        np.testing.assert_allclose(rows[:, index], expected, rtol=0, atol=bound)


def test_a_row_sums_to_one_with_its_prefix(kind, tiny, backbone_of, pixels) -> None:
    module = tiny(kind)
    rows = backbone_of(module).attention(pixels(module.patch_embed.img_size[0]), [3])
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows.sum(axis=-1), 1, atol=1e-5)


def test_blocks_come_in_the_order_asked_for(tiny, backbone_of, pixels) -> None:
    backbone = backbone_of(tiny("plain"))
    forwards, backwards = (backbone.attention(pixels(48), order) for order in ([1, 3], [3, 1]))
    np.testing.assert_array_equal(forwards, backwards[:, ::-1])


def test_no_bit_depends_on_what_else_is_asked(kind, tiny, backbone_of, pixels) -> None:
    backbone = backbone_of(tiny(kind))
    images = pixels(backbone.info.input_size)
    rows, embedding = backbone.attention_and_embedding(images, [3, 1, 2])
    np.testing.assert_array_equal(backbone.embed(images), embedding)
    for index, block in enumerate([3, 1, 2]):
        np.testing.assert_array_equal(backbone.attention(images, [block])[:, 0], rows[:, index])


def test_a_row_does_not_depend_on_its_batch_mates(kind, tiny, backbone_of, pixels) -> None:
    backbone = backbone_of(tiny(kind))
    images = pixels(backbone.info.input_size, 3)
    others = torch.cat([images[:1], 1 - images[1:]])
    together, elsewhere = (
        backbone.attention_and_embedding(batch, [1, 3]) for batch in (images, others)
    )
    alone = backbone.attention_and_embedding(images[:1], [1, 3])
    for first, second, third in zip(together, elsewhere, alone, strict=True):
        np.testing.assert_array_equal(first[0], second[0])
        assert np.abs(first[1:] - second[1:]).max() > 1e-3
        np.testing.assert_allclose(first[:1], third, rtol=0, atol=1e-5)


def test_permuted_heads_give_permuted_rows_and_the_same_embedding(
    tiny, backbone_of, pixels
) -> None:
    module = tiny("registers")
    order = torch.tensor([2, 0, 1])
    permuted = copy.deepcopy(module)
    for block in permuted.blocks:
        for tensor in (block.attn.qkv.weight, block.attn.qkv.bias):
            tensor.copy_(tensor.unflatten(0, (3, 3, 16))[:, order].flatten(0, 2))
        columns = block.attn.proj.weight.unflatten(1, (3, 16))[:, order].flatten(1)
        block.attn.proj.weight.copy_(columns)
    images = pixels(126)
    rows, embedding = backbone_of(module).attention_and_embedding(images, [1, 2, 3])
    moved, same = backbone_of(permuted).attention_and_embedding(images, [1, 2, 3])
    np.testing.assert_allclose(moved, rows[:, :, order.numpy()], rtol=0, atol=1e-5)
    np.testing.assert_allclose(same, embedding, atol=1e-5)


def read(module, images, *blocks, embed=False):
    """Attention of some blocks, and the embedding if it is asked for."""
    outputs = [*map(Block, blocks), *[Pool("cls")] * embed]
    return read_outputs(module, *embed_patches(module, images), outputs)


def test_no_block_runs_after_the_last_one_read(kind, tiny, pixels) -> None:
    module = tiny(kind)
    ran = []
    for number, block in enumerate(module.blocks, start=1):
        for part in ("norm1", "attn", "norm2", "mlp"):
            name = f"{number} {part}"
            getattr(block, part).register_forward_hook(lambda *_, name=name: ran.append(name))
    read(module, pixels(module.patch_embed.img_size[0]), 2)
    # The second block norms what enters its attention, unless it norms after.
    assert sorted(ran) == [
        "1 attn",
        "1 mlp",
        "1 norm1",
        "1 norm2",
        *["2 norm1"] * (kind != "post norm"),
    ]


def test_a_block_that_is_read_norms_its_tokens_once(kind, tiny, pixels) -> None:
    module = tiny(kind)
    normed = []
    for block in module.blocks:
        block.norm1.register_forward_hook(lambda *_: normed.append(1))
    read(module, pixels(module.patch_embed.img_size[0]), 1, 2, 3)
    assert len(normed) == (2 if kind == "post norm" else 3)


def test_nothing_of_the_attention_is_kept_while_the_mlp_runs(tiny, pixels) -> None:
    module = tiny("registers")
    normed, kept = [], []
    for block in module.blocks:
        block.norm1.register_forward_hook(lambda *given: normed.append(weakref.ref(given[-1])))
        block.mlp.register_forward_hook(
            lambda *_: kept.append([reference() is not None for reference in normed])
        )
    with torch.inference_mode():
        read(module, pixels(126), 1, 2, 3)
    assert kept == [[False], [False, False]]


class Shapes(TorchDispatchMode):
    """Shapes of every tensor that any operation returns."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, ...]] = []
        self.operations: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        self.operations.append(str(func))
        results = result if isinstance(result, (tuple, list)) else [result]
        self.seen += [tuple(value.shape) for value in results if isinstance(value, torch.Tensor)]
        return result


def test_the_token_by_token_matrix_is_never_formed(tiny, pixels) -> None:
    module = tiny("plain")
    with torch.no_grad(), Shapes() as shapes:
        module.set_input_size((96, 96))
        read(module, pixels(96), 1, 2, 3)
    tokens = 1 + 12 * 12
    assert not [shape for shape in shapes.seen if shape[-2:] == (tokens, tokens)]
    assert any("scaled_dot_product" in name for name in shapes.operations), "fused attention is off"


def test_the_block_read_last_forms_one_query_and_no_values(tiny, pixels) -> None:
    module = tiny("plain")
    with torch.no_grad(), Shapes() as shapes:
        read(module, pixels(48), 1)
    assert not [shape for shape in shapes.seen if shape[-1] == 3 * 48]
    assert (2, 3, 37) in shapes.seen
    per_token = [shape for shape in shapes.seen if shape[:2] == (2, 37) or shape[:3] == (2, 3, 37)]
    assert not [shape for shape in per_token if shape[-1] == 16], "keys or values were formed"


def operations(work) -> int:
    """Multiplications and additions of matrix products and convolutions."""
    unfused = sdpa_kernel(SDPBackend.MATH)  # a fused kernel is counted as its processor has it
    with torch.no_grad(), unfused, FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def test_the_last_block_costs_less_than_a_forward_pass(kind, tiny, pixels) -> None:
    module = tiny(kind)
    images = pixels(module.patch_embed.img_size[0])
    forward = operations(lambda: module.forward_features(images))
    blocks = len(module.blocks)
    last = operations(lambda: read(module, images, blocks))
    first = operations(lambda: read(module, images, 1))
    assert last < forward * (1 - 0.5 / blocks)
    assert first < forward / blocks


def test_an_embedding_costs_less_than_a_forward_pass(kind, tiny, pixels) -> None:
    module = tiny(kind)
    images = pixels(module.patch_embed.img_size[0])
    forward = operations(lambda: module.forward_features(images))
    both = operations(lambda: read(module, images, 1, 2, 3, embed=True))
    assert both < forward * (1 - 0.5 / len(module.blocks))


def test_half_precision_rows_are_float32_and_close(tiny, backbone_of, pixels) -> None:
    module = tiny("registers")
    exact = backbone_of(module).attention(pixels(126), [1])
    rough = backbone_of(module, precision="bf16").attention(pixels(126), [1])
    assert rough.dtype == np.float32
    np.testing.assert_allclose(rough.sum(axis=-1), 1, atol=1e-5)
    assert 0 < np.abs(rough - exact).max() < 0.1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("resnet18", "is a ResNet, not a vision transformer"),
        ("vit_base_patch16_gap_224", "has no CLS token"),
        ("vit_base_patch16_siglip_224", "has no CLS token"),
        ("beit_base_patch16_224", "is a Beit"),
        ("vit_small_patch16_18x2_224", "ParallelThingsBlock"),
        ("vit_small_r26_s32_224", "has a HybridEmbed"),
    ],
)
def test_what_has_no_cls_attention_is_told_as_the_beginning_of_a_sentence(name, words) -> None:
    with torch.device("meta"):
        module = timm.create_model(name, num_classes=0)
    why = why_unreadable(module, name)
    assert why.startswith(f"{name} ")
    assert words in why
    assert "\n" not in why


def test_nothing_is_said_of_what_can_be_read(kind, tiny) -> None:
    assert why_unreadable(tiny(kind), kind) == ""


def test_the_network_is_left_as_it_was(tiny, backbone_of, pixels) -> None:
    module = tiny("plain")
    before = copy.deepcopy(module.state_dict())
    backbone_of(module).attention(pixels(96), [3])
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
