"""Say how far a run is, on stderr: by a bar on a terminal, by plain lines elsewhere, or not."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    import rich.progress

Advance = Callable[[int], None]
SECONDS_BETWEEN_LINES = 10.0


class Progress(Protocol):
    """A run tells a progress how far it is."""

    def bar(self, what: str, total: int) -> AbstractContextManager[Advance]:
        """Show how many of `total` things are done while the block runs.

        what: the things, such as "images". Yields a function that is told how many more are done.
        """

    def say(self, line: str) -> None:
        """Print one line."""


def make_progress(quiet: bool = False, stream: TextIO | None = None) -> Progress:
    """Return the progress that fits the stream, which is stderr unless given."""
    stream = stream or sys.stderr
    if quiet:
        return SilentProgress()
    return TerminalProgress(stream) if stream.isatty() else PlainProgress(stream)


class SilentProgress:
    """A silent progress prints nothing."""

    @contextmanager
    def bar(self, what: str, total: int) -> Iterator[Advance]:
        del what, total
        yield lambda _: None

    def say(self, line: str) -> None:
        del line


class PlainProgress:
    """A plain progress is for logs: it prints one line every ten seconds and one at the end."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    @contextmanager
    def bar(self, what: str, total: int) -> Iterator[Advance]:
        start = last = time.monotonic()
        done = 0

        def advance(count: int) -> None:
            nonlocal done, last
            done += count
            if done < total and time.monotonic() - last >= SECONDS_BETWEEN_LINES:
                last = time.monotonic()
                self.say(_rate(what, done, total, last - start))

        yield advance
        if total:
            self.say(_rate(what, done, total, time.monotonic() - start))

    def say(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()


class TerminalProgress:
    """A terminal progress draws a bar with rate and time left, by rich."""

    def __init__(self, stream: TextIO):
        from rich.console import Console

        self._console = Console(file=stream)

    @contextmanager
    def bar(self, what: str, total: int) -> Iterator[Advance]:
        if not total:
            yield lambda _: None
            return
        start, done = time.monotonic(), 0
        with self._columns() as bar:
            task = bar.add_task(what, total=total, rate="")

            def advance(count: int) -> None:
                nonlocal done
                done += count
                rate = done / max(time.monotonic() - start, 1e-9)
                bar.update(task, advance=count, rate=f"{rate:,.0f}/s")

            yield advance

    def say(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False)

    def _columns(self) -> rich.progress.Progress:
        from rich import progress

        return progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TextColumn("{task.fields[rate]}"),
            progress.TimeRemainingColumn(),
            console=self._console,
        )


def _rate(what: str, done: int, total: int, seconds: float) -> str:
    rate = done / max(seconds, 1e-9)
    left = (total - done) / max(rate, 1e-9)
    ending = f", {left:.0f} s left" if done < total else f" in {seconds:.1f} s"
    return f"{what}: {done:,} of {total:,}, {rate:,.0f}/s{ending}"
