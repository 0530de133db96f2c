"""Labels of enhanced pictures: read once, voted, and kept beside the data.

Layout: ``<root>/<annotator>/<set>.json``, or ``<root>/<range>/<annotator>/<set>.json``. A file
holds ``Picture_1``, ``Picture_2``, ... with ``File`` (``original``, ``01``, ...) and ``Label``
(null for the original; Positive, Similar or Negative).
"""

from __future__ import annotations

import io
import logging
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from smoothkit.core.errors import DataError
from smoothkit.core.files import parse_json, text_bytes, write_bytes
from smoothkit.ops.io import read_bytes
from smoothkit.ops.label_votes import NEGATIVE, POSITIVE, SIMILAR, code_of, normalised, vote

log = logging.getLogger(__name__)

CACHE_FILE = ".smoothkit_labels.npz"
_VERSION = 2


@dataclass(frozen=True)
class Labels:
    """The effective labels of a folder of sets.

    Args:
        names: of the sets, sorted; ``<range>/<set>`` where there are ranges.
        versions: folders of the enhanced pictures, such as ``01``.
        codes: (sets, versions) uint8, as in ``ops.label_votes``.
        votes: (sets, versions) uint8: annotators who gave that label.
        num_annotators: per set.
        num_unknown: pictures whose label was none of the three words; they count as similar.
    """

    names: list[str]
    versions: list[str]
    codes: np.ndarray
    votes: np.ndarray
    num_annotators: int
    num_unknown: int

    def with_positive(self) -> np.ndarray:
        """(sets,) bool: at least one picture is positive."""
        return np.asarray((self.codes == POSITIVE).any(axis=1))

    def with_positive_or_negative(self) -> np.ndarray:
        """(sets,) bool: not all pictures are similar."""
        return np.asarray((self.codes != SIMILAR).any(axis=1))

    def with_negative(self) -> np.ndarray:
        """(sets,) bool: at least one picture is negative."""
        return np.asarray((self.codes == NEGATIVE).any(axis=1))


def read_labels(
    root: str | Path, *, num_annotators: int | None = None, faults: list[str] | None = None
) -> Labels:
    """The labels below ``root``, from the table beside them where no file has changed since.

    Args:
        root: folder of the annotators' folders, or of ranges that hold such; sets of a range are
            called ``<range>/<set>``.
        num_annotators: that each set needs; ~: as many as there are folders.
        faults: gets what is wrong with sets, which are then left out; ~: the first one is raised.

    Raises:
        DataError: a folder or file is missing, cannot be read, or disagrees with the others.
    """
    root = Path(root)
    files = _files(root)
    if num_annotators is not None and len(files) < num_annotators:
        raise DataError(f"{root}: has folders of {len(files)} annotators, needs {num_annotators}.")
    key = _fingerprint(files)
    labels = _cached(root / CACHE_FILE, key)
    if labels is None:
        found: list[str] = []
        labels = _read(root, files, found)
        if found and faults is None:
            raise DataError(found[0])
        if not found:
            _cache(root / CACHE_FILE, key, labels)
        else:
            assert faults is not None
            faults += found
    if labels.num_unknown:
        log.warning(
            "%s: %d pictures have no label, or one of another word; they count as similar.",
            root,
            labels.num_unknown,
        )
    return labels


def _files(root: Path) -> dict[str, dict[str, os.stat_result]]:
    """Annotator -> file name, with its range where there is one -> its state on disk, sorted."""
    found: dict[str, dict[str, os.stat_result]] = {}
    for folder in _folders(root):
        own = _label_files(root / folder, "")
        if own:
            found.setdefault(folder, {}).update(own)
            continue
        for annotator in _folders(root / folder):
            files = _label_files(root / folder / annotator, f"{folder}/")
            if files:
                found.setdefault(annotator, {}).update(files)
    if not found:
        raise DataError(f"{root}: has no label files. They go to {root}/A/<set>.json and so on.")
    return dict(sorted(found.items()))


def _folders(root: Path) -> list[str]:
    try:
        return sorted(e.name for e in os.scandir(root) if e.is_dir() and e.name[0] != ".")
    except OSError as error:
        raise DataError(f"{root}: cannot be read: {error.strerror}.") from error


def _label_files(folder: Path, prefix: str) -> dict[str, os.stat_result]:
    try:
        return {
            prefix + entry.name: entry.stat()
            for entry in sorted(os.scandir(folder), key=lambda entry: entry.name)
            if entry.name.endswith(".json") and entry.name[0] != "."
        }
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror}.") from error


def _path(root: Path, annotator: str, name: str) -> Path:
    outer, _, file = name.rpartition("/")
    return root / outer / annotator / file


def _fingerprint(files: dict[str, dict[str, os.stat_result]]) -> int:
    """Changes with every name, size and time of change."""
    lines = (
        f"{folder}/{name} {state.st_size} {state.st_mtime_ns}"
        for folder, states in files.items()
        for name, state in states.items()
    )
    return zlib.crc32(text_bytes("\n".join(lines)))


