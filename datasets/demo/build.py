"""Build the demo collections: handwritten digits pasted on two photographs that betray the class.

`demo-01` shows digits 0 and 1, `demo-38` digits 3 and 8. In the training split the first class
stands mostly on `china` and the second on `flower`; in the test split class and photo are
independent. The `-balanced` variants are the control: independent in training too.
"""

import csv
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...errors import UsageError
from ...files import replace_file
from .source import (
    PHOTOS,
    Composite,
    CompositeRecipe,
    composite,
    digit_masks,
    photo_crop,
    split_digits,
)

Split: TypeAlias = Literal["train", "test"]

CLASSES: dict[str, tuple[int, int]] = {"demo-01": (0, 1), "demo-38": (3, 8)}
BALANCED = "-balanced"
DEMO_NAMES = (*CLASSES, *(name + BALANCED for name in CLASSES))
FINAL_SPLIT_SEED = 71993
COLUMNS = ("path", "label", "class", "group", "split", "x0", "y0", "x1", "y1", "image_id")
MANIFEST = "manifest.csv"
RECIPE = "demo.json"
VERSION = 1


@dataclass(frozen=True)
class DemoRecipe:
    """A DemoRecipe is everything that a demo collection depends on.

    digits: the two digits that are the classes.
    seed: draws the compositions.
    split_seed: deals the digit instances to train and test.
    train, test: numbers of images.
    spurious: the share of training images whose photo agrees with the class.
    version: of the code that renders; another one makes another collection.
    """

    digits: tuple[int, int]
    seed: int = 0
    split_seed: int = FINAL_SPLIT_SEED
    train: int = 1500
    test: int = 600
    spurious: float = 0.95
    version: int = VERSION


@dataclass(frozen=True)
class DemoItem:
    """A DemoItem is one image that is to be rendered.

    label: the class, 0 or 1, an index into the recipe's digits.
    photo: the photo it stands on, 0 or 1, an index into PHOTOS.
    split: "train" or "test".
    image_id: its number in the collection.
    """

    label: int
    photo: int
    split: Split
    image_id: int


def build_demo(folder: Path, recipe: DemoRecipe) -> Path:
    """Render a demo collection into a folder and return the path of its `manifest.csv`.

    Images are RGB PNGs of 96 x 96 pixels in `images/`; boxes are half-open pixel coordinates of the
    glyph's alpha above 0.3. A finished collection of the same recipe is returned as it is.

    Raises UsageError for a folder that holds another collection, and OSError if it cannot be
    written to.
    """
    manifest = folder / MANIFEST
    if manifest.exists():
        _require_same(folder, recipe)
        if is_complete(folder, recipe):
            return manifest
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rows = [_write_item(folder, recipe, item, made) for item, made in render(recipe)]
    replace_file(folder / RECIPE, _recipe_text(recipe).encode())
    # Last, as a folder counts as a finished demo once it has a manifest.
    replace_file(manifest, _csv_text(rows).encode())
    return manifest


def demo_recipe(name: str, **options: Any) -> DemoRecipe:
    """Return the recipe of a named collection.

    options: fields of the recipe that differ from its defaults. In a `-balanced` collection
        `spurious` is 0.5 in any case.

    Raises UsageError for an unknown name.
    """
    if name not in DEMO_NAMES:
        raise UsageError(f"Unknown demo {name!r}: choose one of {', '.join(DEMO_NAMES)}.")
    recipe = DemoRecipe(CLASSES[name.removesuffix(BALANCED)], **options)
    return replace(recipe, spurious=0.5) if name.endswith(BALANCED) else recipe


def render(recipe: DemoRecipe) -> Iterator[tuple[DemoItem, Composite]]:
    """Yield every item with its image and box."""
    # Each image has a generator of its own, so that its pixels do not depend on how many come
    # before it, and a lost image can be rendered again.
    split = split_digits(recipe.split_seed)
    for item in demo_items(recipe):
        rng = np.random.default_rng([recipe.seed, item.image_id])
        instances = split.train if item.split == "train" else split.test
        mask = _draw_digit(instances, recipe.digits[item.label], rng)
        background = photo_crop(PHOTOS[item.photo], "left", CompositeRecipe().image_size, rng)
        yield item, composite(mask, background, rng)


def demo_items(recipe: DemoRecipe) -> list[DemoItem]:
    """Return the training items, then the test items, in which class and photo are independent."""
    train = _split_items("train", recipe.train, recipe.spurious, 0)
    return train + _split_items("test", recipe.test, 0.5, recipe.train)


def is_complete(folder: Path, recipe: DemoRecipe) -> bool:
    """Tell whether the manifest lists every item, and every listed image is there."""
    with (folder / MANIFEST).open(newline="") as file:
        paths = [row["path"] for row in csv.DictReader(file)]
    return len(paths) == recipe.train + recipe.test and all((folder / p).exists() for p in paths)


def _split_items(split: Split, count: int, share: float, first_id: int) -> list[DemoItem]:
    """Alternate the classes, and let the photo agree with the class in `share` of each."""
    items = []
    for index in range(count):
        label = index % 2
        photo = label if _agrees(index // 2, share) else 1 - label
        items.append(DemoItem(label, photo, split, first_id + index))
    return items


def _agrees(place: int, share: float) -> bool:
    """Tell whether the item at a place agrees: of any first n items n * share do, rounded down."""
    # The epsilon keeps a product of 18.999999999999996, which is a 19, from being rounded down.
    return int((place + 1) * share + 1e-9) > int(place * share + 1e-9)


def _draw_digit(
    instances: NDArray[np.int64], digit: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    masks = digit_masks()
    chosen = rng.choice(instances[masks.label[instances] == digit])
    mask: NDArray[np.float32] = masks.alpha[chosen]
    return mask


def _write_item(
    folder: Path, recipe: DemoRecipe, item: DemoItem, made: Composite
) -> tuple[str | int, ...]:
    """Write the PNG and return the manifest's row."""
    path = f"images/{item.split}-{item.image_id:05d}.png"
    Image.fromarray(made.image).save(folder / path, compress_level=1)
    digit = recipe.digits[item.label]
    group = f"{digit} on {PHOTOS[item.photo]}"
    return (path, item.label, digit, group, item.split, *made.box, item.image_id)


def _require_same(folder: Path, recipe: DemoRecipe) -> None:
    """Raise UsageError if the folder holds a collection of another recipe."""
    path = folder / RECIPE
    if not path.exists() or path.read_text() != _recipe_text(recipe):
        raise UsageError(f"{folder} holds another collection: choose an empty folder.")


def _recipe_text(recipe: DemoRecipe) -> str:
    return json.dumps(asdict(recipe), indent=1) + "\n"


def _csv_text(rows: list[tuple[str | int, ...]]) -> str:
    return "\n".join(",".join(str(value) for value in row) for row in (COLUMNS, *rows)) + "\n"
