"""A disk that is full from any one write on: one sentence, exit code 1, nothing wrong is kept."""

import subprocess

import pytest

from .conftest import assert_sound

KILOBYTES_MORE = 80


def test_a_disk_full_at_each_write_in_turn(launch, small, tmp_path):
    met, disk = tmp_path / "met", tmp_path / "disk"
    met.touch()
    build = ("build-matrix", small.experiment, "--cache", disk / "cache", "--out", disk / "out")
    codes = [1]
    while codes[-1] == 1 and len(codes) < 200:
        command = launch(*build, "--quiet", fault="full", within=str(disk), met=str(met))
        codes.append(command.wait())
        if codes[-1] == 1:
            assert_says_so(command.err)
    assert codes[-1] == 0
    written = {line.removeprefix(str(disk)) for line in met.read_text().splitlines()}
    assert len(codes) == len(written) + 2
    assert {"/cache/runs/RECORD", "/out/report"} <= written
    assert any(name.startswith("/cache/experiments/faults@") for name in written)
    assert len([name for name in written if name.endswith(("/done/000000", "/done/000001"))]) == 6
    small.assert_given(disk / "cache", disk / "out")


@pytest.fixture
def small_disk(tmp_path):
    """A function that gives a disk in memory its size in KiB; the disk's folder."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no command to mount a small disk")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("backend", ["zarr"], indirect=True)
def test_a_small_disk_that_grows_until_everything_fits(launch, small, small_disk, tmp_path):
    cache, out = small_disk / "cache", tmp_path / "out"
    build = ("build-matrix", small.experiment, "--quiet", "--cache", cache, "--out", out)
    codes = [1]
    while codes[-1] == 1 and len(codes) < 20:
        size = f"remount,size={KILOBYTES_MORE * len(codes)}k"
        subprocess.run(["mount", "-o", size, str(small_disk)], check=True)
        command = launch(*build)
        codes.append(command.wait())
        assert_sound(cache)
        if codes[-1] == 1:
            assert_says_so(command.err)
    assert codes[-1] == 0
    assert len(codes) > 3
    small.assert_given(cache, out)


def assert_says_so(text: str) -> None:
    """One line that says what is the matter."""
    assert text.count("\n") == 1
    assert text.startswith("a2pipe: ")
    assert "No space left" in text or "No space is left" in text
