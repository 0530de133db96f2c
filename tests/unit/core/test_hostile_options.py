"""Option files that would take all time or memory."""

from __future__ import annotations

import pytest

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
