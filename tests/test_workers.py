"""Worker processes: they run functions, survive being killed, and end with whoever started them."""

import multiprocessing
import operator
import os
import platform
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from a2pipe.errors import A2pipeError, BadImageError
from a2pipe.shared_memory import SharedMemory
from a2pipe.workers import TRIES, Workers


@pytest.fixture
def workers():
    """Two workers."""
    with Workers(2) as workers:
        yield workers


def wait_for_end(pid, seconds=20):
    """Wait until a process is gone, or a zombie that nobody waits for."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def kill_own_process():
    """Be killed, as by a machine that is out of memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def kill_once(marker):
    """Be killed at the first call."""
    if not marker.exists():
        marker.touch()
        kill_own_process()
    return "done"


def raise_bad_image():
    """Raise an error of the package."""
    raise BadImageError("file is empty")


def fill(segment, value):
    """Write into shared memory."""
    segment.array[:] = value


@pytest.fixture
def importable(monkeypatch):
    """This file under the name by which a worker finds it."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    import test_workers

    return test_workers


def test_functions_run_elsewhere_and_return_their_result(workers):
    assert workers.call(os.getpid) != os.getpid()
    assert workers.call(operator.add, 2, 3) == 5


def test_two_workers_work_at_the_same_time(workers):
    workers.call(os.getpid)
    start = time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: workers.call(time.sleep, 0.5), range(2)))
    assert time.perf_counter() - start < 0.95


def test_errors_come_back_as_they_were_raised(importable):
    with Workers(1) as workers:
        with pytest.raises(ZeroDivisionError):
            workers.call(operator.truediv, 1, 0)
        with pytest.raises(BadImageError, match="file is empty"):
            workers.call(importable.raise_bad_image)
        assert workers.call(operator.add, 1, 1) == 2


def test_work_of_a_worker_that_was_killed_is_done_by_another(importable, tmp_path):
    with Workers(1) as workers:
        first = workers.call(os.getpid)
        assert workers.call(importable.kill_once, tmp_path / "marker") == "done"
        assert workers.call(os.getpid) != first
        assert not workers.trouble


def test_a_worker_that_is_killed_while_it_is_idle_is_replaced(workers):
    with ThreadPoolExecutor(2) as pool:
        for pid in set(pool.map(lambda _: workers.call(os.getpid), range(4))):
            os.kill(pid, signal.SIGKILL)
    assert workers.call(operator.add, 1, 2) == 3


def test_work_that_kills_every_worker_ends_in_one_sentence(importable):
    with Workers(1) as workers, pytest.raises(A2pipeError, match=rf"{TRIES} times .*signal 9"):
        workers.call(importable.kill_own_process)


def test_memory_is_shared(importable):
    memory = SharedMemory()
    with Workers(1, [memory.fd]) as workers:
        segment = memory.take(10_000)
        workers.call(importable.fill, segment, 7)
        assert (segment.array == 7).all()
        workers.call(importable.fill, segment, 9)
        assert (segment.array == 9).all()
    memory.close()


def test_where_no_process_can_be_started_the_calling_thread_works(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with Workers(2) as workers:
        assert workers.call(os.getpid) == os.getpid()
        assert "nonexistent" in workers.trouble or "No such file" in workers.trouble


def test_where_processes_end_as_they_start_the_calling_thread_works(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with Workers(2) as workers:
        assert [workers.call(os.getpid) for _ in range(3)] == [os.getpid()] * 3
        assert "exit code 1" in workers.trouble


def test_closing_ends_workers_that_are_busy():
    workers, pids = Workers(1), []
    pids.append(workers.call(os.getpid))
    failed = []

    def sleep():
        try:
            workers.call(time.sleep, 60)
        except A2pipeError as error:
            failed.append(str(error))

    thread = threading.Thread(target=sleep)
    thread.start()
    time.sleep(0.2)
    workers.close()
    thread.join(10)
    assert not thread.is_alive()
    assert len(failed) == 1
    assert wait_for_end(pids[0])


def test_workers_that_are_forgotten_end():
    workers = Workers(1)
    pid = workers.call(os.getpid)
    del workers
    assert wait_for_end(pid)


SCRIPT = """
import os, sys, time
from a2pipe.workers import Workers
workers = Workers(2)
print(*{workers.call(os.getpid) for _ in range(20)}, flush=True)
"""


def run_script(ending, **options):
    """Start a script without a `__main__` guard that has workers, and then does `ending`."""
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT + ending], stdout=subprocess.PIPE, text=True, **options
    )


@pytest.mark.parametrize(
    ("ending", "stop"),
    [
        ("", None),
        ("raise SystemExit(3)", None),
        ("os._exit(1)", None),
        ("time.sleep(60)", signal.SIGKILL),
        ("time.sleep(60)", signal.SIGTERM),
        ("time.sleep(60)", signal.SIGINT),
        ("if not os.fork(): time.sleep(8); os._exit(0)\ntime.sleep(60)", signal.SIGKILL),
    ],
)
def test_workers_end_with_the_process_that_started_them(ending, stop):
    with run_script(ending, stderr=subprocess.DEVNULL) as process:
        pids = process.stdout.readline().split()
        if stop is not None:
            process.send_signal(stop)
        process.wait(20)
        assert pids
        assert all(wait_for_end(pid) for pid in pids)


def have_workers(queue):
    """Use a worker in a process that may have no children of `multiprocessing`."""
    assert multiprocessing.current_process().daemon
    with Workers(1) as workers:
        queue.put(workers.call(os.getpid))


def test_daemons_may_have_workers(importable):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    daemon = context.Process(target=importable.have_workers, args=(queue,), daemon=True)
    daemon.start()
    assert queue.get(timeout=60) not in (daemon.pid, os.getpid())
    daemon.join(20)


def test_code_without_a_file_may_have_workers():
    """As in a notebook, whose cells are no module that could be imported."""
    code = textwrap.dedent(
        """
        import os
        exec(compile("from a2pipe.workers import Workers\\n"
                     "with Workers(1) as workers: pid = workers.call(os.getpid)", "cell", "exec"))
        assert pid != os.getpid()
        """
    )
    subprocess.run([sys.executable, "-"], input=code, text=True, check=True, timeout=60)


def faults_of_large_arrays(rounds):
    """Take and free 32 MB again and again; return the page faults of all but the first time."""
    for number in range(rounds):
        if number == 1:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        arrays = [np.ones(4 << 20, np.uint8) for _ in range(8)]
        del arrays
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other libraries have other ways")
def test_a_worker_keeps_the_memory_that_it_frees(workers):
    pages = 32 * 2**20 // resource.getpagesize()
    assert workers.call(faults_of_large_arrays, 5) < pages / 4
