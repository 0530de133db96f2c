"""How commands end where their output has nowhere to go."""

import subprocess
import sys
from pathlib import Path

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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
@pytest.mark.parametrize("command", ["much.py", "-m smoothkit list"])
@pytest.mark.parametrize("buffer", ["", "PYTHONUNBUFFERED=1"])
def test_an_output_that_is_full_is_told_in_one_line(command, buffer, tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    (tmp_path / "much.py").write_text(MUCH)
    done = shell(f"cd {tmp_path}; {buffer} {sys.executable} {command} > /dev/full")
    told = "standard output: cannot be written: No space left on device.\n"
    assert (done.stderr, done.returncode) == (told, 2)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
def test_errors_that_cannot_be_written_change_no_exit_code(tmp_path):
    done = shell(f"cd {tmp_path}; {sys.executable} -m smoothkit check -opt a.yml 2> /dev/full")
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 2)


def test_another_error_of_the_system_is_no_matter_of_the_output(capfd):
    def fails() -> int:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        run_command(fails)
