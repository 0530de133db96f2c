"""Published weights of torchvision's networks, found on this machine and never downloaded."""

from __future__ import annotations

from pathlib import Path

import torch

from smoothkit.core.errors import DataError

# Where BasicSR looks for weights of its losses.
FOLDER = Path("experiments/pretrained_models")


def find_pretrained(name: str, *, given: str | Path | None = None, key: str | None = None) -> Path:
    """The file of published weights called ``name``.

    Args:
        name: file name as torchvision publishes it, such as ``vgg19-dcbb9e9d.pth``.
        given: path from the options; nothing else is tried then.
        key: option that the path can be given with, for messages.

    Raises:
        DataError: it is in none of the places; names them in the order in which they are tried.
    """
    if given is not None:
        path = Path(given)
        if not path.is_file():
            raise DataError(f"{path}: no such file of weights" + (f" ({key})." if key else "."))
        return path
    cached = Path(torch.hub.get_dir()) / "checkpoints"
    for folder in (FOLDER, cached):
        if (folder / name).is_file():
            return folder / name
    option = f"'{key}', or " if key else ""
    raise DataError(
        f"{name}: no such weights here, and nothing is downloaded. "
        f"Give the file as {option}{FOLDER / name}, or {cached / name}."
    )
