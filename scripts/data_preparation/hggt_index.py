"""What the labels of an HGGT folder say: statistics, files by label, faults of the pictures.

Without --list, --gather or --check it prints the statistics alone. --check looks at every label
file and at the header of every picture, and exits with 2 where it finds a fault.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from smoothkit.cli.arguments import whole_number
from smoothkit.cli.process import run_command

DEFAULT_ANNOTATORS = 3
WORDS = ("positive", "similar", "negative")


def main() -> int:
    from smoothkit.systems.hggt_sr.labels import counts, odd_labels, read_labels, unanimous
    from smoothkit.systems.hggt_sr.prepare import folder_faults, gather, labelled_files

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--image_dir", required=True, help="folder of original, 01, 02, ...")
    parser.add_argument("--label_dir", required=True, help="folder of A, B, C")
    parser.add_argument(
        "--annotators", type=whole_number(1), help="that each set needs; default: 3 with --check"
    )
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--list", choices=WORDS, help="print the files of this label")
    choice.add_argument("--gather", choices=WORDS, help="put the files of this label into OUT_DIR")
    parser.add_argument("--out_dir", help="for --gather")
    parser.add_argument("--copy", action="store_true", help="copy them; default: link")
    parser.add_argument("--check", action="store_true", help="look for faults, and name them all")
    args = parser.parse_args()
    if bool(args.gather) != bool(args.out_dir):
        parser.error("--gather and --out_dir go together")
    faults: list[str] = []
    if args.check:
        labels = read_labels(args.label_dir, faults=faults)
        needed = args.annotators or DEFAULT_ANNOTATORS
        if labels.num_annotators < needed:
            told = f"has labels of {labels.num_annotators} annotators, needs {needed}."
            faults.append(f"{args.label_dir}: {told}")
        faults += odd_labels(args.label_dir)
        faults += folder_faults(args.image_dir, labels)
    else:
        labels = read_labels(args.label_dir, num_annotators=args.annotators)
    if args.list:
        print("\n".join(map(str, labelled_files(args.image_dir, labels, args.list))))
        return 0
    for what, count in counts(labels).items():
        print(f"{what}: {count}")
    print(f"annotators: {labels.num_annotators}, all agree on {unanimous(labels):.1%} of pictures")
    if args.gather:
        files = list(labelled_files(args.image_dir, labels, args.gather))
        made = gather(files, Path(args.out_dir), "copy" if args.copy else "link")
        print(f"{args.out_dir}: {made} files")
    for fault in faults:
        print(fault, file=sys.stderr)
    if args.check:
        print(f"{len(faults)} faults")
    return 2 if faults else 0


if __name__ == "__main__":
    sys.exit(run_command(main))
