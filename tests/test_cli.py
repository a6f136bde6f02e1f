"""The command line as a whole: every command explains itself, `--help` is light, exit codes."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from a2pipe.cli import cli


@pytest.mark.parametrize("command", [[], *([name] for name in cli.commands)])
def test_every_command_explains_itself(command):
    result = CliRunner().invoke(cli, [*command, "--help"])
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) > 4


def test_help_needs_nothing_heavy():
    code = (
        "import sys; sys.argv = ['a2pipe', '--help']\n"
        "from a2pipe.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'timm', 'numpy', 'zarr', 'h5py', 'sklearn', 'pydantic', 'rich'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_a_stop_when_all_is_done_does_not_change_the_exit_code(tmp_path):
    """A batch system would take 143 for work that was cut short."""
    words = ["a2pipe", "cache", "ls", "--cache", str(tmp_path)]
    program = (
        f"import os, signal, sys; sys.argv = {words}; from a2pipe.cli import main; main();"
        "os.kill(os.getpid(), signal.SIGTERM)"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True).returncode == 0
