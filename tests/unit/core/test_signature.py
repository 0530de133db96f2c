"""Signatures as schemas."""

from __future__ import annotations

from typing import Literal

import pytest

from smoothkit.core.signature import signature_faults, unread_keys, with_whole_numbers


class Part:
    """Something with options of every kind."""

    def __init__(
        self,
        count: int,
        weight: float = 1.0,
        mode: Literal["a", "b"] = "a",
        sides: tuple[int, int] | None = None,
        names: list[str] | None = None,
        flag: bool = False,
        section: dict[str, int] | None = None,
    ) -> None:
        pass


def messages(**options):
    return [f"{f.where}: {f.message}" for f in signature_faults(Part, options, "part")]


def test_right_options_have_no_faults():
    assert not messages(count=3, weight=2, mode="b", sides=[1, 2], names=["x"], section={})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": "3"}, "part.count: must be a whole number, got '3'."),
        ({"count": 2.5}, "part.count: must be a whole number, got 2.5."),
        ({"count": True}, "part.count: must be a whole number, got true."),
        ({"weight": "1"}, "part.weight: must be a number, got '1'."),
        ({"mode": "c"}, "part.mode: must be one of 'a', 'b', got 'c'."),
        ({"sides": [1]}, "part.sides: must be a list of (a whole number) or ~ (none), got [1]."),
        ({"names": "x"}, "part.names: must be a list of (a text) or ~ (none), got 'x'."),
        ({"flag": 1}, "part.flag: must be true or false, got 1."),
        ({"section": 1}, "part.section: must be a section of keys or ~ (none), got 1."),
        ({"coumt": 1}, "part.coumt: Part takes no such option. Did you mean 'count'? "),
        ({}, "part: Part needs 'count', which is missing. Add 'count: ...' here."),
    ],
)
def test_a_fault_says_what_is_wanted(options, message):
    options = options if "coumt" in options or not options else {"count": 1, **options}
    assert any(found.startswith(message) for found in messages(**options)), messages(**options)


def test_whole_numbers_may_be_written_as_floats():
    assert with_whole_numbers(Part, {"count": 5e3, "weight": 2.0}) == {"count": 5000, "weight": 2.0}
    assert type(with_whole_numbers(Part, {"weight": 2.0})["weight"]) is float


def test_keys_that_a_class_never_names_are_unread():
    class Theirs:
        def __init__(self, opt):
            self.size = opt["gt_size"] + opt.get("border", 0)

    assert unread_keys(Theirs, ["gt_size", "border", "gt_sise"]) == ["gt_sise"]
