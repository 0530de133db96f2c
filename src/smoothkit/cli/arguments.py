"""Options that several commands share; nothing heavy is imported for them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any


def add_pictures(parser: argparse.ArgumentParser) -> None:
    """What every command over images takes."""
    parser.add_argument("--input", "-i", required=True, metavar="PATH", help="an image or a folder")
    parser.add_argument(
        "--output", "-o", required=True, metavar="DIR", help="folder of the results"
    )
    parser.add_argument(
        "--suffix", default="", help="put behind the stem of each result's name; default: nothing"
    )
    parser.add_argument(
        "--ext", help="format of the results, such as png; default: that of each input"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="make results anew that are there already"
    )


def add_derived(parser: argparse.ArgumentParser) -> None:
    """What every tool takes that derives images from those of folders (``derive``)."""
    parser.add_argument(
        "--input", required=True, nargs="+", action=Gather, metavar="DIR", help="folders of images"
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the results")
    parser.add_argument("--recursive", action="store_true", help="take the folders inside too")
    parser.add_argument(
        "--workers", type=whole_number(1), help="images at a time; default: cores and two more"
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="make all anew, also where no note tells of a file; remove results of other images",
    )


def add_arithmetic(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Where a network runs, and in which precision."""
    parser.add_argument(
        "--amp",
        choices=("off", "auto", "bf16", "fp16"),
        default="off",
        help="mixed precision; 'auto' takes bf16 where the hardware has it; default: off",
    )
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1, mps")


def add_force_yml(parser: argparse.ArgumentParser) -> None:
    """What every command with an option file takes to change it."""
    parser.add_argument(
        "--force_yml",
        nargs="+",
        action=Gather,
        default=[],
        metavar="KEY:SUB=VALUE",
        help="put VALUE in place of what the file says, or add it",
    )


class Gather(argparse.Action):
    """A list that goes on where its flag is given again; argparse would keep the last part only."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Add ``values``; the first ones take the place of the default."""
        so_far = vars(namespace)[self.dest]
        gathered = [] if so_far is self.default else so_far
        setattr(namespace, self.dest, [*gathered, *(values or ())])


def whole_number(least: int) -> Callable[[str], int]:
    """What argparse reads a number of ``least`` or more with."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"must be a number of {least} or more, got '{text}'")
        return int(text)

    return read


def fraction(text: str) -> float:
    """A number between 0 and 1, both left out."""
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"must be between 0 and 1, got {text}")
    return value
