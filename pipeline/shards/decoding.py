"""Decode the images of batches, in worker processes that write to memory shared with this one.

First the canvases of a batch are decoded, then, once its boxes are placed, crops from originals.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ...cache.artifact import OK, UNREADABLE
from ...errors import A2pipeError, BadImageError
from ...machine import cores
from ...shared_memory import Pinned, Segment, SharedMemory
from ...stages.crops import Crop, whole_canvas
from ...stages.device_canvas import Jpeg
from ...stages.geometry import Canvas
from ...stages.pixels import remote_content
from ...workers import Workers
from .batch import Batch, Cut, crops_wanted
from .decoder import Decode, Encoded, decode_into
from .prefetch import Room

Job = Callable[[], None]

IMAGES_A_CALL, PIXELS_A_CALL = 16, 4 << 20
"""A worker is sent so many images at once, or fewer if they are large: with one at a time this
process would be busy with messages, and with many workers would be idle at the end of a batch."""
ROOM_ORIGINALS = 1 << 30
"""Workers may hold so many bytes of originals together; one larger is decoded alone."""
BYTES_A_PIXEL = 7
"""A pixel of an original takes four bytes in Pillow and three in the array made of it."""
BYTES_A_CODED_PIXEL = 0.25
"""A pixel takes about so many bytes in the JPEG files of photographs."""


class Decoders:
    """Decoders are worker processes that decode images, and the memory that they write to.

    count: how many processes. pinned: as for `SharedMemory`. idle: the time in which nothing was
    to be decoded.
    """

    def __init__(self, count: int, pinned: Pinned = nullcontext):
        self.count = count
        self.idle = Idleness()
        self._memory = SharedMemory(pinned)
        self._room = Room(ROOM_ORIGINALS)
        self._workers: Workers | None = None

    @property
    def trouble(self) -> str:
        """Return why no processes could be started, so that threads decode; "" if they could."""
        return self._workers.trouble if self._workers else ""

    def start(self) -> None:
        """Start the processes, unless they run; the first image to be decoded does so too."""
        if self._workers is None:
            self._workers = Workers(self.count, [self._memory.fd])

    def close(self) -> None:
        """End the processes, whatever they are doing, and free the memory."""
        if self._workers:
            self._workers.close()
        self._memory.close()

    def canvases(self, path_of: Mapping[str, str], batch: Batch) -> list[Job]:
        """Give a batch room for the canvases that it needs, and return the jobs that fill it.

        path_of: the path of each image, by its digest. Stored pixels are copied. Images that are
        stored as bad are noted in the batch.
        """
        needed = batch.shard.pixels_needed(batch.rows)
        starts = self._make_room(batch, {canvas: canvas.side for canvas in needed})
        jobs: list[Job] = []
        wanted: dict[int, list[tuple[Crop, int]]] = {}
        for canvas, rows in needed.items():
            whole, nbytes = whole_canvas(canvas), 3 * canvas.side**2
            status = batch.shard.pixels_status(canvas, batch.rows)
            for place in np.flatnonzero(rows & (status == UNREADABLE)).tolist():
                reasons = batch.shard.arrays[canvas].reasons
                batch.bad.setdefault(place, reasons.get(int(batch.rows[place]), "bad"))
            if (stored := np.flatnonzero(rows & (status == OK))).size:
                jobs.append(partial(_copy, batch, canvas, stored))
            for place in np.flatnonzero(rows & (status != OK)).tolist():
                wanted.setdefault(place, []).append((whole, starts[canvas] + place * nbytes))
        return jobs + self._jobs(path_of, batch, wanted, batch.bad)

    def originals(self, path_of: Mapping[str, str], batch: Batch) -> list[Job]:
        """Give a batch room for its crops from originals, and return the jobs that fill it.

        path_of: as for `canvases`. The boxes of the batch have to be placed.
        """
        crops = crops_wanted(batch)
        starts = self._make_room(batch, {cut: cut[1] for cut in crops})
        wanted: dict[int, list[tuple[Crop, int]]] = {}
        for cut, by_place in crops.items():
            for place, crop in by_place.items():
                start = starts[cut] + place * 3 * crop.size**2
                wanted.setdefault(place, []).append((crop, start))
        return self._jobs(path_of, batch, wanted, batch.bad_originals)

    def release(self, batch: Batch) -> None:
        """Take back the memory of a batch, whose pixels nobody reads any more."""
        for segment in batch.segments:
            self._memory.give_back(segment)

    def _make_room(
        self, batch: Batch, sides: Mapping[Canvas | Cut, int]
    ) -> dict[Canvas | Cut, int]:
        """Add squares to the batch; return where those of each kind begin in its last segment."""
        nbytes = {kind: len(batch.rows) * 3 * side**2 for kind, side in sides.items()}
        starts = dict(zip(sides, np.cumsum([0, *nbytes.values()]).tolist(), strict=False))
        if sides:
            segment = self._take(sum(nbytes.values()))
            batch.segments.append(segment)
            for kind, side in sides.items():
                part = segment.array[starts[kind] : starts[kind] + nbytes[kind]]
                batch.pixels[kind] = part.reshape(-1, side, side, 3)
        return starts

    def _take(self, nbytes: int) -> Segment:
        try:
            return self._memory.take(nbytes)
        except OSError as error:
            raise A2pipeError(
                f"There is no memory for {nbytes:,} bytes of decoded images "
                f"({error.strerror}): lower --batch-size."
            ) from error

    def _jobs(
        self,
        path_of: Mapping[str, str],
        batch: Batch,
        wanted: Mapping[int, Sequence[tuple[Crop, int]]],
        bad: dict[int, str],
    ) -> list[Job]:
        """Return jobs that decode images and note those that are bad.

        wanted: by place in the batch, the crops and where they go in its last segment. Images that
        are known to be bad are left out.
        """
        decodes: dict[int, Decode] = {}
        for place in sorted(wanted.keys() - batch.bad.keys()):
            image, pixels = batch.shard.images[batch.rows[place]], batch.originals[place]
            decodes[place] = Decode(path_of[image], image, tuple(wanted[place]), pixels)
        batch.decoded += len(decodes)
        batch.files += sum(
            max(0, int(BYTES_A_CODED_PIXEL * each.pixels) - each.room)
            for each in decodes.values()
            if each.for_gpu
        )
        if decodes:
            self.start()
        calls = list(_calls(decodes))
        self.idle.begin(len(calls))
        return [partial(self._decode, batch, batch.segments[-1], call, bad) for call in calls]

    def _decode(
        self, batch: Batch, segment: Segment, call: Mapping[int, Decode], bad: dict[int, str]
    ) -> None:
        """Do what a job is: decode a few images in a worker, and note those that are bad."""
        try:
            for place, outcome in self._decoded(segment, call).items():
                if isinstance(outcome, Encoded):
                    batch.encoded[place] = _file(segment, outcome)
                elif outcome:
                    bad[place] = outcome
                elif call[place].for_gpu:
                    batch.left_to_pillow.add(place)
        finally:
            self.idle.end()

    def _decoded(self, segment: Segment, call: Mapping[int, Decode]) -> dict[int, str | Encoded]:
        found: dict[int, str | Encoded] = {}
        ready: dict[int, Decode] = {}
        for place, each in call.items():
            try:
                # A file system of this process alone, such as memory://, is not there in a worker.
                content = remote_content(each.path, each.digest)
                ready[place] = each if content is None else each._replace(content=content)
            except BadImageError as error:
                found[place] = str(error)
        if ready and self._workers:
            # Few workers may hold very large originals at once; what stays of each are its crops.
            largest = max(each.pixels for each in ready.values())
            with self._room.taking(BYTES_A_PIXEL * largest):
                outcomes = self._workers.call(decode_into, segment, list(ready.values()))
            found |= zip(ready, outcomes, strict=True)
        return found


class Idleness:
    """An idleness measures for how long there was nothing to do, from the first work on."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._unfinished = 0
        self._since: float | None = None
        self._lock = threading.Lock()

    @property
    def seconds(self) -> float:
        """Return the seconds up to now."""
        with self._lock:
            now = 0.0 if self._since is None else time.perf_counter() - self._since
            return self._seconds + now

    def begin(self, count: int = 1) -> None:
        """Count work that can be done from now on."""
        with self._lock:
            if count and self._since is not None:
                self._seconds += time.perf_counter() - self._since
                self._since = None
            self._unfinished += count

    def end(self) -> None:
        """Count one piece of work as done."""
        with self._lock:
            self._unfinished -= 1
            if not self._unfinished:
                self._since = time.perf_counter()


def processes(workers: int | None) -> int:
    """Return how many processes decode; where nothing is set, a core is left to the device."""
    return workers or max(1, cores() - 1)


def _calls(decodes: Mapping[int, Decode]) -> Iterator[dict[int, Decode]]:
    """Cut decodes into as many as a worker is sent at once."""
    call: dict[int, Decode] = {}
    pixels = 0
    for place, decode in decodes.items():
        if call and (len(call) == IMAGES_A_CALL or pixels + decode.pixels > PIXELS_A_CALL):
            yield call
            call, pixels = {}, 0
        call[place] = decode
        pixels += decode.pixels
    if call:
        yield call


def _file(segment: Segment, encoded: Encoded) -> Jpeg:
    stop = encoded.start + encoded.nbytes
    return Jpeg(encoded.content or segment.array[encoded.start : stop].data, encoded.size)


def _copy(batch: Batch, canvas: Canvas, places: NDArray[np.intp]) -> None:
    """Copy stored pixels of a canvas to their places in the batch."""
    stored = batch.shard.arrays[canvas].values
    batch.pixels[canvas][places] = stored[batch.rows[places]]
