"""doctor, list and the speed of --help."""

from __future__ import annotations

import sys

import pytest

from smoothkit.__main__ import main
from smoothkit.cli import doctor
from smoothkit.cli.process import run_command


@pytest.mark.parametrize("module", ["smoothkit.train", "smoothkit.test", "smoothkit"])
def test_help_is_there_at_once(run_python, module):
    done = run_python("-X", "importtime", "-m", module, "--help")
    assert done.returncode == 0
    assert "usage: " in done.stdout
    # What takes long to import; times themselves depend on how busy the machine is.
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "argparse" in loaded
    assert not loaded & {"torch", "torchvision", "cv2", "scipy", "basicsr", "skimage"}


def test_list_names_aliases_and_options(capsys):
    assert main(["list", "archs"]) == 0
    out = capsys.readouterr().out
    assert "JESSNet  (also HDC_edge_refine, HDR_edge_refine)" in out
    assert "options: in_c=3, out_c=3, dim=64, num_block=20" in out


def test_the_doctor_finds_rivals_and_tells_the_fix(capsys, monkeypatch):
    versions = {"tensorboard": "2.21.0", "tb-nightly": "2.21.0a1", "setuptools": "84.0"}
    monkeypatch.setattr(doctor, "_version", versions.get)
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "2 distributions of TensorBoard share files: tensorboard, tb-nightly" in out
    assert "fix: pip uninstall -y tensorboard tb-nightly && pip install tensorboard" in out
    assert "fix: pip install 'setuptools<81'" in out
    assert "BasicSR is not installed" in out


def test_the_doctor_names_the_interpreter(capsys):
    main(["doctor"])
    assert sys.executable in capsys.readouterr().out


def test_an_unknown_command_is_refused(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["nothing"])
    assert caught.value.code == 2
    assert "invalid choice: 'nothing'" in capsys.readouterr().err


def test_an_interrupted_command_ends_in_one_line(capfd):
    def command() -> int:
        raise KeyboardInterrupt

    assert run_command(command) == 130
    assert capfd.readouterr().err == "interrupted\n"
