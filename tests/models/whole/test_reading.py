"""Pools and statistics of networks without CLS attention, against timm's own forward pass."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from a2pipe.errors import A2pipeError, UsageError
from a2pipe.models.outputs import Pool, parse_pool, parse_statistic
from a2pipe.models.whole.reading import patch_tokens, read_whole

POOLS = ("native", "mean", "selective:1", "selective:N/4", "selective:N")
STATISTICS = ("patch-score", "norm", "votes:1", "votes:N/2", "pooled-score:N/4:paper")


def outputs_of(backbone, side: int):
    asked = [*map(parse_pool, POOLS), *map(parse_statistic, STATISTICS)]
    return [backbone.info.resolve(output, side) for output in asked]


def grid_of(module, images) -> torch.Tensor:
    """Oracle: the patches of timm's own pass, (B, N, D) in float64, cell by cell."""
    features = module.forward_features(images).double()
    if features.ndim == 3:
        return features[:, getattr(module, "num_prefix_tokens", 0) :]
    last = features.shape[-1] == module.num_features
    side = features.shape[1 if last else 2]
    cells = itertools.product(range(side), range(side))
    return torch.stack([features[:, r, c] if last else features[:, :, r, c] for r, c in cells], 1)


def test_native_is_timms_own_pooling(name, loaded, seen, pixels) -> None:
    module, backbone = loaded(name)
    images = pixels(backbone.info.input_size)
    features = module.forward_features(seen(backbone, images))
    expected = module.forward_head(features, pre_logits=True)
    found = backbone.embed(images, "native")
    assert found.dtype == np.float32
    assert np.abs(found).max() > 0.1, "the check needs features that are not all alike"
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_patches_are_those_of_timms_own_pass(whole, loaded, seen, pixels) -> None:
    module, backbone = loaded(whole)
    side = backbone.info.input_size
    images = pixels(side)
    patches = grid_of(module, seen(backbone, images)).numpy()
    mean = patches.mean(axis=1)
    lengths = np.linalg.norm(patches, axis=2)
    scores = np.einsum("bnd,bd->bn", patches, mean) / lengths
    scores /= np.linalg.norm(mean, axis=1, keepdims=True)
    asked = [Pool("mean"), parse_statistic("norm"), parse_statistic("patch-score:mean")]
    found = backbone.read(images, asked)
    for output, expected in zip(asked, (mean, lengths, scores), strict=True):
        np.testing.assert_allclose(found[output], expected, rtol=1e-4, atol=1e-4, err_msg=output)


def test_all_patches_selected_are_the_mean_and_votes_add_up(name, loaded, pixels) -> None:
    _, backbone = loaded(name)
    info, side = backbone.info, backbone.info.input_size
    patches = info.patches(side)
    asked = [Pool("mean"), parse_pool(f"selective:{patches}"), parse_statistic("votes:3")]
    mean, selected, votes = backbone.read(pixels(side), asked).values()
    np.testing.assert_array_equal(mean, selected)
    np.testing.assert_array_equal(votes.sum(axis=1), [3 * info.dim] * 2)
    assert votes.shape == (2, patches)


@pytest.mark.parametrize("name", ["vit_base_patch16_siglip_224", "test_resnet", "test_convnext"])
def test_another_size_is_that_of_timm(name, loaded, seen, pixels) -> None:
    """SigLIP's learned positions are resampled as those of a ViT with CLS are."""
    module, backbone = loaded(name)
    images = pixels(96)
    if backbone.info.by_steps:
        module.set_input_size((96, 96))
    features = module.forward_features(seen(backbone, images))
    expected = module.forward_head(features, pre_logits=True)
    np.testing.assert_allclose(backbone.embed(images, "native"), expected, atol=1e-4)
    native = backbone.info.input_size
    before = backbone.embed(pixels(native), "native")
    backbone.embed(images, "native")
    np.testing.assert_array_equal(backbone.embed(pixels(native), "native"), before)


def test_a_network_of_one_size_refuses_others(loaded, pixels) -> None:
    _, backbone = loaded("swin_tiny_patch4_window7_224")
    with pytest.raises(UsageError, match="takes images of 224 px alone, not 256"):
        backbone.embed(pixels(256), "native")


