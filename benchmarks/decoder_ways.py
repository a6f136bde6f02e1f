"""Ways to decode in parallel, each from paths to batches of canvases; see `decoders.py`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context, shared_memory
from typing import Any

import numpy as np

from a2pipe.shared_memory import Segment, SharedMemory
from a2pipe.stages.geometry import Canvas
from a2pipe.stages.pixels import load_canvas
from a2pipe.workers import Workers

SIDE, BATCH, CHUNK, AHEAD = 224, 64, 16, 4
NBYTES = BATCH * SIDE * SIDE * 3
SHAPE = (-1, BATCH, SIDE, SIDE, 3)
Epoch = Callable[[list[str]], Iterator[Any]]
"""It takes paths and yields uint8 arrays (64, 224, 224, 3), in order."""


def canvas(path: str) -> Any:
    return load_canvas(path, Canvas(SIDE))


def parts(paths: list[str], size: int) -> list[list[str]]:
    return [paths[start : start + size] for start in range(0, len(paths), size)]


def held_ahead(jobs: Iterable[Any]) -> Iterator[Any]:
    """Yield what has been begun, with AHEAD more begun."""
    begun: deque[Any] = deque()
    for job in jobs:
        begun.append(job)
        if len(begun) > AHEAD:
            yield begun.popleft()
    yield from begun


def threads(workers: int) -> Epoch:
    pool = ThreadPoolExecutor(workers)

    def epoch(paths: list[str]) -> Iterator[Any]:
        begun = ([pool.submit(canvas, path) for path in part] for part in parts(paths, BATCH))
        for batch in held_ahead(begun):
            yield np.stack([future.result() for future in batch])

    return epoch


class Files:
    """What torch calls a dataset."""

    def __init__(self, paths: list[str]):
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Any:
        return canvas(self.paths[index])


def loader(workers: int, method: str) -> Epoch:
    from torch.utils.data import DataLoader

    kept: list[Any] = []  # its workers know their files from the start
    how: Any = {"persistent_workers": True, "multiprocessing_context": method}

    def epoch(paths: list[str]) -> Iterator[Any]:
        ahead = max(1, AHEAD // workers)
        kept[:] = kept or [
            DataLoader(Files(paths), BATCH, num_workers=workers, prefetch_factor=ahead, **how)
        ]
        yield from (batch.numpy() for batch in kept[0])

    return epoch


def in_slots(submit: Callable[[int, list[str]], Future[Any]], room: Any) -> Epoch:
    """Batches whose parts are decoded to their place in one of the slots of shared memory.

    submit: takes the first byte and the paths. room: uint8 (slots, 64, 224, 224, 3).
    """

    def begin(number: int, paths: list[str]) -> tuple[int, list[Future[Any]]]:
        slot = number % len(room)
        starts = range(slot * NBYTES, (slot + 1) * NBYTES, NBYTES * CHUNK // BATCH)
        return slot, list(map(submit, starts, parts(paths, CHUNK)))

    def epoch(paths: list[str]) -> Iterator[Any]:
        for slot, futures in held_ahead(map(begin, range(len(paths)), parts(paths, BATCH))):
            for future in futures:
                future.result()
            yield room[slot]

    return epoch


def fill(array: Any, start: int, paths: list[str]) -> None:
    for path in paths:
        pixels = canvas(path).reshape(-1)
        array[start : start + pixels.size] = pixels
        start += pixels.size


def fill_segment(segment: Segment, start: int, paths: list[str]) -> None:
    fill(segment.array, start, paths)


def fill_attached(start: int, paths: list[str]) -> None:
    fill(_attached[1], start, paths)


_attached: list[Any] = []


def attach(name: str) -> None:
    memory = shared_memory.SharedMemory(name)
    _attached[:] = [memory, np.frombuffer(memory.buf, np.uint8)]


def process_pool(workers: int) -> Epoch:
    memory = shared_memory.SharedMemory(create=True, size=(AHEAD + 2) * NBYTES)
    attach(memory.name)
    pool = ProcessPoolExecutor(workers, get_context("spawn"), attach, (memory.name,))
    room = _attached[1][: (AHEAD + 2) * NBYTES].reshape(SHAPE)
    return in_slots(lambda *job: pool.submit(fill_attached, *job), room)


def own_workers(workers: int) -> Epoch:
    from decoder_ways import fill_segment  # by a name that a worker can import

    memory = SharedMemory()
    segment = memory.take((AHEAD + 2) * NBYTES)
    processes, pool = Workers(workers, [memory.fd]), ThreadPoolExecutor(workers)
    room = segment.array[: (AHEAD + 2) * NBYTES].reshape(SHAPE)
    return in_slots(lambda *job: pool.submit(processes.call, fill_segment, segment, *job), room)


def spdl(workers: int, decode: Callable[[list[str]], Any], size: int) -> Epoch:
    from spdl.pipeline import PipelineBuilder

    def epoch(paths: list[str]) -> Iterator[Any]:
        builder = PipelineBuilder().add_source(parts(paths, size))
        builder = builder.pipe(decode, concurrency=workers, output_order="input")
        whole = builder.aggregate(BATCH // size).pipe(np.concatenate)
        pipeline = whole.add_sink(AHEAD).build(num_threads=workers)
        with pipeline.auto_stop():
            yield from pipeline.get_iterator()

    return epoch


def by_ffmpeg(paths: list[str]) -> Any:
    import spdl.io

    return spdl.io.to_numpy(spdl.io.load_image_batch(paths, width=SIDE, height=SIDE))


WAYS: dict[str, Callable[[int], Epoch]] = {
    "threads": threads,
    "DataLoader, spawned": lambda workers: loader(workers, "spawn"),
    "DataLoader, forked": lambda workers: loader(workers, "fork"),
    "process pool, shared memory": process_pool,
    "a2pipe.workers": own_workers,
}
SPDL: dict[str, Callable[[int], Epoch]] = {
    "SPDL, threads, load_canvas": lambda workers: spdl(workers, lambda p: canvas(p[0])[None], 1),
    "SPDL, its own decoder": lambda workers: spdl(workers, by_ffmpeg, CHUNK),
}
