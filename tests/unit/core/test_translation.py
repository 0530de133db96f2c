"""Systems that know published files, one of them broken."""

from __future__ import annotations

import sys

import pytest
import torch

from smoothkit.core import translation
from smoothkit.core.errors import DataError
from smoothkit.core.translation import translation_of
from smoothkit.models.infer import infer_network
from smoothkit.models.load import system_habits


@pytest.fixture(params=["1 / 0", "import nowhere", "def translate(o): o['no']\ninfer_network = 3"])
def broken(request, tmp_path, monkeypatch):
    """A system before all others whose ``reference.py`` fails."""
    folder = tmp_path / "aaa"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "reference.py").write_text(request.param)
    monkeypatch.setattr("smoothkit.systems.__path__", [str(tmp_path), *_systems()])
    translation._warn_once.cache_clear()
    yield "smoothkit.systems.aaa.reference"
    for name in [name for name in sys.modules if name.startswith("smoothkit.systems.aaa")]:
        del sys.modules[name]


def _systems():
    return list(sys.modules["smoothkit.systems"].__path__)


def test_a_broken_system_leaves_the_others_their_files(broken, caplog):
    found = translation_of({"model_type": "RealESRNet_Model", "name": "a"})
    assert found.options["model_type"] == "RestorationModel"
    assert caplog.text == ""


def test_a_broken_system_is_named_where_nobody_knows_a_file(broken, caplog):
    assert translation_of({"name": "a"}) is None
    assert infer_network({"a.weight": torch.ones(1)}) is None
    assert f"{broken} fails: " in caplog.text


def test_the_habits_of_a_broken_system_are_refused_not_guessed(tmp_path, monkeypatch):
    cls = type("Net", (), {"__module__": "smoothkit.systems.jess.arch"})
    monkeypatch.setitem(sys.modules, "smoothkit.systems.jess.reference", None)
    with pytest.raises(DataError, match=r"smoothkit\.systems\.jess\.reference: fails"):
        system_habits(cls)
