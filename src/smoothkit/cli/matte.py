"""Find the alpha mattes of images with trimaps, by a trained matting network.

A trimap (0 background, 128 unknown, 255 foreground) has the name of its image, with any extension;
so has a rough mask, of whose outline a trimap is made. A second run makes only what is missing or
was made of other images or weights or with other settings.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from smoothkit.cli.arguments import Gather, add_arithmetic, add_pictures, whole_number

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

    from smoothkit.cli.pictures import Job
    from smoothkit.data.provenance import Note
    from smoothkit.systems.lsa.matting import Matting

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Weights, images, trimaps or masks, and what is to be made of them."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--model_path", "-m", required=True, metavar="W.pth", help="the weights")
    add_pictures(parser)
    parser.set_defaults(ext="png")
    known = parser.add_mutually_exclusive_group(required=True)
    known.add_argument("--trimap", metavar="PATH", help="the trimap, or the folder of trimaps")
    known.add_argument("--mask", metavar="PATH", help="rough masks instead; 128 and more is inside")
    for name, what in (("erode", "inside"), ("dilate", "outside")):
        parser.add_argument(
            f"--{name}",
            type=whole_number(0),
            default=15,
            metavar="N",
            help=f"pixels along a mask's outline that are not sure to be {what}; default: 15",
        )
    parser.add_argument(
        "--levels",
        choices=("refuse", "snap"),
        default="snap",
        help="trimaps with other levels: take those below 50 as background, those above 200 as "
        "foreground and the rest as unknown (default), or refuse them",
    )
    _add_results(parser)
    _add_running(parser)


def _add_results(parser: argparse.ArgumentParser) -> None:
    made = parser.add_argument_group("results")
    made.add_argument("--bits", type=int, choices=(8, 16), default=8, help="of alpha; default: 8")
    made.add_argument(
        "--foreground",
        action="store_true",
        help="also estimate the foreground's colours, into DIR/foreground as PNG with alpha",
    )
    made.add_argument(
        "--composite",
        metavar="BACKGROUND",
        help="also put the foreground before an image, or before a 'checkerboard', into "
        "DIR/composite",
    )


def _add_running(parser: argparse.ArgumentParser) -> None:
    how = parser.add_argument_group("how alpha is found")
    how.add_argument(
        "--views",
        choices=("plain", "flips", "rotations"),
        default="plain",
        help="mean over mirrored images: one (default), four, or eight",
    )
    how.add_argument("--permutations", action="store_true", help="and over twelve recolourings")
    how.add_argument(
        "--scales",
        type=float,
        nargs="+",
        action=Gather,
        default=[1.0],
        metavar="S",
        help="and over sizes of the image, such as 0.8 1 1.25; default: 1",
    )
    how.add_argument(
        "--refine",
        type=whole_number(0),
        default=0,
        metavar="STEPS",
        help="of refinement, some seconds each for large images; 100 as published; default: 0, off",
    )
    how.add_argument(
        "--refine_lr", type=float, default=20.0, metavar="X", help="size of a step; default: 20"
    )
    how.add_argument(
        "--refine_stages",
        type=int,
        nargs="+",
        action=Gather,
        default=[2, 3, 4, 5],
        metavar="K",
        help="of the decoder, which are scaled and shifted; default: 2 3 4 5",
    )
    how.add_argument(
        "--max_size",
        type=whole_number(0),
        default=2176,
        metavar="N",
        help="longer side at which the network sees larger images; 0: no limit; default: 2176",
    )
    how.add_argument(
        "--upsampling",
        choices=("linear", "guided"),
        default="guided",
        help="of the alpha of larger images; default: guided by the image",
    )
    how.add_argument(
        "--no_border",
        action="store_true",
        help="do not surround images as published; better for networks trained on small ones",
    )
    add_arithmetic(how)


def run(args: argparse.Namespace) -> int:
    """Find alphas; 2 if an image could not be used."""
    from pathlib import Path

    from smoothkit.cli import pictures
    from smoothkit.core.log import setup_logging
    from smoothkit.core.weights import find_checkpoint
    from smoothkit.data.origin import Origin
    from smoothkit.systems.lsa.mattes import check_size
    from smoothkit.systems.lsa.matting import load_matting
    from smoothkit.systems.lsa.predict import MattingPredictor
    from smoothkit.systems.lsa.preview import CHECKERBOARD, Cutouts

    setup_logging()
    jobs = _jobs(args)
    find_trimap, given = _partner_finder(args)
    cutouts = Cutouts(
        args.output,
        has_foreground=args.foreground,
        background=args.composite,
        is_deep=args.bits == 16,
    )
    refine = {"steps": args.refine, "lr": args.refine_lr, "stages": args.refine_stages}
    predictor = MattingPredictor(
        views=args.views,
        permutations=args.permutations,
        scales=args.scales,
        max_size=args.max_size or None,
        upsampling=args.upsampling,
        border=not args.no_border,
        refine=refine if args.refine else None,
    )
    what = "mask" if args.trimap is None else "trimap"
    matting = load_matting(args.model_path, device=args.device, amp=args.amp, predictor=predictor)
    settings, checkpoint = _settings(args, matting), find_checkpoint(args.model_path)

    def make(job: Job, note: Note) -> dict[Path, np.ndarray]:
        image = pictures.read_whole(job.source, note)
        path = find_trimap(job.source)
        trimap = _read_trimap(path, args, note)
        check_size(str(path), trimap.shape, str(job.source), image.shape)
        alpha = matting(image, trimap)
        return {job.target: _levels(alpha, args.bits), **cutouts(job.target, image, alpha)}

    def origins(job: Job, note: Note) -> dict[Path, Origin]:
        inputs = {"image": note.file(job.source), what: note.file(find_trimap(job.source))}
        weights = {"model": note.file(checkpoint)}
        found = {job.target: Origin(inputs, weights, settings)}
        for path in job.others:
            behind = cutouts.background_of(path)
            if behind is None:
                found[path] = found[job.target]
            elif behind == CHECKERBOARD:
                found[path] = Origin(inputs, weights, {**settings, "background": behind})
            else:
                found[path] = Origin({**inputs, "background": note.file(behind)}, weights, settings)
        return found

    jobs = [replace(job, others=cutouts.paths(job.target)) for job in jobs]
    return pictures.make(jobs, args, make, origins, kept=[*given, Path(args.composite or ".")])


def _settings(args: argparse.Namespace, matting: Matting) -> dict[str, Any]:
    """What mattes depend on besides files."""
    names = [
        "bits",
        "no_border",
        "views",
        "permutations",
        "scales",
        "refine",
        "max_size",
        "upsampling",
    ]
    names += ["refine_lr", "refine_stages"] if args.refine else []
    names += ["levels"] if args.mask is None else ["erode", "dilate"]
    precision = str(matting.dtype).removeprefix("torch.")
    return {**{name: getattr(args, name) for name in names}, "precision": precision}


def _jobs(args: argparse.Namespace) -> list[Job]:
    from smoothkit.cli import pictures
    from smoothkit.core.errors import DataError

    if args.bits == 16 and args.ext.lower().lstrip(".") not in ("png", "tif", "tiff"):
        raise DataError(f"--ext {args.ext}: cannot hold 16 bits. Use png or tif.")
    return pictures.plan(args.input, args.output, suffix=args.suffix, ext=args.ext)


def _read_trimap(path: Path, args: argparse.Namespace, note: Note) -> np.ndarray:
    """The trimap in a file, or that of the mask in it."""
    import numpy as np

    from smoothkit.cli import pictures
    from smoothkit.systems.lsa.mattes import plane_of, to_8_bits
    from smoothkit.systems.lsa.trimap import (
        checked_trimap,
        refuse_labels,
        trimap_from_mask,
        use_of,
    )

    stored = pictures.read_whole(path, note)
    if args.mask is not None:
        plane = plane_of(stored, str(path))
        refuse_labels(plane, str(path), "0 and 255")
        mask = to_8_bits(plane)
        trimap = trimap_from_mask(mask, args.erode, args.dilate)
    else:
        trimap = checked_trimap(stored, str(path), levels=args.levels)
        if not np.array_equal(trimap, to_8_bits(plane_of(stored, str(path)))):
            log.info("%s: has other levels than 0, 128 and 255, which were snapped.", path)
    if kind := use_of(trimap):
        log.warning("%s: %s %s.", path, "has" if args.mask is None else "gives", kind)
    return trimap


def _partner_finder(args: argparse.Namespace) -> tuple[Callable[[Path], Path], list[Path]]:
    """Which trimap or mask belongs to an input, the one of its name in the same place; and all."""
    from pathlib import Path

    from smoothkit.core.errors import DataError
    from smoothkit.data.store import FolderStore

    what = "mask" if args.trimap is None else "trimap"
    inputs, folder = Path(args.input), Path(getattr(args, what))
    if folder.is_file():
        if not inputs.is_file():
            raise DataError(f"--{what} {folder}: must be a folder, since --input is one.")
        return lambda source: folder, [folder]
    root = inputs.parent if inputs.is_file() else inputs
    if not folder.is_dir():
        raise DataError(f"--{what} {folder}: no such file or folder.")
    held: dict[Path, Path] = {}
    store = FolderStore(folder, is_recursive=True)
    store.tell_left_aside()
    for name in map(Path, store.names):
        key = name.with_suffix("")
        if key in held:
            raise DataError(f"{folder}: has both {held[key]} and {name}. Move one away.")
        held[key] = name

    def find(source: Path) -> Path:
        key = source.relative_to(root).with_suffix("")
        if key not in held:
            raise DataError(f"{source}: has no {what} called '{key}' in {folder}.")
        return folder / held[key]

    return find, [folder / name for name in held.values()]


def _levels(alpha: np.ndarray, bits: int) -> np.ndarray:
    from smoothkit.ops.io import to_uint8, to_uint16

    return to_uint16(alpha) if bits == 16 else to_uint8(alpha)