def _read(root: Path, files: dict[str, dict[str, os.stat_result]], faults: list[str]) -> Labels:
    sets: dict[str, dict[str, list[str | None]]] = {}
    for name in sorted(set().union(*files.values())):
        try:
            sets[name] = _of_set(root, name, files)
        except DataError as error:
            faults.append(str(error))
    versions = sorted(set().union(*sets.values()))
    for name in [name for name, given in sets.items() if given.keys() != set(versions)]:
        missing = ", ".join(sorted(set(versions) - sets[name].keys()))
        path = _path(root, next(iter(files)), name)
        faults.append(f"{path}: has no label for {missing}, which other sets have.")
        del sets[name]
    codes = np.full((len(sets), len(versions)), SIMILAR, np.uint8)
    votes = np.zeros((len(sets), len(versions)), np.uint8)
    num_unknown = 0
    for row, given in enumerate(sets.values()):
        for column, version in enumerate(versions):
            label, count = vote(given[version])
            code = code_of(label)
            num_unknown += code is None
            codes[row, column] = SIMILAR if code is None else code
            votes[row, column] = count
    stems = [name.removesuffix(".json") for name in sets]
    return Labels(stems, versions, codes, votes, len(files), num_unknown)


def _of_set(
    root: Path, name: str, files: dict[str, dict[str, os.stat_result]]
) -> dict[str, list[str | None]]:
    """Version -> the labels of all annotators."""
    if missing := [folder for folder in files if name not in files[folder]]:
        held = " and ".join(folder for folder in files if folder not in missing)
        raise DataError(
            f"{_path(root, missing[0], name)}: missing, only {held} labelled this set. Each set "
            f"needs {len(files)} annotators."
        )
    given = {folder: dict(_pictures(_path(root, folder, name))) for folder in files}
    versions = sorted(set().union(*given.values()))
    for folder, labels in given.items():
        if alone := [version for version in versions if version not in labels]:
            raise DataError(
                f"{_path(root, folder, name)}: has no label for {', '.join(alone)}, which another "
                "annotator has."
            )
    return {version: [labels[version] for labels in given.values()] for version in versions}


def odd_labels(root: str | Path) -> list[str]:
    """Labels other than the three words, a line each; every file is opened.

    Raises:
        DataError: a folder cannot be read.
    """
    root = Path(root)
    lines = []
    for annotator, files in _files(root).items():
        for name in files:
            path = _path(root, annotator, name)
            try:
                pictures = list(_pictures(path))
            except DataError:
                continue  # told by ``read_labels``
            lines += [
                f"{path}: the label of {version} is {'null' if word is None else repr(word)}, "
                "neither Positive, Similar nor Negative."
                for version, word in pictures
                if code_of(word) is None
            ]
    return lines


def _pictures(path: Path) -> Iterator[tuple[str, str | None]]:
    """(version, label) of the enhanced pictures of a label file; other keys are passed over."""
    try:
        content = parse_json(read_bytes(path))
        pictures = _numbered(content)
    except (ValueError, AttributeError, TypeError) as error:
        raise DataError(f"{path}: is no label file: {error}.") from error
    for key, picture in pictures:
        if not isinstance(picture, dict) or "Label" not in picture or "File" not in picture:
            raise DataError(f"{path}: {key} needs 'File' and 'Label'.")
        version = str(picture["File"])
        if version.lower() != "original":
            yield version, normalised(picture["Label"])


def _numbered(content: dict[str, Any]) -> list[tuple[str, Any]]:
    pictures = [
        (int(key.removeprefix("Picture_")), key, value)
        for key, value in content.items()
        if re.fullmatch(r"Picture_[0-9]+", key)
    ]
    if len(pictures) < 2:
        raise ValueError("it has no Picture_1 and Picture_2")
    return [(key, value) for _, key, value in sorted(pictures, key=lambda p: p[0])]


def _cached(path: Path, key: int) -> Labels | None:
    try:
        with np.load(path) as held:
            if held["key"].tolist() != [_VERSION, key]:
                return None
            annotators, unknown = held["numbers"].tolist()
            return Labels(
                held["names"].tolist(),
                held["versions"].tolist(),
                held["codes"],
                held["votes"],
                annotators,
                unknown,
            )
    except Exception:  # missing, damaged, of another release: made anew
        return None


def _cache(path: Path, key: int, labels: Labels) -> None:
    buffer = io.BytesIO()
    np.savez(
        buffer,
        key=np.array([_VERSION, key]),
        names=np.array(labels.names),
        versions=np.array(labels.versions),
        codes=labels.codes,
        votes=labels.votes,
        numbers=np.array([labels.num_annotators, labels.num_unknown]),
    )
    try:
        write_bytes(path, buffer.getvalue())
    except DataError as error:  # a data set that cannot be written to is read each time
        log.debug("%s", error)


def counts(labels: Labels) -> dict[str, int]:
    """Pictures by label, and sets with a positive or negative one."""
    found: dict[str, int] = {"sets": len(labels.names)}
    found |= {"sets with a positive": int(labels.with_positive().sum())}
    found |= {"sets with a negative": int(labels.with_negative().sum())}
    words: Iterable[tuple[str, int]] = (
        ("positive", POSITIVE), ("similar", SIMILAR), ("negative", NEGATIVE)
    )  # fmt: skip
    found |= {f"{word} pictures": int((labels.codes == code).sum()) for word, code in words}
    return found


def unanimous(labels: Labels) -> float:
    """Share of pictures on which all annotators agree."""
    return float((labels.votes == labels.num_annotators).mean())


def kept(labels: Labels, rule: str) -> Sequence[int]:
    """Rows of the sets that a rule keeps: ``all``, ``positive`` or ``positive_or_negative``."""
    mask = {
        "all": np.ones(len(labels.names), bool),
        "positive": labels.with_positive(),
        "positive_or_negative": labels.with_positive_or_negative(),
    }[rule]
    return np.flatnonzero(mask).tolist()
