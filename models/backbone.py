"""Load a frozen backbone onto a device, and run batches of pixels through it.

Every pass of a model at a size has the same number of images, the last one filled up with zeros, so
that no bit of a row depends on how images were put together.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from ..errors import A2pipeError, UsageError
from .architecture import architecture_of, empty_network
from .blocks.acceleration import cast_blocks, code_folder, compilation, compiled_steps
from .blocks.attention import EAGER, read_outputs
from .device import choose_device
from .forward_shape import images_a_pass
from .identity import BackboneInfo, identify, locate_weights
from .outputs import Block, Output, Pool, parse_pool
from .pending import Floats, Pending, host_tensor, new_event
from .positions import set_input_size
from .preprocessing import normalize, unit
from .weights.checkpoint import read_tensors
from .weights.loading import load_weights
from .weights.random_init import random_tensors
from .whole.reading import read_whole
from .zoo.model_entry import ModelEntry
from .zoo.names import resolve

__all__ = ["Backbone", "BackboneInfo", "identify", "load_backbone"]

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Backbone:
    """A Backbone is loaded, and gives CLS attention, embeddings and patch statistics of pixels.

    `load_backbone` makes one.

    info: facts of the model, as `identify` returns them.
    device: the torch device that it runs on.
    precision: "fp32", "bf16" or "fp16", of the blocks, or of the network where it runs as a whole;
        attention scores, softmax and results are float32 in any.
    compiled: whether the code is made by torch.compile, which happens on the first call; it is kept
        below the folder `code`, if that is given, for the next process.
    forward_passes: how many images have been sent through it so far.
    padded: how many images of zeros were sent through it beside them, to fill up passes.
    reduced: by side in pixels, how many images a pass has at those sizes at which memory did not
        suffice for as many as the table of `forward_shape` says.
    """

    def __init__(
        self,
        info: BackboneInfo,
        module: nn.Module,
        device: torch.device,
        precision: str = "fp32",
        positions: str = "antialias",
        compiled: bool = False,
        code: Path | None = None,
    ) -> None:
        self.info = info
        self.device = device
        self.precision = precision
        self.forward_passes = 0
        self.padded = 0
        self.reduced: dict[int, int] = {}
        self.compiled = compiled
        # On the device once for all: each copy of a list to CUDA would wait for all that is queued.
        self._mean, self._std = (
            torch.tensor(each, device=device) for each in (info.mean, info.std)
        )
        dtype = PRECISIONS[precision]
        cast = cast_blocks(module, dtype) if info.by_steps else module.to(dtype)
        self._module: Any = cast.to(device)
        self._positions = positions
        # Every other size is resampled from the positions as they were trained.
        self._native: Tensor | None = getattr(self._module, "pos_embed", None)
        self._size = info.input_size
        self._steps = compiled_steps() if compiled else EAGER
        self._code = code_folder(code) if compiled and code else None

    def attention(self, pixels: Tensor, blocks: Sequence[int]) -> Floats:
        """Return CLS rows of the softmax attention of some blocks, before any aggregation.

        pixels: as for `launch`. blocks: numbers from 1 to the depth, which is the last block;
        blocks after the last one asked for do not run.

        Returns float32 (B, len(blocks), heads, tokens). The tokens of a row are CLS, the registers,
        and the patches row by row; each row sums to 1.

        Raises UsageError for a block that the model lacks or a size that cuts a patch, or if there
        is none.
        """
        if not blocks:
            raise UsageError(f"{self.info.name} has blocks 1 to {self.info.blocks}; name one.")
        found = self.read(pixels, [Block(number) for number in blocks])
        return np.stack([found[Block(number)] for number in blocks], axis=1)

    def embed(self, pixels: Tensor, pool: str = "cls") -> Floats:
        """Return embeddings, without any classification head: float32 (B, dim).

        pixels: as for `launch`. pool: "cls" is token 0 after the final norm; `outputs.Pool` has the
        others.

        Raises UsageError for a pool that there is not, or a size that cuts a patch.
        """
        (found,) = self.read(pixels, [parse_pool(pool)]).values()
        return found

    def attention_and_embedding(
        self, pixels: Tensor, blocks: Sequence[int]
    ) -> tuple[Floats, Floats]:
        """Return what `attention` and `embed` return, bit for bit, from one pass."""
        found = self.read(pixels, [*map(Block, blocks), Pool("cls")])
        return np.stack([found[Block(number)] for number in blocks], axis=1), found[Pool("cls")]

    def read(self, pixels: Tensor, outputs: Sequence[Output]) -> dict[Output, Floats]:
        """Return what is asked for of every image from one pass; it is `launch`, waited for."""
        return self.launch(pixels, outputs).wait()

    def launch(self, pixels: Tensor, outputs: Sequence[Output]) -> Pending:
        """Queue all passes of a batch on the device, and return its results while they are pending.

        pixels: float (B, 3, S, S) in [0, 1], not normalised, or uint8 (B, S, S, 3), which each pass
        converts for itself; on any device, but only from the model's own is nothing waited for. S
        is a multiple of the patch. outputs: at least one; the results have them as
        `BackboneInfo.resolve` returns them.

        Every pass has `images_a_pass(S)` images, the last one filled up with zeros. A row has the
        same bits whatever batch its image came in, wherever there, and whatever else is asked for.

        Raises UsageError for an output that the model lacks or a size that cuts a patch, and
        A2pipeError for pixels of another shape, and where the device's memory is too small for a
        pass of one image.
        """
        side = side_of(pixels)
        self.set_input_size(side)
        wanted = [self.info.resolve(output, side) for output in outputs]
        results = {
            output: host_tensor((len(pixels), *self.info.shape(output, side)), self.device)
            for output in wanted
        }
        start, end = new_event(self.device), new_event(self.device)
        done = 0
        # An event is recorded on the stream of the current device, which may be another GPU.
        with torch.cuda.device(self.device if self.device.type == "cuda" else -1):
            start.record()
            while done < len(pixels):
                part = pixels[done : done + self.images_a_pass(side)]
                done += self._pass(part, done, results)
            end.record()
        return Pending(results, start, end)

    def images_a_pass(self, side: int) -> int:
        """Return how many images each pass has at present, for images of side x side pixels.

        It is the number of `forward_shape`'s table, or that of `reduced`.
        """
        tokens = self.info.tokens(side)
        return self.reduced.get(side) or images_a_pass(self.info.dim, tokens, self.device.type)

    @property
    def notices(self) -> list[str]:
        """Return a sentence for each size at which memory did not suffice for the table's shape."""
        return [
            f"{self.info.name} at {side} px takes only {images} images a pass, as more do not fit "
            f"into the memory of {self.device}."
            for side, images in self.reduced.items()
        ]

    def _pass(self, pixels: Tensor, place: int, results: Mapping[Output, Tensor]) -> int:
        """Run one pass and copy its rows to their place in the results; return how many they are.

        Where the pass does not fit into memory, it is made smaller, and none are.
        """
        side, count = side_of(pixels), len(pixels)
        try:
            found = self._read(self._prepared(pixels), list(results))
        except torch.OutOfMemoryError:
            # What the failed pass holds is freed with its error, so nothing is computed in here.
            found = None
        if found is None:
            self._reduce(side)
            return 0
        for output, result in results.items():
            values = found[output][:count].float()
            result[place : place + count].copy_(values, non_blocking=True)
        self.forward_passes += count
        self.padded += self.images_a_pass(side) - count
        return count

    def _reduce(self, side: int) -> None:
        """Take passes of half as many images from now on at one size; raise if that is none."""
        images = self.images_a_pass(side)
        if images == 1:
            raise A2pipeError(
                f"The memory of {self.device} is too small for {self.info.name} at {side} px, even "
                "with one image a pass; use a smaller model or size, or `--device cpu`."
            )
        self.reduced[side] = images // 2

    def _prepared(self, pixels: Tensor) -> Tensor:
        """Return a pass of normalised images on the device, filled up with zeros."""
        images = unit(pixels.to(self.device)) if pixels.dtype == torch.uint8 else pixels
        images = normalize(images.to(self.device, torch.float32), self._mean, self._std)
        missing = self.images_a_pass(images.shape[-1]) - len(images)
        return pad(images, (0, 0, 0, 0, 0, 0, 0, missing)) if missing else images

    def _read(self, images: Tensor, outputs: Sequence[Output]) -> dict[Output, Tensor]:
        compiling = compilation(self._code) if self.compiled else contextlib.nullcontext()
        with self._numerics(), compiling:
            if not self.info.by_steps:
                patches = self.info.patches(images.shape[-1])
                return read_whole(self._module, images, outputs, patches, self._steps.whole)
            tokens, rotation = self._steps.embed(self._module, images)
            return read_outputs(self._module, tokens, rotation, outputs, self._steps)

    def set_input_size(self, size: int) -> None:
        """Resample the positions for size x size pixels; `attention` and `embed` do so themselves.

        size: side in pixels. Raises UsageError unless it is a multiple of the patch, and the native
        one of a network that takes no other.
        """
        patch = self.info.patch
        if size < patch or size % patch:
            below, above = max(patch, size // patch * patch), (size // patch + 1) * patch
            raise UsageError(
                f"An input size of {size} is not a multiple of the {patch} pixel patches of "
                f"{self.info.name}; use {below} or {above}."
            )
        self.info.refuse_size(size)
        if size != self._size and self.info.by_steps:
            set_input_size(self._module, self._native, self.info.input_size, size, self._positions)
            self._size = size

    @contextlib.contextmanager
    def _numerics(self) -> Iterator[None]:
        """Run without gradients, and with exact convolutions."""
        # cuDNN would otherwise convolve in TF32, with 10 bits of mantissa, and might choose another
        # algorithm from one run to the next: then rows of one address would differ in their bits.
        exact = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
        with torch.inference_mode(), exact:
            yield


def side_of(pixels: Tensor) -> int:
    """Return the side of square images in pixels; raise A2pipeError for another shape."""
    channels, sides = (
        (3, pixels.shape[1:3]) if pixels.dtype == torch.uint8 else (1, pixels.shape[2:])
    )
    if pixels.ndim != 4 or pixels.shape[channels] != 3 or sides[0] != sides[1]:
        expected = "bytes (B, S, S, 3)" if channels == 3 else "(B, 3, S, S)"
        raise A2pipeError(f"Pixels have to be {expected}, not {tuple(pixels.shape)}.")
    return int(sides[0])


def load_backbone(
    name: str,
    *,
    weights: Path | None = None,
    device: str = "auto",
    input_size: int | None = None,
    precision: str = "fp32",
    compiled: bool = False,
    offline: bool = False,
    memo: Path | None = None,
) -> Backbone:
    """Load a backbone by name, frozen, in evaluation mode.

    name: a name of `a2pipe models list`, one of its other names, or a timm name.
    weights: a checkpoint (.safetensors, or .pth with tensors alone) in place of the published one.
    device: "auto" takes CUDA if there is any, else MPS, else the CPU.
    input_size: side in pixels that the model is set to at once; None is the native one.
    precision: "fp32", "bf16" or "fp16", as for `Backbone`.
    compiled: whether torch.compile makes the code, which changes results by rounding.
    offline: whether the network must not be touched.
    memo: a file that remembers what was found out, as for `identify`; compiled code is kept in a
        folder beside it.

    Raises UsageError for an unknown name, device, precision or size and for a model without a grid
    of features; A2pipeError if the weights cannot be had, read or do not fit.
    """
    if precision not in PRECISIONS:
        raise UsageError(f"There is no precision {precision!r}; use {', '.join(PRECISIONS)}.")
    # Before `identify`, which may fetch gigabytes, everything that can be refused is refused.
    chosen = choose_device(device)
    info = identify(name, weights=weights, offline=offline, memo=memo)
    entry = resolve(name)
    code = memo.parent / "compiled" if memo else None
    module = _load(entry, weights)
    backbone = Backbone(info, module, chosen, precision, entry.positions, compiled, code)
    if input_size is not None:
        backbone.set_input_size(input_size)
    return backbone


def _load(entry: ModelEntry, weights: Path | None) -> nn.Module:
    """Return the network with its weights."""
    # `identify` has fetched the weights, so this cannot meet another download.
    path = locate_weights(entry, weights, offline=True)
    module = empty_network(architecture_of(entry, path))
    tensors = random_tensors(module) if path is None else read_tensors(path)
    return load_weights(module, tensors, f"{path or 'drawn at random'}")
