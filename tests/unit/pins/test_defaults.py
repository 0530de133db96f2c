"""Defaults and constants stay what the specifications say, and change only on purpose."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
import yaml

from smoothkit.core.signature import defaults
from support.defaults import COMMAND, FOLDER, all_defaults

SPECIFIED = yaml.safe_load((Path(__file__).parent / "specified.yml").read_text())


@pytest.mark.parametrize("name", SPECIFIED)
def test_a_default_is_that_of_its_paper(name):
    module, _, attribute = name.rpartition(".")
    found = getattr(importlib.import_module(f"smoothkit.{module}"), attribute)
    pinned = SPECIFIED[name]
    if callable(found):
        found = {key: value for key, value in defaults(found).items() if key in pinned}
    assert as_lists(found) == pinned


def test_nothing_changes_unnoticed():
    now = json.loads(json.dumps(all_defaults()))
    was = {k: v for path in FOLDER.glob("*.json") for k, v in json.loads(path.read_text()).items()}
    changed = [
        f"{module} {name}: {was.get(module, {}).get(name, 'nothing')!r} became "
        f"{now.get(module, {}).get(name, 'nothing')!r}"
        for module in sorted({*was, *now})
        for name in sorted({*was.get(module, {}), *now.get(module, {})})
        if was.get(module, {}).get(name, ...) != now.get(module, {}).get(name, ...)
    ]
    hint = f"If that is meant, tell users in CHANGELOG.md and run: {COMMAND}"
    assert not changed, "\n".join([*changed, hint])


def as_lists(value):
    """Tuples as the lists of YAML."""
    if isinstance(value, dict):
        return {key: as_lists(item) for key, item in value.items()}
    return [as_lists(item) for item in value] if isinstance(value, list | tuple) else value
