"""How every command starts and ends."""

from __future__ import annotations

import io
import os
import select
import sys
from collections.abc import Callable, Iterable
from typing import TextIO

from smoothkit.core.cpu import prepare_threads

# What a shell reports of a program that writes to a pipe whose reader has gone: 128 + SIGPIPE.
BROKEN_PIPE = 141


def run_command(command: Callable[[], int]) -> int:
    """Run ``command`` in this process, which should not have loaded torch yet.

    Returns:
        The exit code of ``command``; 2 for an error of the user's, of which one line is printed
        instead of a traceback, and for an output that cannot be written, as on a full disk; 130 for
        Ctrl-C; 141 where the reader of its output has gone, as in ``| head``.
    """
    _open_closed_streams()
    prepare_threads()
    if isinstance(sys.stdout, io.TextIOWrapper):  # a file name that is not UTF-8 must not end it
        sys.stdout.reconfigure(errors="backslashreplace")
    from smoothkit.core.errors import FailedElsewhereError, SmoothkitError

    try:
        try:
            return command()
        except FailedElsewhereError:
            return 2
        except SmoothkitError as error:
            _tell(error)
            return 2
        except KeyboardInterrupt:
            _tell("interrupted")
            return 130
        finally:  # here, not at exit, where a failure would be Python's to report
            sys.stdout.flush()
    except BrokenPipeError:
        broken = [stream for stream in (sys.stdout, sys.stderr) if _has_no_reader(stream)]
        if not broken:
            raise  # of another pipe: that of a data worker, for example
        _silence(broken)
        return BROKEN_PIPE
    except OSError as error:
        if not _is_full(sys.stdout):
            raise
        _silence([sys.stdout])
        _tell(f"standard output: cannot be written: {error.strerror}.")
        return 2


def _tell(line: object) -> None:
    """Print a line for the user, if there is room for it."""
    try:
        print(line, file=sys.stderr)
    except BrokenPipeError:
        raise
    except OSError:
        _silence([sys.stderr])


def _open_closed_streams() -> None:
    """Give closed streams (``2>&-``) somewhere to write to.

    The next file to be opened would get their number, and what libraries print would go into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
    # Python has set the streams that were closed at its start to None.
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def _has_no_reader(stream: TextIO) -> bool:
    poll = select.poll()
    poll.register(stream.fileno(), 0)  # errors are reported whatever is asked for
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _is_full(stream: TextIO) -> bool:
    """Whether nothing more can be written; a stream that failed may hold nothing to try it with."""
    try:
        stream.write("\n")
        stream.flush()
    except OSError:
        return True
    return False


def _silence(streams: Iterable[TextIO]) -> None:
    """Throw away what is still to be written; at exit Python would report that it cannot be."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        os.dup2(devnull, stream.fileno())
    os.close(devnull)
