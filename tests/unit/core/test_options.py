"""Reading option files."""

from __future__ import annotations

import copy
import pickle

import pytest

from smoothkit.core.errors import OptionError
from smoothkit.core.options import freeze, parse_value, read_options, thaw


def read(tmp_path, text, overrides=()):
    path = tmp_path / "file.yml"
    path.write_text(text)
    return read_options(path, overrides)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("!!float 2e-4", 2e-4),
        ("-1E+3", -1000.0),
        ("~", None),
        ("off", False),
        ("[1, 2.5]", [1, 2.5]),
        ("1e", "1e"),
        ("e5", "e5"),
    ],
)
def test_a_value_is_what_its_author_meant(text, value):
    assert parse_value(text) == value
    assert type(parse_value(text)) is type(value)


def test_every_key_knows_its_line(tmp_path):
    file = read(tmp_path, "a: 1\nb:\n  c: 2\n  d: [{e: 3}]\n")
    lines = {path: place.rpartition(":")[2] for path, place in file.places.items()}
    assert lines == {"a": "1", "b": "2", "b.c": "3", "b.d": "4", "b.d.0.e": "4"}


def test_options_cannot_be_changed_but_copied(tmp_path):
    data = read(tmp_path, "a: {b: [1]}\n").data
    for change in (
        lambda: data.pop("a"),
        lambda: data["a"].update(b=2),
        lambda: data.setdefault("c", 1),
    ):
        with pytest.raises(TypeError, match="read-only"):
            change()
    for plain in (copy.deepcopy(data), thaw(data), pickle.loads(pickle.dumps(data))):
        plain["a"]["b"] = 2
        assert type(plain) is type(plain["a"]) is dict
    assert data == {"a": {"b": [1]}}


def test_freezing_goes_all_the_way_down():
    with pytest.raises(TypeError):
        freeze({"a": [{"b": 1}]})["a"][0]["b"] = 2


def test_an_override_into_a_value_is_refused(tmp_path):
    with pytest.raises(OptionError, match="'a' is a value, not a section"):
        read(tmp_path, "a: 1\n", ["a:b=2"])
    with pytest.raises(OptionError, match="must have the form key:sub=value"):
        read(tmp_path, "a: 1\n", ["a:b"])


def test_merge_keys_and_anchors_are_understood(tmp_path):
    file = read(tmp_path, "base: &x {a: 1, b: 2}\nuse: {<<: *x, b: 3}\n")
    assert file.data["use"] == {"a": 1, "b": 3}
    assert not file.faults


@pytest.mark.parametrize("text", ["", "- 1\n", "just words\n"])
def test_a_file_without_keys_is_refused(tmp_path, text):
    with pytest.raises(OptionError, match="must be a YAML file of 'key: value' lines"):
        read(tmp_path, text)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(OptionError, match=r"no\.yml: cannot be read"):
        read_options(tmp_path / "no.yml")


def test_a_path_may_begin_at_the_users_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    options = read(tmp_path, "a: ~/x/y\nb: ~\nc: a~/b", ["d=~/z"]).data
    assert options == {"a": f"{tmp_path}/x/y", "b": None, "c": "a~/b", "d": f"{tmp_path}/z"}
