"""PSNR and SSIM of results against all ground truths that annotators called positive.

Writes psnr_ssim_<folder>.txt beside each folder of results, as the published script does. Exits
with 2 where a set was left out.
"""

from __future__ import annotations

import argparse
import sys

from smoothkit.cli.process import run_command


def main() -> int:
    from smoothkit.cli.multi_gt import add_arguments, run_published

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_arguments(parser)
    return run_published(parser.parse_args(), ["psnr", "ssim"], "psnr_ssim")


if __name__ == "__main__":
    sys.exit(run_command(main))
