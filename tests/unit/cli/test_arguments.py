"""Flags of the command line."""

import argparse
import ast
from pathlib import Path

import pytest

from smoothkit import test, train
from smoothkit.cli.arguments import Gather

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("program", [train, test])
def test_changes_of_the_option_file_add_up(program):
    words = ["-opt", "a.yml", "--force_yml", "name=b", "--force_yml", "scale=2", "num_gpu=0"]
    assert program.parser().parse_args(words).force_yml == ["name=b", "scale=2", "num_gpu=0"]


def test_the_first_values_of_a_list_replace_its_default():
    parser = argparse.ArgumentParser()
    parser.add_argument("--scales", nargs="+", type=float, action=Gather, default=[1.0])
    assert parser.parse_args([]).scales == [1.0]
    assert parser.parse_args(["--scales", "0.5", "--scales", "2"]).scales == [0.5, 2.0]


def _loses_values(call: ast.Call) -> bool:
    words = {word.arg: ast.unparse(word.value) for word in call.keywords}
    names = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
    is_list = words.get("nargs") in ("'+'", "'*'") and str(names[0]).startswith("-")
    return is_list and words.get("action") != "Gather"


def test_no_list_flag_drops_what_it_was_given_first():
    files = [*ROOT.glob("src/smoothkit/**/*.py"), *ROOT.glob("scripts/**/*.py")]
    calls = [
        (file.name, node)
        for file in files
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call) and "add_argument" in ast.unparse(node.func)
    ]
    assert len(calls) > 100
    assert [name for name, call in calls if _loses_values(call)] == []
