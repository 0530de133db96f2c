"""Option files that would take all time or memory."""

from __future__ import annotations

import re

import pytest
import yaml

from smoothkit.__main__ import main
from smoothkit.core.errors import OptionError
from smoothkit.core.options import MAX_BYTES, parse_value, read_options


def tower(item: str) -> str:
    """Eight levels of aliases, each with ten of the one below: a hundred million values."""
    lines = ["a0: &a0 {x: 1}"]
    for level in range(1, 9):
        below = ", ".join([f"*a{level - 1}"] * 10)
        lines.append(f"a{level}: &a{level} {item.format(below)}")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (tower("[{}]"), r"a\.yml:\d: is no part .* holds more than 100,000 values"),
        (tower("{{<<: [{}]}}"), r"a\.yml:\d: is no part .* holds more than 100,000 values"),
        ("x: &a [*a]", r"a\.yml:1: contains itself"),
        ("x: &a {<<: *a}", r"a\.yml:1: contains itself"),
        ("x: " + "[" * 60 + "]" * 60, r"a\.yml:1: is no part .* more than 50 levels"),
        ("x: " + "[" * 2000 + "]" * 2000, r"a\.yml: is no option file: it is nested too deeply"),
        ("x: " + "a" * MAX_BYTES, r"a\.yml: is no option file: it has more than 1,000,000 char"),
    ],
    ids=["aliases", "merges", "cycle", "merged cycle", "deep", "very deep", "long"],
)
def test_it_is_refused_at_once(tmp_path, text, message):
    (tmp_path / "a.yml").write_text(text)
    with pytest.raises(OptionError, match=message):
        read_options(tmp_path / "a.yml")


def test_a_change_is_refused_like_a_file():
    with pytest.raises(OptionError, match="--force_yml:1: contains itself"):
        parse_value("&a [*a]")


def test_aliases_and_merges_of_common_size_are_read(tmp_path):
    (tmp_path / "a.yml").write_text("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: [*a, *a]\n")
    data = read_options(tmp_path / "a.yml").data
    assert data["b"] == {"x": 1, "y": 3}
    assert data["c"] == [{"x": 1, "y": 2}] * 2


def test_a_change_of_a_section_leaves_its_aliases_alone(tmp_path):
    (tmp_path / "a.yml").write_text("a: &a {x: 1}\nb: *a\n")
    data = read_options(tmp_path / "a.yml", ["a:x=2"]).data
    assert (data["a"]["x"], data["b"]["x"]) == (2, 1)


def test_dots_for_colons_are_told(tmp_path):
    (tmp_path / "a.yml").write_text("train: {total_iter: 5}\n")
    with pytest.raises(OptionError, match=r"colons\. Write train:total_iter=3\.$"):
        read_options(tmp_path / "a.yml", ["train.total_iter=3"])


def test_a_long_value_is_cut_in_messages(tmp_path):
    from smoothkit.core.signature import value_faults

    (fault,) = value_faults("a" * 5000, int, "scale")
    assert len(fault.message) < 300


@pytest.mark.parametrize(
    ("text", "where", "kind"),
    [
        ("val:\n  1: 2", "a.yml:2: val.1", "int"),
        ("null: x", "a.yml:1: null", "null"),
        ("true: x", "a.yml:1: true", "bool"),
        ("train: {on: x}", "a.yml:1: train.on", "bool"),
        ("b: [{1.5: 2}]", "a.yml:1: b.0.1.5", "float"),
        ("? [1, 2]\n: 3", "a.yml:1: a list", "seq"),
        ("? {a: b}\n: 3", "a.yml:1: a mapping", "map"),
        ("x: &a {1: 2}\ny: {<<: *a}", "a.yml:1: x.1", "int"),
    ],
)
def test_a_key_that_is_no_text_is_named(tmp_path, text, where, kind):
    (tmp_path / "a.yml").write_text(text)
    file = read_options(tmp_path / "a.yml")
    message = f"{where}: a key must be text, YAML takes this one as '{kind}'."
    with pytest.raises(OptionError, match=re.escape(message)) as caught:
        file.refuse_faults()
    assert len(caught.value.faults) == 1


def test_a_key_that_is_no_text_is_refused_in_a_change():
    with pytest.raises(OptionError, match="1: a key must be text"):
        parse_value("{1: 2}")


@pytest.mark.parametrize(
    "section", [None, "val", "train", "network_g", "datasets", "logger", "path"]
)
@pytest.mark.parametrize("key", [1, None, True])
def test_a_check_tells_a_key_that_is_no_text(tiny, capfd, section, key):
    path = tiny()
    options = yaml.safe_load(path.read_text())
    (options if section is None else options.setdefault(section, {}))[key] = "x"
    path.write_text(yaml.safe_dump(options, sort_keys=False))
    assert main(["check", "-opt", str(path)]) == 2
    printed = capfd.readouterr().err
    assert "a key must be text" in printed
    assert "Traceback" not in printed
