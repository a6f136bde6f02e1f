"""A disk that is full from any one write on: one sentence, exit code 1, nothing wrong is kept."""


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
    assert {"/cache/experiments/faults", "/cache/runs/RECORD", "/out/report"} <= written
    assert len([name for name in written if name.endswith(("/done/000000", "/done/000001"))]) == 6
    small.assert_given(disk / "cache", disk / "out")


def assert_says_so(text: str) -> None:
    """One line that says what is the matter."""
    assert text.count("\n") == 1
    assert text.startswith("a2pipe: ")
    assert "No space left" in text or "No space is left" in text
