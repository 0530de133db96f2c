"""Claiming the folder of a run."""

from __future__ import annotations

import errno
import fcntl
import logging
import os

import pytest

from smoothkit.core.errors import TrainingError
from smoothkit.engine.folders import Lock


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_locks_is_warned_of_and_used(tmp_path, monkeypatch, caplog, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "lockf", refuse)
    with caplog.at_level(logging.WARNING, "smoothkit"):
        Lock(tmp_path / "run").release()
    assert f"cannot be locked ({os.strerror(number)})" in caplog.text


def test_a_lock_that_cannot_be_made_names_its_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match=r"file/\.run\.lock: cannot be written: "):
        Lock(tmp_path / "file" / "run")
