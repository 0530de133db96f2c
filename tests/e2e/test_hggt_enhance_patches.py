"""The data scripts of HGGT, killed at any moment and run again."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from support.enhanced import make_sets, tree

ROOT = Path(__file__).parents[2]
PATCHES = "patch_select.py --img_path in --save_path out --crop_size 32 --step_size 24 --seed 5"


@pytest.fixture
def run_killed(run_python, tmp_path) -> Callable[[str, str, int], None]:
    """Runs a script in ``tmp_path`` that is killed at the n-th call of a function of ``os``."""

    def run(line: str, function: str, at: int) -> None:
        script, *arguments = line.split()
        code = (
            "import runpy, sys\nfrom support.kill_at import arm\n"
            f"arm({function!r}, {at})\nsys.argv = {[script, *arguments]}\n"
            f"runpy.run_path({str(ROOT / 'scripts/data_preparation' / script)!r}, "
            "run_name='__main__')"
        )
        paths = os.pathsep.join([str(ROOT / "tests"), str(ROOT / "src")])
        done: subprocess.CompletedProcess[str] = run_python(
            "-c", code, cwd=tmp_path, env={**os.environ, "PYTHONPATH": paths}
        )
        assert done.returncode == -signal.SIGKILL, done.stderr

    return run


# The first of these falls before the first patch, the last one between text file and page.
@pytest.mark.parametrize(
    ("function", "at"), [("replace", 2), ("replace", 9), ("fsync", 40), ("replace", -1)]
)
def test_killed_patches_are_completed_as_if_nothing_had_been(
    run_killed, run_script, tmp_path, function, at
):
    make_sets(tmp_path / "in")
    assert run_script("data_preparation/patch_select.py", line_of(PATCHES)) == 0
    (tmp_path / "out").rename(tmp_path / "whole")
    count = sum(1 for content in tree(tmp_path / "whole").values() if content is not None)
    run_killed(PATCHES, function, at % (count + 1))
    assert tree(tmp_path / "out") != tree(tmp_path / "whole")
    assert run_script("data_preparation/patch_select.py", line_of(PATCHES)) == 0
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def test_killed_while_it_removes_patches(run_killed, run_script, tmp_path):
    make_sets(tmp_path / "in")
    some = f"{PATCHES} --min_dist q0.5"
    assert run_script("data_preparation/patch_select.py", line_of(some)) == 0
    (tmp_path / "out").rename(tmp_path / "some")
    assert run_script("data_preparation/patch_select.py", line_of(PATCHES)) == 0
    whole = tree(tmp_path / "out")
    run_killed(some, "unlink", 3)
    assert tree(tmp_path / "some").keys() < tree(tmp_path / "out").keys() < whole.keys()
    assert run_script("data_preparation/patch_select.py", line_of(some)) == 0
    assert tree(tmp_path / "out") == tree(tmp_path / "some")


# The first of these falls before the first file, the second one before the last list of names.
@pytest.mark.parametrize(
    ("link", "function", "at"),
    [
        ("", "replace", 1),
        ("", "replace", -1),
        ("", "fsync", 7),
        (" --link symbolic", "symlink", 5),
        (" --link hard", "link", 5),
    ],
)
def test_killed_groups_are_completed(run_killed, run_script, tmp_path, link, function, at):
    make_sets(tmp_path / "in")
    command = f"regroup.py --img_path in --save_path out --num_imgs 2{link}"
    assert run_script("data_preparation/regroup.py", line_of(command)) == 0
    (tmp_path / "out").rename(tmp_path / "whole")
    count = sum(1 for content in tree(tmp_path / "whole").values() if content is not None)
    run_killed(command, function, at % (count + 1))
    assert tree(tmp_path / "out") != tree(tmp_path / "whole")
    assert run_script("data_preparation/regroup.py", line_of(command)) == 0
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def line_of(command: str) -> str:
    """The arguments of a script."""
    return command.partition(" ")[2]
