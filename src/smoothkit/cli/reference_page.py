"""The options reference, written from the signatures and docstrings that also check the files."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

from smoothkit.cli.list import KINDS, registry_of, summary

_HEAD = """# Options reference

Written by `python -m smoothkit list --markdown` from the signatures that option files are checked
against. Each table is a section of an option file, or what stands beside a `type`.
"""
_TITLES = {
    "archs": "Networks (`network_g`, ...)",
    "models": "Models (`model_type`; their options stand at the top level)",
    "losses": "Losses (`train.<name>_opt`; also `pred`, `target` or `inputs`: what they read)",
    "datasets": "Data sets (`datasets.<phase>`, beside the loader's keys)",
    "metrics": "Metrics (`val.metrics.<name>`; also `better: higher|lower`)",
}


def page() -> str:
    """The whole page, in Markdown."""
    return "\n".join([_HEAD, *_sections(), *_components()])


def _sections() -> Iterator[str]:
    from smoothkit.core import settings

    for title, cls in (
        ("Top level", settings.RunSettings),
        ("`datasets.<phase>`: the loader", settings.LoaderSettings),
        ("`path`", settings.PathSettings),
        ("`train`", settings.TrainSettings),
        ("`val`", settings.ValSettings),
        ("`logger`", settings.LoggerSettings),
        ("`dist_params`", settings.DistSettings),
    ):
        yield f"## {title}\n\n{_table(cls)}"


def _components() -> Iterator[str]:
    for kind in KINDS:
        registry = registry_of(kind)
        yield f"## {_TITLES[kind]}\n"
        for name, cls in registry:
            aliases = registry.aliases(name)
            known = f" Also known as {', '.join(f'`{a}`' for a in aliases)}." if aliases else ""
            yield f"### `{name}`\n\n{summary(cls)}{known}\n\n{_table(cls)}"


def _table(cls: Any) -> str:
    from smoothkit.core.signature import describe_kind, parameters, type_hints
    from smoothkit.metrics import image_parameters

    given = {"opt", "runtime", *image_parameters(cls)}
    hints, texts = type_hints(cls), _argument_texts(cls)
    rows = [
        f"| `{name}` | {describe_kind(hints.get(name, Any))} | {_default(p)} "
        f"| {texts.get(name, '')} |"
        for name, p in parameters(cls).items()
        if name not in given
    ]
    if not rows:
        return "No options.\n"
    return "\n".join(["| key | value | default | meaning |", "|---|---|---|---|", *rows, ""])


def _default(param: inspect.Parameter) -> str:
    if param.default is inspect.Parameter.empty:
        return "needed"
    if type(param.default).__name__ == "_HAS_DEFAULT_FACTORY_CLASS":
        return "empty"
    shown = {None: "`~`", True: "`true`", False: "`false`"}
    is_named = param.default is None or isinstance(param.default, bool)
    return shown[param.default] if is_named else f"`{param.default}`"


def _argument_texts(cls: Any) -> dict[str, str]:
    """What the ``Args`` part of a docstring says of each parameter."""
    texts: dict[str, str] = {}
    doc = inspect.getdoc(cls) or ""
    part = re.search(r"^Args:\n((?:[ ]+.*\n?|\n)+)", doc, re.M)
    if part is None:
        return texts
    names: list[str] = []
    for line in part.group(1).splitlines():
        found = re.match(r"    (\w+(?:, \w+)*): (.*)", line)
        if found:
            names = found.group(1).split(", ")
            texts.update(dict.fromkeys(names, found.group(2)))
        elif line.strip():
            texts.update({name: f"{texts[name]} {line.strip()}" for name in names})
    return {name: text.replace("``", "`").replace("|", "\\|") for name, text in texts.items()}