def test_a_side_that_cuts_a_cell_is_refused(loaded, pixels) -> None:
    _, backbone = loaded("test_resnet")
    with pytest.raises(UsageError, match=r"100 is not a multiple of the 32 .* use 96 or 128"):
        backbone.embed(pixels(100), "native")


def test_no_attention_is_read(name, loaded, pixels) -> None:
    _, backbone = loaded(name)
    images = pixels(backbone.info.input_size)
    with pytest.raises(UsageError, match="so it gives no attention; its pools are native"):
        backbone.attention(images, [1])
    with pytest.raises(UsageError, match="so it has no pool cls; its pools are native"):
        backbone.embed(images)


# --- bits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2])
def test_no_bit_depends_on_the_cut(name, threads, loaded, pixels) -> None:
    """Images come in any batches, at any place of a pass and beside any padding."""
    torch.set_num_threads(threads)
    _, backbone = loaded(name)
    side = backbone.info.input_size if backbone.info.fixed else 96
    images, asked = pixels(side, 19), outputs_of(backbone, side)
    expected = backbone.read(images, asked)
    assert np.abs(np.diff(expected[Pool("native")], axis=0)).max(axis=1).min() > 1e-3

    @settings(max_examples=5, deadline=None, database=None)
    @given(
        st.lists(st.integers(0, 18), min_size=1, max_size=19),
        st.integers(1, 18),
        st.lists(st.sampled_from(asked), min_size=1, unique=True),
    )
    def check(order, cut, some) -> None:
        for chosen in filter(None, (order[:cut], order[cut:])):
            for output, got in backbone.read(images[chosen], some).items():
                np.testing.assert_array_equal(got, expected[output][chosen], str(output))

    check()


# --- precision and compiled code ----------------------------------------------------------------


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_low_precision_stays_near_and_is_float32(whole, precision, loaded, pixels) -> None:
    images = None
    found = []
    for each in ("fp32", precision):
        _, backbone = loaded(whole, precision=each)
        images = pixels(backbone.info.input_size) if images is None else images
        found.append(backbone.read(images, [Pool("native"), Pool("mean")]))
    for output, exact in found[0].items():
        assert found[1][output].dtype == np.float32
        difference = np.linalg.norm(found[1][output] - exact) / np.linalg.norm(exact)
        assert 0 < difference < 0.2, output


def test_the_network_is_cast_as_a_whole(loaded) -> None:
    _, backbone = loaded("test_resnet", precision="bf16")
    assert {each.dtype for each in backbone._module.parameters()} == {torch.bfloat16}


@pytest.mark.slow
def test_compiled_code_gives_the_same_up_to_rounding(loaded, pixels) -> None:
    images = pixels(96)
    plain, compiled = (loaded("test_resnet", compiled=each)[1] for each in (False, True))
    asked = outputs_of(plain, 96)[:2]
    for output, expected in plain.read(images, asked).items():
        found = compiled.read(images, asked)[output]
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


# --- a network alone ----------------------------------------------------------------------------


class Given(torch.nn.Module):
    """A network that gives what it is given as features."""

    def __init__(self, features: torch.Tensor, output_fmt: str = "NCHW") -> None:
        super().__init__()
        self.features, self.output_fmt = features, output_fmt
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward_features(self, _: torch.Tensor) -> torch.Tensor:
        return self.features


def test_cells_are_read_row_by_row() -> None:
    grid = torch.arange(12.0).reshape(1, 2, 2, 3)
    expected = grid.reshape(1, 4, 3)
    channels_first = grid.permute(0, 3, 1, 2)
    assert torch.equal(patch_tokens(Given(grid, "NHWC"), grid), expected)
    assert torch.equal(patch_tokens(Given(channels_first), channels_first), expected)


def test_tokens_before_the_patches_are_left_out() -> None:
    module = Given(torch.zeros(0))
    module.num_prefix_tokens = 2
    tokens = torch.arange(10.0).reshape(1, 5, 2)
    assert torch.equal(patch_tokens(module, tokens), tokens[:, 2:])


def test_another_number_of_patches_than_expected_is_refused() -> None:
    module = Given(torch.zeros(1, 3, 2, 2))
    with pytest.raises(A2pipeError, match="gives 4 patches of an image of 96 px and not 9"):
        read_whole(module, torch.zeros(1, 3, 96, 96), [Pool("mean")], 9)
