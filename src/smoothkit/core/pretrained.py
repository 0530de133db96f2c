"""Published weights of torchvision's networks, found on this machine and never downloaded."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from smoothkit.core.errors import MissingFileError

# Where BasicSR looks for weights of its losses.
FOLDER = Path("experiments/pretrained_models")


# torchvision's names end in the first digits of a hash.
_TORCHVISION = re.compile(r".+-[0-9a-f]{8}\.pth")


def find_pretrained(
    name: str,
    *,
    given: str | Path | None = None,
    key: str | None = None,
    source: str | None = None,
) -> Path:
    """The file of published weights called ``name``.

    Args:
        name: file name as it is published, such as torchvision's ``vgg19-dcbb9e9d.pth``.
        given: path from the options; nothing else is tried then.
        key: option that the path can be given with, for messages.
        source: address where others than torchvision publish it, for messages.

    Raises:
        MissingFileError: it is in none of the places; names them in the order in which they are
            tried, and where the file comes from.
    """
    if given is not None:
        path = Path(given)
        if not path.is_file():
            option = f" ({key})" if key else ""
            raise MissingFileError(f"{path}: no such file of weights{option}.")
        return path
    cached = Path(torch.hub.get_dir()) / "checkpoints"
    for folder in (FOLDER, cached):
        if (folder / name).is_file():
            return folder / name
    if source is None and _TORCHVISION.fullmatch(name):
        source = f"https://download.pytorch.org/models/{name}"
    option = f"'{key}', or " if key else ""
    origin = f" It is published at {source}" if source else ""
    raise MissingFileError(
        f"{name}: no such weights here, and nothing is downloaded. "
        f"Give the file as {option}{FOLDER / name}, or {cached / name}.{origin}"
    )
