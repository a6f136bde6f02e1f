"""A folder of one run: gone at its end, and gone with the next run where a kill left it."""

import os
import subprocess
import sys

import pytest

from a2pipe.pipeline.results import processes

LEAVE = """
import os, tempfile
from a2pipe.pipeline.results.processes import scratch_folder
with scratch_folder() as folder:
    (folder / "0.npy").write_bytes(b"features")
    print(folder, flush=True)
    os.kill(os.getpid(), 9)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """The system's folder for temporary files."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path


def test_it_is_there_for_the_time_of_the_run(temporary):
    with processes.scratch_folder() as folder:
        (folder / "0.npy").write_bytes(b"features")
        assert list(temporary.iterdir()) == [folder]
    assert list(temporary.iterdir()) == []


def test_it_goes_when_the_run_fails(temporary):
    with pytest.raises(KeyboardInterrupt), processes.scratch_folder():
        raise KeyboardInterrupt
    assert list(temporary.iterdir()) == []


def test_what_is_in_use_is_left_alone():
    with processes.scratch_folder() as first, processes.scratch_folder() as second:
        assert first != second
        assert processes.remove_left_folders() == []
        assert first.exists()


def test_what_a_killed_process_left_goes_with_the_next(temporary):
    killed = subprocess.run([sys.executable, "-c", LEAVE], capture_output=True, text=True)
    assert killed.returncode == -9
    (left,) = temporary.iterdir()
    assert (str(left), len(list(left.iterdir()))) == (killed.stdout.strip(), 1)
    with processes.scratch_folder() as folder:
        assert list(temporary.iterdir()) == [folder]


def test_a_folder_that_is_swept_before_it_is_locked_is_made_anew(monkeypatch):
    opened = []

    def sweep_and_open(folder):
        if not opened:
            folder.rmdir()
        opened.append(folder)
        return os.open(folder, os.O_RDONLY)

    monkeypatch.setattr(processes, "_open", sweep_and_open)
    with processes.scratch_folder() as folder:
        assert folder.exists()
        assert folder == opened[1]


def test_other_folders_and_files_stay(temporary):
    (temporary / "other").mkdir()
    (temporary / "a2pipe-features-file").write_text("")
    assert processes.remove_left_folders() == []
    assert len(list(temporary.iterdir())) == 2
