"""What the results in a folder were made from: one note a folder, written, read and compared.

The note is ``.smoothkit.jsonl``, a line for each result: its own hash, and name and hash of each
input and file of weights, and the settings. Content counts, not times: a copy of a folder is what
it was. The last line of a result counts. A line is written before its result, so that a run that is
killed between the two leaves a line whose hash no file has, which claims nothing.

Lines of a second kind keep the hashes of files with size, modification time and inode, so that
files that have not changed are not read again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from smoothkit.core.errors import DataError
from smoothkit.core.files import as_json, write_bytes
from smoothkit.core.made_with import program
from smoothkit.data.store import FolderStore, ImageStore
from smoothkit.ops.io import is_whole_png, read_bytes, read_image

log = logging.getLogger(__name__)

NOTE = ".smoothkit.jsonl"

# Name and hash of a file.
File = tuple[str, str]

# Size, modification time in nanoseconds and inode.
Stamp = tuple[int, int, int]

# Clocks of file systems tick every few milliseconds: a file that was changed just before it was
# read may change again within the same tick.
_TICK_NS = 50_000_000

# Why results are made anew that nothing has changed for.
_CUT_SHORT, _DAMAGED = "a run was cut short", "the file is damaged"


@dataclass(frozen=True)
class Origin:
    """What a result is made from.

    Args:
        inputs, weights: name and hash of each file, by what it is, such as ``image``.
        settings: what else decides the result; of values that JSON has.
    """

    inputs: Mapping[str, File]
    weights: Mapping[str, File] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Standing:
    """How a result stands to what it is to be made from.

    Args:
        kind: ``missing``; ``current``; ``outdated``: made from something else, or cut short;
            ``unknown``: no note tells of it, as of a file of the user's own.
        why: of an outdated one, what it was made from.
    """

    kind: Literal["missing", "current", "outdated", "unknown"]
    why: str = ""


_UNKNOWN = Standing("unknown")


class Note:
    """The note of a folder, usable from several threads; nothing is written before a result is.

    A context: at its end the hashes of files are kept.

    Args:
        folder: of the results; those in folders inside belong to it.

    Raises:
        DataError: the note is there and cannot be read.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._results: dict[str, list[dict[str, Any]]] = {}
        self._files: dict[str, tuple[Stamp, str]] = {}
        self._fresh: set[str] = set()
        self._is_begun = False
        self._lock = threading.Lock()
        path = self.folder / NOTE
        for line in read_bytes(path).splitlines() if path.exists() else ():
            self._take(line)

    def __enter__(self) -> Note:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        lines = [
            {"file": name, "stamp": list(self._files[name][0]), "hash": self._files[name][1]}
            for name in sorted(self._fresh)
        ]
        if lines and (self.folder / NOTE).exists():
            self._append(*lines)
        self._fresh.clear()

    def file(self, path: str | Path) -> File:
        """Name and hash of a file, which is read only where it may have changed.

        Raises:
            DataError: it cannot be read.
        """
        path = Path(path)
        key, stamp = os.path.abspath(path), _stamp(path)
        with self._lock:
            held, digest = self._files.get(key, (None, ""))
        if held != stamp or stamp is None:
            digest = _read_digest(path)
            if stamp is not None and time.time_ns() - stamp[1] > _TICK_NS:
                self._keep(key, stamp, digest)
        return path.name, digest

    def stored(self, store: ImageStore, name: str) -> File:
        """``file`` of an image of a folder or lmdb."""
        if isinstance(store, FolderStore):
            return self.file(store.path(name))
        return name, digest_of(store.read_bytes(name))

    def standing(self, path: Path, origin: Origin) -> Standing:
        """How the result ``path`` stands to ``origin``."""
        if not os.path.exists(path):
            return Standing("missing")
        lines = self._results.get(self._name(path), [])
        digest = self.file(path)[1]
        if all(line["hash"] != digest for line in lines):
            # What was touched up by hand is the user's; what no program can open is nobody's.
            return Standing("outdated", _DAMAGED) if lines and _is_damaged(path) else _UNKNOWN
        if lines[-1]["hash"] != digest:
            return Standing("outdated", _CUT_SHORT)
        why = difference(lines[-1], origin)
        return Standing("outdated", why) if why else Standing("current")

    def refuse_unknown(self, paths: Iterable[Path], what_to_do: str) -> None:
        """Refuse to replace files that no note tells of.

        Raises:
            DataError: names the first of them.
        """
        unknown = [path for path in paths if self.is_unknown(path)]
        if unknown:
            more = f", as of {len(unknown)} files here" if unknown[1:] else ""
            raise DataError(
                f"{unknown[0]}: is there already, and no note tells what it was made from{more}. "
                f"{what_to_do}"
            )

    def due(
        self, origins: Mapping[Path, Origin], *, is_all: bool = False, what_to_do: str
    ) -> set[Path]:
        """The results that are missing or outdated, whose reasons are logged; or all of them.

        Args:
            origins: by result.
            is_all: make all of them anew, also those that no note tells of.
            what_to_do: about those.

        Raises:
            DataError: no note tells of a result that is there.
        """
        if is_all:
            return set(origins)
        self.refuse_unknown(origins, what_to_do)
        found = {path: self.standing(path, origin) for path, origin in origins.items()}
        for line in told(found.values(), self.folder):
            log.info("%s", line)
        return {path for path, standing in found.items() if standing.kind != "current"}

    def is_unknown(self, path: Path) -> bool:
        """True for a file that is there and that no note tells of."""
        return os.path.exists(path) and self.standing(path, Origin({})).kind == "unknown"

    def write(self, path: Path, content: bytes, origin: Origin) -> None:
        """Note the origin of a result, and write it.

        Raises:
            DataError: note or result cannot be written.
        """
        digest = self.claim(path, content, origin)
        write_bytes(path, content)
        self.keep(path, digest)

    def claim(self, path: Path, content: bytes, origin: Origin) -> str:
        """Note what a result is made from that is about to be written; the hash of its content."""
        name, digest = self._name(path), digest_of(content)
        line = {
            "result": name,
            "hash": digest,
            "inputs": {role: list(file) for role, file in origin.inputs.items()},
            "weights": {role: list(file) for role, file in origin.weights.items()},
            "settings": json.loads(as_json(origin.settings)),
            "by": program(),
        }
        self._append(line)
        with self._lock:
            self._results.setdefault(name, []).append(line)
        return digest

    def keep(self, path: Path, digest: str) -> None:
        """Keep the hash of a result that was just written, so that it is not read for it."""
        stamp = _stamp(path)
        if stamp is not None:
            self._keep(os.path.abspath(path), stamp, digest)

    def _keep(self, key: str, stamp: Stamp, digest: str) -> None:
        with self._lock:
            self._files[key] = (stamp, digest)
            self._fresh.add(key)

    def _name(self, path: Path) -> str:
        return Path(os.path.relpath(path, self.folder)).as_posix()

    def _take(self, text: bytes) -> None:
        """One line of the note; the last one may be cut off, which says nothing."""
        try:
            line = json.loads(text)
            if "result" in line:
                known = {key: line[key] for key in ("hash", "inputs", "weights", "settings")}
                self._results.setdefault(line["result"], []).append(known)
            else:
                size, changed, inode = line["stamp"]
                self._files[line["file"]] = (size, changed, inode), line["hash"]
        except (ValueError, LookupError, TypeError):
            return

    def _append(self, *lines: Mapping[str, Any]) -> None:
        """Add lines in one write: other processes may do the same."""
        path = self.folder / NOTE
        text = "".join(as_json(line) + "\n" for line in lines)
        content = text.encode(errors="surrogatepass")  # of names that are not UTF-8
        try:
            with self._lock:
                if not self._is_begun:
                    self.folder.mkdir(parents=True, exist_ok=True)
                    # A line that a kill cut off must not swallow the next one.
                    content = content if _ends_in_newline(path) else b"\n" + content
                    self._is_begun = True
                with open(path, "ab", buffering=0) as file:
                    file.write(content)
        except OSError as error:
            raise DataError(f"{path}: cannot be written: {error.strerror}.") from error


