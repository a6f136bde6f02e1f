"""SIGTERM is held back and sent again."""

import signal
import threading

import pytest

from a2pipe.training.stopping import held_sigterm


class EndedError(Exception):
    pass


@pytest.fixture
def ending():
    def end(*_):
        raise EndedError

    before = signal.signal(signal.SIGTERM, end)
    yield end
    signal.signal(signal.SIGTERM, before)


def test_the_block_is_told_and_the_signal_comes_after_it(ending):
    told = []

    def work():
        with held_sigterm() as stopping:
            told.append(stopping())
            signal.raise_signal(signal.SIGTERM)
            told.append(stopping())

    with pytest.raises(EndedError):
        work()
    assert told == [False, True]
    assert signal.getsignal(signal.SIGTERM) is ending


def test_without_a_signal_nothing_happens(ending):
    with held_sigterm() as stopping:
        assert not stopping()
    assert signal.getsignal(signal.SIGTERM) is ending


def test_another_thread_holds_nothing(ending):
    found = []

    def run():
        with held_sigterm() as stopping:
            found.append((stopping(), signal.getsignal(signal.SIGTERM) is ending))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [(False, True)]
