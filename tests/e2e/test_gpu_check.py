"""What scripts/gpu_check.sh says of its results; that it runs is tried by running it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FACTS = {"device": "NVIDIA H100", "torch": "2.11.0", "missing": ["basicsr"]}
ROW = {"system": "jess", "what": "training", "way": "plain", "seconds": 0.1}
CASES = """<testsuites><testsuite time="12.5">
<testcase classname="tests.gpu.test_a" name="test_one"/>
<testcase classname="tests.gpu.test_a" name="test_two"><skipped message="no BasicSR"/></testcase>
{}</testsuite></testsuites>"""
CUT_OFF = "the tests did not come to their end"
FAILURE = '<testcase classname="tests.gpu.test_b" name="test_three"><failure/></testcase>'


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder in which all went well."""
    table = {"rows": [ROW], "left_out": ["training of hggt_sr: BasicSR is not here"], "failed": []}
    contents: dict[str, Any] = {"facts.json": FACTS, "table.json": table}
    for name, content in contents.items():
        (tmp_path / name).write_text(json.dumps(content))
    (tmp_path / "rows.jsonl").write_text(json.dumps(ROW) + "\n")
    (tmp_path / "tests.xml").write_text(CASES.format(""))
    (tmp_path / "tests.code").write_text("0\n")
    return tmp_path


def test_what_was_left_out_is_named_with_its_reason(results, run_script, capsys) -> None:
    (results / "notes.txt").write_text("lmdb.whl does not install here: no\n")
    assert run_script("gpu_summary.py", f"summary {results}") == 0
    printed = capsys.readouterr().out
    assert "tests: 1 passed, 0 failed, 1 skipped, in 12 s" in printed
    left_out = json.loads((results / "summary.json").read_text())["left_out"]
    assert left_out == [
        "basicsr is not installed: its networks, super-resolution (hggt_sr), degradation, NIQE",
        "lmdb.whl does not install here: no",
        "1 test(s): no BasicSR",
        "training of hggt_sr: BasicSR is not here",
    ]
    assert all(f"left out: {line}" in printed for line in left_out)


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("tests.xml", CASES.format(FAILURE), "FAILED: test tests.gpu.test_b::test_three"),
        ("tests.xml", "<testsuites><testsuite/></testsuites>", f"FAILED: {CUT_OFF}"),
        ("tests.xml", None, f"FAILED: {CUT_OFF}"),
        ("tests.code", "124", f"FAILED: {CUT_OFF}"),
        ("table.json", None, "FAILED: the table did not come to its end"),
    ],
)
def test_what_failed_or_was_cut_off_is_told(
    results: Path, run_script, capsys, file: str, content: str | None, told: str
) -> None:
    if content is None:
        (results / file).unlink()
    else:
        (results / file).write_text(content)
    assert run_script("gpu_summary.py", f"summary {results}") == 1
    assert told in capsys.readouterr().out
    assert json.loads((results / "summary.json").read_text())["table"]["rows"] == [ROW]


def test_the_script_tells_its_options_and_refuses_others() -> None:
    script = ["sh", str(ROOT / "scripts/gpu_check.sh")]
    told = subprocess.run([*script, "--help"], capture_output=True, text=True)
    assert told.returncode == 0
    assert "-w WHEELS" in told.stdout
    for wrong, reason in (("--fast", "no such option"), ("-o", "needs a folder")):
        refused = subprocess.run([*script, wrong], capture_output=True, text=True)
        assert refused.returncode == 2
        assert reason in refused.stderr
