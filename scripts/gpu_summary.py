"""What scripts/gpu_check.sh found: the machine, its tests, the table, and what is left out."""

from __future__ import annotations

import argparse
import json
import platform
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# Packages that may be missing, and what needs them.
OPTIONAL = {
    "basicsr": "its networks, super-resolution (hggt_sr), degradation, NIQE",
    "lmdb": "images in lmdb files",
    "lpips": "the metric lpips",
    "pymatting": "foregrounds of photographs, classical matting",
    "safetensors": "weights in .safetensors",
    "tensorboard": "TensorBoard files",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("facts", "device", "summary"))
    parser.add_argument("out", type=Path, help="folder of the check")
    args = parser.parse_args()
    path = args.out / "facts.json"
    if args.what == "facts":
        found = facts()
        path.write_text(json.dumps(found, indent=2) + "\n")
        for key, value in found.items():
            if key != "missing":
                print(f"{key}: {value}")
        return 0
    found = json.loads(path.read_text())
    if args.what == "device":
        print("cpu" if found["device"] == "cpu" else "cuda")
        return 0
    return summarise(args.out, found)


def facts() -> dict[str, Any]:
    """The machine, and which packages are missing here."""
    import torch
    import torchvision

    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu"
    return {
        "device": device,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if device != "cpu" else None,
        "missing": [name for name in OPTIONAL if find_spec(name) is None],
    }


def summarise(out: Path, found: dict[str, Any]) -> int:
    """Print and write what came out of it; 1 if a test or a measurement failed."""
    tests, table = read_tests(out), read_table(out)
    notes = out / "notes.txt"
    left_out = [f"{name} is not installed: {OPTIONAL[name]}" for name in found["missing"]]
    left_out += notes.read_text().splitlines() if notes.exists() else []
    for reason, count in tests["skipped"].items():
        left_out.append(f"{count} test(s): {reason}")
    left_out += table["left_out"]
    failed = tests["failed"] + table["failed"]
    content = {"facts": found, "tests": tests, "table": table}
    content |= {"left_out": left_out, "failed": failed}
    (out / "summary.json").write_text(json.dumps(content, indent=2) + "\n")
    is_small = found["device"] == "cpu"
    print(f"On {found['device']}{', a trial whose figures mean nothing' if is_small else ''}.")
    print(f"tests: {tests['passed']} passed, {len(tests['failed'])} failed, "
          f"{sum(tests['skipped'].values())} skipped, in {tests['seconds']:.0f} s")  # fmt: skip
    print(f"table: {len(table['rows'])} rows")
    for line in left_out:
        print(f"left out: {line}")
    for line in failed:
        print(f"FAILED: {line}")
    print(f"All of it: {out / 'summary.json'}")
    return int(bool(failed))


def read_tests(out: Path) -> dict[str, Any]:
    """Names of failed tests, how many passed, and how many were skipped for which reason."""
    code, path = out / "tests.code", out / "tests.xml"
    suite = ET.parse(path).getroot().find("testsuite") if path.exists() else None
    cases = suite.findall("testcase") if suite is not None else []
    failed, skipped = [], Counter[str]()
    for case in cases:
        skip = case.find("skipped")
        if skip is not None:
            skipped[str(skip.get("message"))] += 1
        elif case.find("failure") is not None or case.find("error") is not None:
            failed.append(f"test {case.get('classname')}::{case.get('name')}")
    passed = len(cases) - len(failed) - sum(skipped.values())
    # 0: all passed. 1: some failed, as listed.
    if not code.exists() or code.read_text().strip() not in ("0", "1") or not cases:
        failed.append("the tests did not come to their end, see tests.log")
    seconds = float(suite.get("time", 0)) if suite is not None else 0.0
    return {"passed": passed, "failed": failed, "skipped": dict(skipped), "seconds": seconds}


def read_table(out: Path) -> dict[str, Any]:
    """The table; only its rows where the program was killed before it could write it."""
    if (out / "table.json").exists():
        content: dict[str, Any] = json.loads((out / "table.json").read_text())
        return content
    rows = out / "rows.jsonl"
    lines = rows.read_text().splitlines() if rows.exists() else []
    failed = ["the table did not come to its end"]
    return {"rows": [json.loads(line) for line in lines], "left_out": [], "failed": failed}


if __name__ == "__main__":
    sys.exit(main())
