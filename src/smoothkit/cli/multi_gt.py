"""What the scripts of metrics over labels share."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from smoothkit.cli.arguments import Gather, whole_number
from smoothkit.core.errors import DataError, OptionError
from smoothkit.core.files import write_text
from smoothkit.models.load import device_called
from smoothkit.systems.hggt_sr.comparison import header_of, markdown, sorted_rows, write_results
from smoothkit.systems.hggt_sr.labels import read_labels
from smoothkit.systems.hggt_sr.measures import measure_of
from smoothkit.systems.hggt_sr.multi_gt import Outcome, all_line, multi_gt, text_report

_TEST = "datasets/Test/GT/Test-100"
_WEIGHTS = {"lpips_weights": "AlexNet", "dists_weights": "alpha and beta", "vgg_weights": "VGG16"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The published flags, and ours."""
    parser.add_argument("--gts", default=f"{_TEST}/images", help="folder of 01, 02, ...")
    parser.add_argument("--json_path", default=f"{_TEST}/labels", help="folder of A, B, ...")
    parser.add_argument(
        "--restored", nargs="+", action=Gather, required=True, help="folders of results"
    )
    parser.add_argument(
        "--names", nargs="+", action=Gather, help="of the methods; default: those of the folders"
    )
    parser.add_argument("--crop_border", type=whole_number(0), default=4, help="default: 4")
    parser.add_argument("--test_y_channel", action="store_true", help="PSNR, SSIM of luminance")
    parser.add_argument("--suffix", help="of the results; default: behind the last underscore")
    parser.add_argument("--device", default="auto", help="of LPIPS and DISTS; default: auto")
    parser.add_argument(
        "--on_error",
        choices=("count", "skip"),
        default="count",
        help="count: exit with 2 where a set was left out; skip: with 0",
    )
    parser.add_argument(
        "--strict", action="store_true", help="stop at what the published scripts stop at"
    )
    for name, what in _WEIGHTS.items():
        parser.add_argument(f"--{name}", metavar="FILE", help=f"{what}, if not found")
    # Accepted and without effect, as in the published scripts.
    parser.add_argument("--correct_mean_var", action="store_true", help=argparse.SUPPRESS)


def evaluate(args: argparse.Namespace, metrics: Sequence[str]) -> list[Outcome]:
    """Measure all folders.

    Raises:
        DataError: a folder, labels or weights are missing.
    """
    needs_device = {"lpips", "dists"} & set(metrics)
    device = "cpu"
    if needs_device:
        device = str(device_called(args.device))
    measure = measure_of(
        metrics,
        crop_border=args.crop_border,
        test_y_channel=args.test_y_channel,
        device=device,
        **{name: getattr(args, name) for name in _WEIGHTS},
    )
    faults: list[str] = []
    labels = read_labels(args.json_path, faults=faults)
    if faults and args.strict:
        raise DataError(faults[0])
    for fault in faults:
        print(f"left out: {fault}", file=sys.stderr)
    outcomes = []
    for folder, title in zip(args.restored, titles_of(args.restored, args.names), strict=True):
        steps = multi_gt(
            folder,
            args.gts,
            labels,
            measure,
            metrics=metrics,
            suffix=args.suffix,
            title=title,
            workers=1 if needs_device else None,
        )
        with tqdm(unit="set", disable=not sys.stderr.isatty()) as bar:
            for _, bar.total, outcome in steps:
                bar.update()
                if args.strict and outcome.skipped:
                    raise DataError(outcome.skipped[0])
        outcomes.append(outcome)
    if not any(outcome.sets for outcome in outcomes):
        reasons = "; ".join(outcomes[0].skipped[:2])
        raise DataError(f"{args.restored[0]}: nothing could be measured: {reasons}")
    return outcomes


def titles_of(folders: Sequence[str], names: Sequence[str] | None) -> list[str]:
    """A name for each folder: the one given, else its own, else its path where those repeat.

    Raises:
        OptionError: more or fewer names than folders, or a name twice.
    """
    if names is not None:
        if len(names) != len(folders) or len(set(names)) != len(names):
            raise OptionError(f"--names: must be {len(folders)} different names, got {names}.")
        return list(names)
    own = [Path(os.path.normpath(folder)).name for folder in folders]
    return own if len(set(own)) == len(own) else [os.path.normpath(folder) for folder in folders]


def tell(outcomes: Sequence[Outcome], on_error: str) -> int:
    """Name what was left out; 2 where that counts."""
    for outcome in outcomes:
        for reason in outcome.skipped:
            print(f"skipped: {reason}", file=sys.stderr)
        if outcome.skipped:
            print(f"{outcome.title}: {len(outcome.skipped)} left out", file=sys.stderr)
        for line in outcome.left_out_lines():
            print(f"{outcome.title}: {line}", file=sys.stderr)
    is_whole = not any(outcome.skipped for outcome in outcomes)
    return 0 if is_whole or on_error == "skip" else 2


def run_published(args: argparse.Namespace, metrics: Sequence[str], file: str) -> int:
    """One of the published scripts: a text file beside each folder of results."""
    heading = "/".join(name.upper() for name in metrics)
    if "psnr" in metrics:
        print(f"Testing {'Y channel' if args.test_y_channel else 'RGB channels'}.")
    outcomes = evaluate(args, metrics)
    for folder, outcome in zip(args.restored, outcomes, strict=True):
        place = Path(os.path.normpath(folder))
        path = place.parent / f"{file}_{place.name}.txt"
        write_text(path, text_report(outcome, heading, place.name))
        for found in outcome.sets:
            if len(found.values[metrics[0]]) < 2:
                print(f"{found.name}: has one positive ground truth alone.", file=sys.stderr)
        print(f"{heading} for testing dataset: {place.name}\n{all_line(outcome)}\n")
    return tell(outcomes, args.on_error)


def run_table(args: argparse.Namespace, metrics: Sequence[str]) -> int:
    """All metrics in one pass: tables of all folders, best first."""
    outcomes = evaluate(args, metrics)
    write_results(outcomes, Path(args.out_dir), plot=args.plot)
    rows = sorted_rows(outcomes)
    print(markdown(header_of(metrics), rows), end="")
    if len({row[-1] for row in rows}) > 1:
        print("The methods were measured over different sets: compare with care.", file=sys.stderr)
    print(args.out_dir)
    return tell(outcomes, args.on_error)