def difference(held: Mapping[str, Any], origin: Origin) -> str:
    """What of a noted origin is not that of now, in a few words; empty where nothing is."""
    for kind, files in (("", origin.inputs), ("weights", origin.weights)):
        noted = held["weights" if kind else "inputs"]
        for role in {**noted, **files}:
            old, new = noted.get(role), files.get(role)
            if old is None or new is None or old[1] != new[1]:
                return " ".join(filter(None, (kind or role, _change(old, new))))
    was, now = held["settings"], json.loads(as_json(origin.settings))
    changes = [
        f"{key} {_shown(was.get(key))}, now {_shown(now.get(key))}"
        for key in {**was, **now}
        if was.get(key) != now.get(key)
    ]
    return f"settings ({'; '.join(changes[:3])})" if changes else ""


def told(standings: Iterable[Standing], folder: str | Path) -> list[str]:
    """A line for each reason for which results are made anew, with their number."""
    counts = Counter(s.why for s in standings if s.kind == "outdated")
    lines = []
    for why, count in counts.items():
        results = "1 result is" if count == 1 else f"{count} results are"
        reason = f"what changed: {why}" if why not in (_CUT_SHORT, _DAMAGED) else why
        lines.append(f"{folder}: {results} made anew; {reason}.")
    return lines


def digest_of(content: bytes) -> str:
    """SHA-256 of the content of a file."""
    return hashlib.sha256(content).hexdigest()


def _read_digest(path: Path) -> str:
    """``digest_of`` a file, which may be as large as weights are."""
    found = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while part := file.read(1 << 20):
                found.update(part)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file.") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}.") from error
    return found.hexdigest()


def _is_damaged(path: Path) -> bool:
    if path.suffix.lower() == ".png" and not is_whole_png(path):
        return True
    try:
        read_image(path, mode="unchanged")
    except DataError:
        return True
    return False


def _change(old: File | None, new: File | None) -> str:
    if old is None or new is None:
        return f"{old[0]}, now none" if old else f"none, now {new[0]}" if new else ""
    return f"{old[0]}, now {new[0]}" if old[0] != new[0] else new[0]


def _shown(value: Any) -> str:
    return "none" if value is None else value if isinstance(value, str) else as_json(value)


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino


def _ends_in_newline(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read() == b"\n"
    except OSError:  # missing or empty
        return True
