"""Files that are either whole or not there."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from smoothkit.core.errors import DataError

TEMPORARY = ".partial"
_LONGEST_NAME = 255


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
    temporary = _temporary(path)
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


def _temporary(path: Path) -> Path:
    """Of this process and short, whatever the name: names end at 255 bytes."""
    name = hashlib.blake2b(os.fsencode(path.name), digest_size=8).hexdigest()
    return path.parent / f".{name}.{os.getpid()}{TEMPORARY}"


def check_name(path: Path) -> None:
    """Refuse a file name that no file system takes.

    Raises:
        DataError: it has more than 255 bytes.
    """
    size = len(os.fsencode(path.name))
    if size > _LONGEST_NAME:
        raise DataError(
            f"{path}: the name must have at most {_LONGEST_NAME} bytes, got {size}. Shorten it."
        )


def temporary_folder(parent: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder that ends with its context, or with ``remove_leftovers`` where that is killed."""
    return tempfile.TemporaryDirectory(
        prefix=".", suffix=f".{os.getpid()}{TEMPORARY}", dir=parent, ignore_cleanup_errors=True
    )


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files and folders of writers that were killed, as far as is allowed."""
    for path in folder.glob(f".*{TEMPORARY}"):
        process = path.name.removesuffix(TEMPORARY).rpartition(".")[2]
        if _is_alive(process):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
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
    temporary = _temporary(target)
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
    """Write a text file atomically, as ``text_bytes``."""
    write_bytes(path, text_bytes(text))


def text_bytes(text: str) -> bytes:
    """A text in UTF-8; of file names that are not UTF-8, the bytes as ``\\udc80`` to ``\\udcff``.

    JSON reads those escapes as the name that Python has for the file.
    """
    return text.encode("utf-8", "backslashreplace")


def read_json(path: str | Path) -> Any:
    """What a JSON file holds.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no JSON, or nested too deeply.
    """
    return parse_json(Path(path).read_bytes())


def parse_json(content: bytes) -> Any:
    """``read_json`` of the content of a file."""
    try:
        return json.loads(content.decode("utf-8-sig"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def write_json(path: str | Path, value: Any) -> None:
    """Write a JSON file atomically, indented."""
    write_text(path, as_json(value, indent=2) + "\n")


def _encoder(indent: int | None) -> Callable[[Any], str]:
    return json.JSONEncoder(indent=indent, ensure_ascii=False, allow_nan=False).encode


# Making an encoder takes longer than a line of a note does.
_COMPACT = _encoder(None)


def as_json(value: Any, indent: int | None = None) -> str:
    """JSON text; numbers that JSON does not have (NaN, infinity) become null."""
    encode = _COMPACT if indent is None else _encoder(indent)
    try:
        return encode(value)
    except ValueError:  # NaN or infinity, which are rare, so that they are looked for last
        return encode(_finite(value))


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
