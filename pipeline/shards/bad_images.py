"""Find the images that could not be used, and refuse to go on with them unless told to."""

from collections.abc import Iterable
from dataclasses import dataclass

from ...cache.ledger import BadRow
from ...datasets.collection import Collection
from ...errors import A2pipeError


@dataclass(frozen=True)
class BadImage:
    """A bad image is a file that gives no features.

    path: of the file. digest: of its bytes, or an empty string if they could not be read. reason:
    why it gives none, a clause without the path.
    """

    path: str
    digest: str
    reason: str


class BadImagesError(A2pipeError):
    """The run is complete except for these images; the exit code is 3."""

    exit_code = 3

    def __init__(self, bad: list[BadImage]):
        listing = "".join(f"\n  {image.path}: {image.reason}" for image in bad)
        count = f"{len(bad)} image{'s' if len(bad) > 1 else ''} could not be used"
        remedy = "Mend these, or leave them out with --skip-bad-images:"
        super().__init__(f"{count}; all others are done. {remedy}{listing}")
        self.bad = bad


def refuse_bad_images(bad: list[BadImage], skip: bool) -> None:
    """Raise BadImagesError if there are bad images, unless they are to be skipped."""
    if bad and not skip:
        raise BadImagesError(bad)


def find_bad_images(collection: Collection, rows: Iterable[BadRow]) -> list[BadImage]:
    """Return the files that give no features, each once, in the collection's order.

    rows: bad rows of the shards that are done. A file counts if one of them is of its image, or if
    its bytes could not be read when the dataset was indexed.
    """
    reasons = {row.image: row.reason for row in rows}
    found: dict[str, BadImage] = {}
    if not reasons and not collection.unreadable:
        return []  # which is nearly always so, and spares a look at every path
    for path, digest in zip(collection.paths, collection.digests, strict=True):
        reason = reasons.get(digest) if digest else collection.unreadable.get(path)
        if reason:
            found[path] = BadImage(path, digest, reason)
    return list(found.values())
