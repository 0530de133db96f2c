"""Files that are either whole or not there."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from smoothkit.core.errors import DataError

TEMPORARY = ".partial"


def write_atomically(path: str | Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file under a temporary name, flush it to disk, then give it its name.

    Args:
        path: final name; its folder is made where missing.
        write: gets the open binary file.

    Raises:
        DataError: the file could not be written (full disk, no permission); what stood under
            ``path`` before still stands there.
    """
    path = Path(path)
    temporary = path.parent / f".{path.name}.{os.getpid()}{TEMPORARY}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _flush_folder(path.parent)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {_reason(error)}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of writers that were killed, as far as the folder allows."""
    for path in folder.glob(f".*{TEMPORARY}"):
        process = path.name.removesuffix(TEMPORARY).rpartition(".")[2]
        if not _is_alive(process):
            with suppress(OSError):
                path.unlink()


def _is_alive(process: str) -> bool:
    if not process.isdecimal():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except OSError:  # it belongs to somebody else
        return True
    return int(process) != os.getpid()


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a file atomically."""
    write_atomically(path, lambda file: file.write(content))


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """Give a file a second name, atomically; a copy where the disk holds no links.

    Raises:
        DataError: the new name cannot be written.
    """
    target = Path(target)
    temporary = target.parent / f".{target.name}.{os.getpid()}{TEMPORARY}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)
        os.replace(temporary, target)
    except OSError as error:
        raise DataError(f"{target}: cannot be written: {_reason(error)}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a text file atomically, in UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str | Path, value: Any) -> None:
    """Write a JSON file atomically, indented."""
    write_text(path, as_json(value, indent=2) + "\n")


def as_json(value: Any, indent: int | None = None) -> str:
    """JSON text; numbers that JSON does not have (NaN, infinity) become null."""
    return json.dumps(_finite(value), indent=indent, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _reason(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full. Free some space and go on."
    return error.strerror or str(error)


def _flush_folder(folder: Path) -> None:
    """The new name itself must survive a power cut; not every file system allows this."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    with suppress(OSError):
        os.fsync(handle)
    os.close(handle)
