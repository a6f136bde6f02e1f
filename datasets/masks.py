"""Read the masks of a collection: images whose pixels say what is an object."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError

MODES = ("P", "L", "1")
"""A palette's index or a grey value is the number of a class; other modes have none."""


def read_mask(path: str, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a mask as numbers, uint8 (height, width): 0 is background, 255 does not count.

    size: width and height in pixels that the mask has to have, those of its image.

    Raises UsageError for a file that cannot be read, has another size, or is a colour picture.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            mode, values = image.mode, np.asarray(image)
    except (OSError, ValueError, SyntaxError) as error:
        raise UsageError(f"The mask {path} cannot be read ({error}): get it again.") from error
    if mode not in MODES:
        raise UsageError(
            f"The mask {path} is an image of mode {mode}, whose pixels are no classes: give a PNG "
            "with a palette, or a grey one."
        )
    if values.shape != size[::-1]:
        found, wanted = (" x ".join(map(str, each)) for each in (values.shape[::-1], size))
        raise UsageError(
            f"The mask {path} has {found} pixels, its image {wanted}: take masks of these images."
        )
    return values.astype(np.uint8)


def masks_digest(masks: Mapping[str, str]) -> str:
    """Return the digest, 32 hex digits, of which image has a mask file of which bytes.

    masks: paths of the files by digest of the image, in the order of the images.

    Raises UsageError for a file that cannot be read.
    """
    whole = sha256()
    for image, path in masks.items():
        try:
            whole.update(f"{image}\0".encode())
            whole.update(sha256(Path(path).read_bytes()).digest())
        except OSError as error:
            raise UsageError(
                f"The mask {path} cannot be read ({error.strerror}): check its rights."
            ) from error
    return whole.hexdigest()[:32]
