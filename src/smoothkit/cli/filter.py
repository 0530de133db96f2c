"""Smooth an image or a folder of images with a classical filter."""

from __future__ import annotations

import argparse

from smoothkit.cli.arguments import add_pictures


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """NAME, the images, and settings as NAME=NUMBER."""
    from smoothkit.ops.filters import describe_filters

    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"filters and their settings:\n{describe_filters()}"
    parser.add_argument("name", metavar="NAME", help="the filter")
    parser.add_argument(
        "settings",
        nargs="*",
        metavar="SETTING=NUMBER",
        help="settings of the filter in place of its defaults",
    )
    add_pictures(parser)


def run(args: argparse.Namespace) -> int:
    """Filter; 2 if an image could not be used."""
    from smoothkit.cli import pictures
    from smoothkit.core.log import setup_logging
    from smoothkit.ops.filters import apply_filter, check_filter, noted_filter, parse_setting

    setup_logging()
    settings = dict(parse_setting(text) for text in args.settings)
    check_filter(args.name, settings)
    return pictures.run(
        args,
        lambda image: apply_filter(args.name, image, settings),
        settings=noted_filter(args.name, settings),
    )
