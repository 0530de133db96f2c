"""How commands end where their output has nowhere to go."""

import subprocess
import sys

import pytest

from smoothkit.cli.process import run_command

# More than any pipe holds.
MUCH = """
import sys
from smoothkit.cli.process import run_command
def much():
    for number in range(100_000):
        print("line", number)
    return 0
sys.exit(run_command(much))
"""


def shell(line: str) -> subprocess.CompletedProcess:
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60)


def test_a_reader_that_goes_ends_a_command_silently(tmp_path):
    (tmp_path / "much.py").write_text(MUCH)
    done = shell(f"set -o pipefail; {sys.executable} {tmp_path}/much.py | head -1")
    assert (done.stdout, done.stderr, done.returncode) == ("line 0\n", "", 141)


def test_a_broken_pipe_that_is_not_of_the_output_is_an_error(capfd):
    def worker_died() -> int:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        run_command(worker_died)


@pytest.mark.parametrize(("closed", "shown"), [("2>&-", ""), (">&-", "a.yml: cannot be read")])
def test_a_closed_stream_changes_no_exit_code(closed, shown, tmp_path):
    done = shell(f"cd {tmp_path}; {sys.executable} -m smoothkit check -opt a.yml {closed}")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(shown)


def test_a_file_opened_under_closed_errors_gets_none_of_them(tmp_path):
    (tmp_path / "open.py").write_text(
        "import os\nfrom smoothkit.cli.process import run_command\n"
        "run_command(lambda: print(os.open('file', os.O_CREAT | os.O_WRONLY)) or 0)\n"
    )
    assert int(shell(f"cd {tmp_path}; {sys.executable} open.py 2>&-").stdout) > 2
