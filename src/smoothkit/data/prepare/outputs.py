"""Folders of a prepared data set: what they may hold, and what of it is to be made."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from smoothkit.core.errors import DataError
from smoothkit.data.file_hashes import digest_of
from smoothkit.data.origin import Origin
from smoothkit.data.provenance import Note, refuse
from smoothkit.data.store import FolderStore
from smoothkit.ops.io import read_bytes

log = logging.getLogger(__name__)


def refuse_as_output(
    out_dir: Path, source_dirs: Iterable[str | Path | None], folders: Sequence[str] = ()
) -> None:
    """Refuse to write into a file, or among the sources.

    Args:
        source_dirs: folders that are read; None is passed over.
        folders: of ``out_dir`` that hold results.

    Raises:
        DataError: ``out_dir`` or a folder above it is a file, it is one of the sources, or one of
            its folders is.
    """
    for folder in (out_dir, *out_dir.parents):
        if folder.is_file():
            raise DataError(f"{folder}: is a file, where a folder is to be. Give another folder.")
    sources = {Path(folder).resolve(): folder for folder in source_dirs if folder}
    if out_dir.resolve() in sources:
        raise DataError(f"{out_dir}: holds what it is to be made from. Give another folder.")
    for name in folders:
        if taken := sources.get((out_dir / name).resolve()):
            raise DataError(f"{taken}: is where results go. Copy the images elsewhere.")


def due_of_set(
    note: Note,
    origins: Mapping[Path, Origin],
    folders: Sequence[str],
    *,
    own: Iterable[Path] | None = None,
    overwrite: bool = False,
) -> set[Path]:
    """The files of a data set that are missing or outdated, after others were removed.

    Images that the note tells of and that are no longer part of the data set are removed, and their
    number is logged.

    Args:
        note: of the data set's folder.
        origins: of all files of the data set.
        folders: that hold its images, and nothing else.
        own: the files that this run makes; ~ for all.
        overwrite: make all of them anew, also those that no note tells of; further images that no
            note tells of are left where they are.

    Raises:
        DataError: no note tells of a file that is in the way, or one cannot be removed.
    """
    others = [
        note.folder / folder / name
        for folder in folders
        if (note.folder / folder).is_dir()
        for name in FolderStore(note.folder / folder).names
        if note.folder / folder / name not in origins
    ]
    unknown = [path for path in others if note.is_unknown(path)]
    if overwrite:
        # A pair that was moved, for instance, is replaced where it is to be now.
        names = {note.name(path) for path in origins}
        unknown = [path for path in unknown if note.name(path) not in names]
        if unknown:
            more = f" and {len(unknown) - 1} more" if unknown[1:] else ""
            log.warning("%s%s: no part of this data set, and left there.", unknown[0], more)
    else:
        refuse(unknown, "Move it away, give another folder, or --overwrite to leave it there.")
    due = note.due(
        origins if own is None else own,
        origins.__getitem__,
        is_all=overwrite,
        what_to_do="Give another folder, or --overwrite to replace what is there.",
    )
    gone = sorted(set(others) - set(unknown))
    for path in gone:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise DataError(f"{path}: cannot be removed: {error.strerror}.") from error
    if gone:
        count = "1 image is" if len(gone) == 1 else f"{len(gone)} images are"
        why = "an earlier run made what these images and settings do not"
        log.info("%s: %s removed; %s.", note.folder, count, why)
    return due


def list_origins(contents: Mapping[Path, bytes]) -> dict[Path, Origin]:
    """Origins of files that the choice of images alone decides, but for those that are as wanted.

    Args:
        contents: by file, what it is to hold.
    """
    return {
        path: Origin({"list": (path.name, digest_of(content))})
        for path, content in contents.items()
        if not path.exists() or read_bytes(path) != content
    }
