"""``python -m smoothkit.inference``: a trained network on any image or folder of images.

Kind and size of the network are read from the weights where they tell. Images keep their depth and
alpha, and their format unless the network's published program writes another one; a second run
makes only what is missing or was made of other images or weights or with other settings.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from smoothkit.cli.arguments import add_arithmetic, add_pictures, whole_number
from smoothkit.cli.process import run_command


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m smoothkit.inference",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--model_path", "-m", required=True, metavar="W.pth", help="the weights")
    add_pictures(made)
    which = made.add_mutually_exclusive_group()
    which.add_argument("--arch", metavar="NAME", help="the network, where the weights do not tell")
    which.add_argument("-opt", metavar="FILE.yml", help="an option file with its network_g")
    made.add_argument(
        "--scale",
        type=whole_number(1),
        metavar="N",
        help="refuse a network that does not enlarge by N; default: any",
    )
    made.add_argument(
        "--tile_size",
        "--tile",
        type=_size,
        default="auto",
        metavar="N",
        help="largest side of a tile in pixels; 'auto' (default): that of the network's published "
        "program, else what memory allows",
    )
    made.add_argument(
        "--tile_pad",
        type=whole_number(0),
        metavar="N",
        help="overlap of tiles; default: that of the network's published program, else what makes "
        "the result that of the whole image",
    )
    add_arithmetic(made)
    made.add_argument(
        "--color", choices=("bgr", "rgb"), help="channel order of the network; default: its own"
    )
    made.add_argument(
        "--grey",
        choices=("keep", "color"),
        help="'color' gives grey images the colours of the network; default: that of its system",
    )
    made.add_argument(
        "--rounding", choices=("round", "truncate"), help="to 8 bits; default: that of its system"
    )
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run; 0 at the end, 2 if an input could not be used or the user has to put something right."""
    return run_command(lambda: _run(parser().parse_args(argv)))


def _run(args: argparse.Namespace) -> int:
    from smoothkit.cli import pictures
    from smoothkit.core.errors import DataError
    from smoothkit.core.log import setup_logging
    from smoothkit.core.weights import find_checkpoint
    from smoothkit.models.load import load_model, system_habits

    setup_logging()
    restorer = load_model(
        args.model_path,
        network=_network(args),
        device=args.device,
        amp=args.amp,
        color=args.color,
        rounding=args.rounding,
        grey=args.grey,
        tile_size=args.tile_size,
        tile_pad=args.tile_pad,
    )
    if args.scale not in (None, restorer.io.scale):
        raise DataError(
            f"--scale {args.scale}: the network of {args.model_path} enlarges by "
            f"{restorer.io.scale}. Use other weights, or leave it out."
        )
    args.ext = args.ext or system_habits(type(restorer.net)).get("ext")
    settings = {
        **_noted(restorer.network),
        "color": restorer.settings.color,
        "rounding": restorer.settings.rounding,
        "tile_size": args.tile_size,
        "tile_pad": args.tile_pad,
        "precision": str(restorer.settings.dtype).removeprefix("torch."),
    }
    if restorer.settings.grey != "keep":  # results of before do not have it in their notes
        settings["grey"] = restorer.settings.grey
    return pictures.run(
        args,
        lambda image: restorer.restore(image, "bgr"),
        weights={"model": find_checkpoint(args.model_path)},
        settings=settings,
    )


def _noted(network: Mapping[str, Any]) -> dict[str, Any]:
    """A network as notes have it, whether its weights or the user told what it is."""
    simple = (str, int, float, list, dict, type(None))
    return {
        f"network.{key}": value
        if isinstance(value, simple)
        else getattr(value, "__qualname__", type(value).__qualname__)
        for key, value in network.items()
    }


def _network(args: argparse.Namespace) -> Any:
    if args.opt is None:
        return args.arch
    from smoothkit.core.errors import Fault
    from smoothkit.core.options import read_options, thaw
    from smoothkit.engine.published import in_our_form

    file, _ = in_our_form(read_options(args.opt))
    file.refuse_faults()
    section = file.data.get("network_g")
    if not isinstance(section, dict):
        raise file.error([Fault("network_g", "is missing. Give its 'type' and options there.")])
    return thaw(section)


def _size(text: str) -> int | str:
    if text == "auto":
        return text
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be 'auto' or a number of pixels, got '{text}'")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
