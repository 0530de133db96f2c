"""Imports point down: the table of layers, held by reading the import statements."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import smoothkit

ROOT = Path(smoothkit.__file__).parent
SHARED = {"archs", "losses", "metrics", "data"}
# Package -> those of ours that it may import. Builders stand in the packages themselves, so
# `models` and `engine` reach networks, losses, metrics and data by name, never a module of theirs.
MAY_IMPORT = {
    "core": {"core"},
    "ops": {"core", "ops"},
    "archs": {"core", "ops", "archs"},
    "data": {"core", "ops", "data"},
    "losses": {"core", "ops", "archs", "losses"},
    "metrics": {"core", "ops", "archs", "metrics"},
    "models": {"core", "ops", "models"},
    "engine": {"core", "ops", "models", "engine"},
    "systems": {"core", "ops", "models", "engine", *SHARED},
    "annotate": {"core", "ops", "annotate"},
}
BUILDERS_FOR = {"models", "engine"}
FILES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Names of our modules that a file imports, without the package's own name."""
    for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("smoothkit."):
            yield node.module.removeprefix("smoothkit.")
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("smoothkit."):
                    yield alias.name.removeprefix("smoothkit.")


def is_allowed(path: Path, module: str) -> bool:
    package, target = path.parts[0], module.split(".")
    if package not in MAY_IMPORT:  # entry points and command lines
        return True
    if target[0] == "systems":
        return package == "systems" and target[1] == path.parts[1]
    if package == "systems" and target[0] == "cli":  # a system's commands are command lines
        return path.parts[2] == "commands"
    if target[0] in MAY_IMPORT[package]:
        return True
    return package in BUILDERS_FOR and module in SHARED


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_point_down(path):
    wrong = [module for module in imported(path) if not is_allowed(path, module)]
    assert not wrong


def test_the_package_itself_is_light(run_python):
    code = (
        "import sys, smoothkit; print([m for m in ('torch', 'cv2', 'numpy') if m in sys.modules])"
    )
    assert run_python("-c", code).stdout.strip() == "[]"


@pytest.mark.parametrize(
    "module", ["smoothkit.train", "smoothkit.test", "smoothkit.inference", "smoothkit"]
)
def test_help_imports_nothing_heavy(run_python, module):
    code = (
        f"import sys, runpy; sys.argv = ['x', '--help']\n"
        f"try: runpy.run_module('{module}', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print([m for m in ('torch', 'cv2', 'numpy', 'basicsr') if m in sys.modules])"
    )
    assert run_python("-c", code).stdout.splitlines()[-1] == "[]"


def test_nothing_calls_cuda_by_name():
    for path in FILES:
        assert ".cuda()" not in (ROOT / path).read_text("utf-8"), path


def test_basicsr_is_named_in_one_file_only():
    users = {str(p) for p in FILES if "basicsr" in {m.split(".")[0] for m in _foreign(p)}}
    assert users <= {"core/basicsr_compat.py"}


def _foreign(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
