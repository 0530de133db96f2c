"""Every default value and constant of the package and of the programs in ``scripts``.

``PYTHONPATH=tests python -m support.defaults`` writes them anew to where the test compares them.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, is_dataclass
from itertools import groupby
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

import numpy as np
import torch

import smoothkit
from smoothkit.core.signature import defaults

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests/unit/pins/defaults"
COMMAND = "PYTHONPATH=tests python -m support.defaults"
_CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]+")


def all_defaults() -> dict[str, dict[str, Any]]:
    """By module or program: defaults as ``function(parameter)``, constants by their names."""
    names = [info.name for info in pkgutil.walk_packages(smoothkit.__path__, "smoothkit.")]
    modules = [importlib.import_module(n) for n in names if not n.endswith("__main__")]
    # The systems of the tests join those of the package.
    own = [m for m in modules if Path(str(m.__file__)).is_relative_to(ROOT / "src")]
    found = {module.__name__: dict(_of_module(module)) for module in own}
    for folder in ("src/smoothkit", "scripts"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            found[path.relative_to(ROOT).as_posix()] = dict(_of_arguments(path))
    return {name: values for name, values in found.items() if values}


def write() -> None:
    """Take what is there now as what is to be: a file for each package, a line for each value."""
    for path in FOLDER.glob("*.json"):
        path.unlink()
    for area, modules in groupby(sorted(all_defaults().items()), key=lambda item: _area(item[0])):
        blocks = [f"{json.dumps(module)}: {_block(values)}" for module, values in modules]
        (FOLDER / f"{area}.json").write_text("{\n" + ",\n".join(blocks) + "\n}\n")


def _block(values: Mapping[str, Any]) -> str:
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in sorted(values.items())]
    return "{\n" + ",\n".join(lines) + "\n}"


def _area(name: str) -> str:
    """The file for a module or program; each system has its own."""
    if name.endswith(".py"):
        return name.partition("/")[0]
    parts = name.split(".")[1:]
    return "_".join(parts[:2] if parts[0] == "systems" else parts[:1])


def _of_module(module: ModuleType) -> Iterator[tuple[str, Any]]:
    constants = _assigned(ast.parse(inspect.getsource(module)))
    for name, value in vars(module).items():
        is_constant = name in constants and _CONSTANT.fullmatch(name)
        if is_constant and _is_plain(value) and not isinstance(value, set):  # which may fill up
            yield name, _plain(value)
        elif inspect.isfunction(value) and value.__module__ == module.__name__:
            yield from _of_callable(name, value)
        elif inspect.isclass(value) and value.__module__ == module.__name__:
            # A constructor of torch's is none of ours.
            if getattr(value.__init__, "__module__", "").startswith("smoothkit"):
                yield from _of_callable(name, value)
            for method, function in vars(value).items():
                if inspect.isfunction(function) and not method.startswith("__"):
                    yield from _of_callable(f"{name}.{method}", function)


def _assigned(tree: ast.Module) -> set[str]:
    """Names that a module gives a value to, not those that it imports."""
    targets = [
        target
        for node in tree.body
        for target in (node.targets if isinstance(node, ast.Assign) else [node])
    ]
    targets = [t.target if isinstance(t, ast.AnnAssign) else t for t in targets]
    names = [n for t in targets for n in (t.elts if isinstance(t, ast.Tuple) else [t])]
    return {name.id for name in names if isinstance(name, ast.Name)}


def _of_callable(name: str, function: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
    for parameter, value in defaults(function).items():
        if _is_plain(value):
            yield f"{name}({parameter})", _plain(value)


def _of_arguments(path: Path) -> Iterator[tuple[str, str]]:
    """The defaults of a program's options, as they are written there."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_argument":
            flag = next((arg.value for arg in node.args if isinstance(arg, ast.Constant)), "?")
            for keyword in node.keywords:
                if keyword.arg in ("default", "action", "choices"):
                    yield f"{flag} {keyword.arg}", ast.unparse(keyword.value)


def _is_plain(value: Any) -> bool:
    """Whether a value can be a setting: numbers, short texts, and collections of them."""
    if isinstance(value, str):
        return len(value) < 80 and "\n" not in value
    if isinstance(value, Mapping):
        return isinstance(value, dict | MappingProxyType) and all(map(_is_plain, value.values()))
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(_is_plain, value))
    kinds = bool | int | float | np.ndarray | re.Pattern | Path | torch.dtype
    is_made = is_dataclass(value) and not isinstance(value, type)
    return value is None or is_made or isinstance(value, kinds) or inspect.isfunction(value)


def _plain(value: Any) -> Any:
    """A value as JSON keeps it; functions by their names."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return np.round(value, 6).tolist()  # the last digits are the machine's
    if inspect.isfunction(value):
        return value.__qualname__
    is_json = value is None or isinstance(value, bool | int | float | str)
    return value if is_json else str(getattr(value, "pattern", value))


if __name__ == "__main__":
    write()
