"""What the results in a folder were made from: one note a folder, written, read and compared.

The note is ``.smoothkit.jsonl``, a line for each result: its own hash, and name and hash of each
input and file of weights, and the settings. Content counts, not times: a copy of a folder is what
it was. The last line of a result counts. A line is written before its result, so that a run that is
killed between the two leaves a line whose hash no file has, which claims nothing.

Lines of a second kind keep the hashes of files with size, modification time and inode, so that
files that have not changed are not read again.

The note is flushed to disk at the end of a run, not with each line, which would take longer than
many a result: after a power cut there may be results that no note tells of, which are refused, not
believed. A note of which more than half no longer counts is then rewritten, unless another process
adds to it.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Literal

import numpy as np

from smoothkit.core.errors import DataError
from smoothkit.core.files import as_json, write_bytes
from smoothkit.core.line_files import LineFile
from smoothkit.core.made_with import program
from smoothkit.data.file_hashes import FileHashes, digest_of
from smoothkit.data.note_lines import Line, compacted, parsed
from smoothkit.data.origin import File, Origin, difference
from smoothkit.data.store import FolderStore, ImageStore
from smoothkit.ops.io import (
    SUFFIXES,
    Alpha,
    Cmyk,
    Mode,
    decode_image,
    is_whole_png,
    read_bytes,
    read_image,
)

log = logging.getLogger(__name__)

NOTE = ".smoothkit.jsonl"

# Why results are made anew that nothing has changed for.
_CUT_SHORT, _DAMAGED = "a run was cut short", "the file is damaged"
_REASONS_SHOWN = 5


@dataclass(frozen=True)
class Standing:
    """How a result stands to what it is to be made from.

    Args:
        kind: ``missing``; ``current``; ``outdated``: made from something else, or cut short;
            ``unknown``: no note tells of it, as of a file of the user's own.
        why: of an outdated one, what changed; empty where an input cannot be read.
    """

    kind: Literal["missing", "current", "outdated", "unknown"]
    why: str = ""


_UNKNOWN = Standing("unknown")


class Note:
    """The note of a folder, usable from several threads; nothing is written before a result is.

    A context: at its end the hashes of files are kept.

    Args:
        folder: of the results; those in folders inside belong to it.
        same_as: by folder inside, the one that its results are noted as those of: they may be moved
            between the two.

    Raises:
        DataError: the note is there and cannot be read.
    """

    def __init__(
        self, folder: str | Path, *, same_as: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.folder, self._same_as = Path(folder), same_as
        self._results: dict[str, list[Line]] = {}
        self._hashes = FileHashes()
        self._lock = threading.Lock()
        path = self.folder / NOTE
        lines = read_bytes(path).splitlines() if path.exists() else []
        for line in lines:
            self._take(parsed(line))
        self._file, self._num_lines = LineFile(path), len(lines)

    def __enter__(self) -> Note:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        lines = [
            {"file": key, "stamp": stamp, "hash": digest}
            for key, stamp, digest in self._hashes.fresh()
        ]
        # Of two errors the first tells why.
        with suppress(DataError) if error else nullcontext():
            try:
                if lines and self._file.path.exists():
                    self._append(*lines)
            finally:
                counting = len(self._results) + len(self._hashes)
                self._file.close(self._compacted if self._num_lines > 2 * counting else None)

    def file(self, path: str | Path) -> File:
        """Name and hash of a file: of what ``read`` gave, else of what is there now.

        Raises:
            DataError: it cannot be read.
        """
        return os.path.basename(path), self._hashes.of(path)

    def stored(self, store: ImageStore, name: str) -> File:
        """``file`` of an image of a folder or lmdb."""
        if isinstance(store, FolderStore):
            return self.file(store.path(name))
        return name, digest_of(store.read_bytes(name))

    def read(self, path: str | Path) -> bytes:
        """Content of a file, whose hash is kept: so that it is not read twice.

        Raises:
            DataError: it cannot be read.
        """
        return self._hashes.read(path)

    def image(
        self,
        path: str | Path,
        mode: Mode = "color",
        *,
        alpha: Alpha = "refuse",
        cmyk: Cmyk = "refuse",
    ) -> np.ndarray:
        """``ops.io.read_image`` by ``read``."""
        return decode_image(self.read(path), str(path), mode, alpha=alpha, cmyk=cmyk)

    def standing(self, path: Path, origin: Callable[[], Origin]) -> Standing:
        """How the result ``path`` stands to what it is to be made from.

        Args:
            origin: called only where the note tells of the result.
        """
        if not os.path.exists(path):
            return Standing("missing")
        lines = self._results.get(self.name(path))
        if not lines:
            return _UNKNOWN
        digest = self._hashes.of(path)
        if all(line["hash"] != digest for line in lines):
            # What was touched up by hand is the user's; what no program can open is nobody's.
            return Standing("outdated", _DAMAGED) if _is_damaged(path) else _UNKNOWN
        if lines[-1]["hash"] != digest:
            return Standing("outdated", _CUT_SHORT)
        try:
            why = difference(lines[-1], origin())
        except DataError:  # an input that is gone, which is told where it is to be used
            return Standing("outdated")
        return Standing("outdated", why) if why else Standing("current")

    def is_unknown(self, path: Path) -> bool:
        """True for a file that is there and that no note tells of."""
        return self.standing(path, lambda: Origin({})).kind == "unknown"

    def due(
        self,
        results: Iterable[Path],
        origin: Callable[[Path], Origin],
        *,
        is_all: bool = False,
        what_to_do: str,
    ) -> set[Path]:
        """The results that are missing or outdated, whose reasons are logged; or all of them.

        Args:
            results: what the run is to make.
            origin: of a result; called only where the note tells of it.
            is_all: make all of them anew, also those that no note tells of.
            what_to_do: about those.

        Raises:
            DataError: no note tells of a result that is there.
        """
        if is_all:
            return set(results)
        found = {path: self.standing(path, partial(origin, path)) for path in results}
        refuse((path for path, s in found.items() if s.kind == "unknown"), what_to_do)
        for line in told(found.values(), self.folder):
            log.info("%s", line)
        return {path for path, standing in found.items() if standing.kind != "current"}

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
        name, digest = self.name(path), digest_of(content)
        line = {
            "result": name,
            "hash": digest,
            "inputs": dict(origin.inputs),
            "weights": dict(origin.weights),
            "settings": dict(origin.settings),
        }
        self._append({**line, "by": program()})
        with self._lock:
            self._take(line)
        return digest

    def keep(self, path: Path, digest: str) -> None:
        """Keep the hash of a result that was just written, so that it is not read for it."""
        self._hashes.keep(path, digest)

    def name(self, path: Path) -> str:
        """What the note calls a result."""
        inside, text = f"{self.folder}{os.sep}", str(path)
        if text.startswith(inside) and os.pardir not in text:
            text = text.removeprefix(inside)
        else:
            text = os.path.relpath(path, self.folder)
        top, slash, rest = text.replace(os.sep, "/").partition("/")
        return f"{self._same_as.get(top, top)}{slash}{rest}"

    def _take(self, line: Line | None) -> None:
        if line is None:
            return
        if "result" in line:
            self._results.setdefault(line["result"], []).append(line)
        else:
            self._hashes.take(line["file"], line["stamp"], line["hash"])

    def _append(self, *lines: Line) -> None:
        """Add lines in one write: other processes may do the same."""
        text = "".join(as_json(line) + "\n" for line in lines)
        self._file.add(text.encode(errors="surrogatepass"))  # of names that are not UTF-8
        self._num_lines += len(lines)

    def _compacted(self, texts: Sequence[bytes]) -> list[bytes]:
        return compacted(texts, lambda name: self._hashes.known(self.folder / name))


@dataclass(frozen=True)
class Writer:
    """Writes the results of a run with their origins.

    Args:
        origin: of a result.
        due: the results that are to be made.
    """

    note: Note
    origin: Callable[[Path], Origin]
    due: Set[Path]

    def __call__(self, path: Path, content: Callable[[], bytes]) -> bool:
        """Write a result if it is due; True where it was.

        Raises:
            DataError: it cannot be made or written.
        """
        if path not in self.due:
            return False
        made = content()  # first: it may read what the origin has the hash of
        self.note.write(path, made, self.origin(path))
        return True


def told(standings: Iterable[Standing], folder: str | Path) -> list[str]:
    """A line for each reason for which results are made anew, with their number; a few at most."""
    reasons = Counter(s.why for s in standings if s.why).most_common()
    lines = []
    for why, count in reasons[:_REASONS_SHOWN]:
        reason = f"what changed: {why}" if why not in (_CUT_SHORT, _DAMAGED) else why
        lines.append(f"{folder}: {_results(count)} made anew; {reason}.")
    if more := reasons[_REASONS_SHOWN:]:
        rest = sum(count for _, count in more)
        lines.append(f"{folder}: {_results(rest)} made anew for {len(more)} more such reasons.")
    return lines


def _results(count: int) -> str:
    return "1 result is" if count == 1 else f"{count} results are"


def refuse(unknown: Iterable[Path], what_to_do: str) -> None:
    """Refuse to replace files that no note tells of.

    Raises:
        DataError: names the first of them; there are any.
    """
    paths = list(unknown)
    if paths:
        more = f", as of {len(paths)} files here" if paths[1:] else ""
        raise DataError(
            f"{paths[0]}: is there already, and no note tells what it was made from{more}. "
            f"{what_to_do}"
        )


def _is_damaged(path: Path) -> bool:
    if path.suffix.lower() not in SUFFIXES:
        return False
    if path.suffix.lower() == ".png" and not is_whole_png(path):
        return True
    try:
        read_image(path, mode="unchanged")
    except DataError:
        return True
    return False
