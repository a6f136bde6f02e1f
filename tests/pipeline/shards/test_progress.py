"""How far a run is: in plain lines for logs, as a bar on a terminal, or not at all."""

import io

from a2pipe.pipeline.shards import progress
from a2pipe.pipeline.shards.progress import PlainProgress, SilentProgress, make_progress


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_the_stream_decides_how_progress_is_shown():
    assert isinstance(make_progress(stream=io.StringIO()), PlainProgress)
    assert isinstance(make_progress(stream=Terminal()), progress.TerminalProgress)
    assert isinstance(make_progress(quiet=True, stream=Terminal()), SilentProgress)


def test_plain_lines_come_every_ten_seconds_and_at_the_end(monkeypatch):
    clock = iter([0.0, 4.0, 11.0, 11.0, 12.0, 20.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    stream = io.StringIO()
    with PlainProgress(stream).bar("images", 40) as advance:
        advance(10)
        advance(12)
        advance(8)
        advance(10)
    lines = stream.getvalue().splitlines()
    assert lines == ["images: 22 of 40, 2/s, 9 s left", "images: 40 of 40, 2/s in 20.0 s"]


def test_nothing_to_do_prints_nothing():
    for stream in (io.StringIO(), Terminal()):
        with make_progress(stream=stream).bar("images", 0) as advance:
            advance(0)
        assert stream.getvalue() == ""


def test_a_terminal_shows_a_bar_with_the_count():
    stream = Terminal()
    with make_progress(stream=stream).bar("images", 4) as advance:
        advance(4)
    assert "images" in stream.getvalue()
    assert "4/4" in stream.getvalue()


def test_lines_are_printed_as_they_are():
    for stream in (io.StringIO(), Terminal()):
        make_progress(stream=stream).say("[red]2 of 3[/red]")
        assert stream.getvalue() == "[red]2 of 3[/red]\n"
