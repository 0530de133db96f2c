"""Measure smoothed images against ground truths, in the protocols of the smoothing papers.

OUT_DIR gets metrics.csv (a row an image), metrics.json (mean, spread, count) and gallery.html, the
worst and the best images on a page that opens from disk. Exits with 2 where an image was skipped or
a ground truth or input has no result.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from smoothkit.cli.process import run_command
from smoothkit.core.errors import DataError
from smoothkit.core.files import write_text
from smoothkit.data.protocols import Protocol
from smoothkit.data.store import image_files, open_store

if TYPE_CHECKING:
    from smoothkit.engine.folder_evaluation import Evaluation


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pred_dir", required=True, help="folder of smoothed images")
    parser.add_argument("--gt_dir", required=True, help="folder of ground truths")
    parser.add_argument(
        "--dataset",
        type=str.lower,
        choices=get_args(Protocol),
        default="name",
        help="whose ground truth an image is: of the same name, of the name up to the first "
        "underscore (nks), or of its number modulo --num_gt (voc); default: %(default)s",
    )
    parser.add_argument("--num_gt", type=int, default=150, help="for voc; default: %(default)s")
    parser.add_argument("--title", help="of the tables; default: name of PRED_DIR")
    parser.add_argument("--out_dir", help="default: results/evaluation/TITLE")
    parser.add_argument("--input_dir", help="inputs, shown in the gallery; each needs a result")
    parser.add_argument("--num_shown", type=int, default=8, help="worst and best images shown")
    parser.add_argument("--lpips_weights", metavar="FILE", help="of AlexNet, if not found")
    parser.add_argument(
        "--append", metavar="result.txt", help="add a line with the means, and print all lines"
    )
    args = parser.parse_args()
    if args.num_gt < 1 or args.num_shown < 1:
        parser.error("--num_gt, --num_shown: must be 1 or more")
    return evaluate(args)


def evaluate(args: argparse.Namespace) -> int:
    """Measure, write and tell."""
    from smoothkit.engine.folder_evaluation import evaluate_folders
    from smoothkit.metrics.perceptual import find_weights

    metrics = {"psnr": {"type": "psnr"}, "ssim": {"type": "ssim"}}
    try:
        find_weights(weights=args.lpips_weights)
        metrics["lpips"] = {"type": "lpips", "weights": args.lpips_weights}
    except DataError as error:
        if args.lpips_weights:
            raise
        print(f"no lpips without --lpips_weights: {error}", file=sys.stderr)
    section = {
        "type": "SmoothingTestDataset",
        "dataroot_lq": args.pred_dir,
        "dataroot_gt": args.gt_dir,
        "protocol": args.dataset,
        "num_gt": args.num_gt,
        "alpha": "drop",
    }
    for option in ("pred_dir", "gt_dir"):  # in the words of this command line
        open_store(getattr(args, option), option=f"--{option}")
    title = args.title or Path(args.pred_dir).resolve().name
    evaluation = evaluate_folders(section, metrics, title)
    if args.input_dir:
        held = {path.stem for path in image_files(args.pred_dir)}
        lonely = [path for path in image_files(args.input_dir) if path.stem not in held]
        evaluation.skipped += [f"{path}: has no result in {args.pred_dir}." for path in lonely]
    write(evaluation, args, metrics)
    print(evaluation.table.line())
    for reason in evaluation.skipped:
        print(f"skipped: {reason}", file=sys.stderr)
    return 2 if evaluation.skipped else 0


def write(evaluation: Evaluation, args: argparse.Namespace, metrics: dict) -> None:
    """Tables, gallery and, where asked for, the line of means."""
    from smoothkit.engine.gallery import gallery
    from smoothkit.engine.result_lines import ResultLine, append_result, read_results
    from smoothkit.engine.tables import write_tables
    from smoothkit.metrics import is_higher_better

    table = evaluation.table
    out_dir = Path(args.out_dir or Path("results/evaluation") / table.dataset)
    write_tables([table], out_dir)
    page = gallery(
        evaluation,
        "psnr",
        is_higher_better=is_higher_better(metrics["psnr"]),
        count=args.num_shown,
        input_dir=args.input_dir,
    )
    write_text(out_dir / "gallery.html", page)
    print(out_dir / "gallery.html")
    if args.append and table.rows:
        means = {name: values["mean"] for name, values in table.summary().items()}
        append_result(args.append, ResultLine(table.dataset, means["psnr"], means["ssim"]))
        for line in read_results(args.append):
            print(line.text(), end="")


if __name__ == "__main__":
    sys.exit(run_command(main))
