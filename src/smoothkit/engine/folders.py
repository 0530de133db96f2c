"""The folders of a run: claimed by one process at a time, an older run moved aside."""

from __future__ import annotations

import errno
import logging
import os
import time
from pathlib import Path
from typing import IO

from smoothkit.core.errors import TrainingError
from smoothkit.core.files import remove_leftovers
from smoothkit.core.runtime import Folders

log = logging.getLogger(__name__)

# What locking a file says where another process holds it; anything else is of the file system.
_HELD = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)


class Lock:
    """A claim on a folder that ends with the process, however it ends.

    Args:
        folder: what is claimed; the lock is a file beside it.

    Raises:
        TrainingError: another process has it, or the file of the lock cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        path = folder.parent / f".{folder.name}.lock"
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = open(path, "ab")  # noqa: SIM115
        except OSError as error:
            raise TrainingError(f"{path}: cannot be written: {error.strerror}.") from error
        try:
            _claim(self._file)
        except OSError as error:
            if error.errno not in _HELD:  # NFS and Lustre may have no locks at all
                log.warning(
                    "%s: cannot be locked (%s). Make sure that no other run uses this folder.",
                    folder, error.strerror,
                )  # fmt: skip
                return
            self._file.close()
            raise TrainingError(
                f"{folder}: another run is using this folder. Wait for it, stop it, or give this "
                "run another 'name'."
            ) from error

    def release(self) -> None:
        """Let others have the folder."""
        self._file.close()


def archive(folder: Path) -> None:
    """Move an older run's folder to ``<name>_archived_<time>``, as BasicSR does."""
    if not folder.exists():
        return
    target = folder.with_name(f"{folder.name}_archived_{time.strftime('%Y%m%d_%H%M%S')}")
    number = 1
    while target.exists():
        number += 1
        target = target.with_name(f"{target.name.rpartition('~')[0] or target.name}~{number}")
    folder.rename(target)
    log.warning("%s exists from an earlier run; moved to %s.", folder, target)


def prepare_experiment(folders: Folders, *, is_resumed: bool) -> None:
    """Make the folders of a training run, after moving those of an older one aside."""
    if not is_resumed:
        archive(folders.experiment)
        archive(folders.tb_logger)
    for folder in (folders.models, folders.states):
        folder.mkdir(parents=True, exist_ok=True)
    for folder in (folders.experiment, folders.models, folders.states):
        remove_leftovers(folder)


def _claim(file: IO[bytes]) -> None:
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        import fcntl

        # Not flock(): data workers would inherit it and hold it after this process was killed.
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
