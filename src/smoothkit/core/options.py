"""Option files: read by a safe YAML loader, the line of every key kept, then read-only."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

import yaml

from smoothkit.core.errors import Fault, OptionError

# YAML 1.1 wants a dot in every float, so it reads BasicSR's 1e-4 as a text.
_FLOAT = re.compile(r"^[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)[eE][-+]?[0-9]+$")

_STR = "tag:yaml.org,2002:str"
_KEY_TAGS = (_STR, "tag:yaml.org,2002:merge")

# Far more than any option file holds, written out and with its aliases taken apart; a few lines of
# aliases of aliases make more than any memory does.
MAX_BYTES = 1_000_000
MAX_VALUES = 100_000
MAX_DEPTH = 50


class FrozenDict(dict[str, Any]):
    """A dictionary that cannot be changed; ``copy.deepcopy`` gives a plain one."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("options are read-only; take a plain copy to change them")

    __setitem__ = __delitem__ = update = setdefault = clear = pop = popitem = _refuse
    __ior__ = _refuse

    def __deepcopy__(self, memo: Any) -> dict[str, Any]:
        return {key: thaw(item) for key, item in self.items()}

    def __reduce__(self) -> Any:
        return (dict, (thaw(self),))


@dataclass(frozen=True)
class OptionFile:
    """A read option file.

    Args:
        path: where it came from.
        text: as it stood there.
        data: its content, read-only.
        places: ``file:line`` of each dotted path.
        faults: what reading it already found: duplicate keys, keys that are no text, tags that
            would run code.
    """

    path: Path
    text: str
    data: FrozenDict
    places: dict[str, str] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()

    def with_data(self, data: Mapping[str, Any]) -> OptionFile:
        """The same file with other content, for what is filled in or overridden."""
        return replace(self, data=freeze(data))

    def refuse_faults(self) -> None:
        """For programs that read some keys of a file, and do not check the whole of it.

        Raises:
            OptionError: reading it found faults.
        """
        if self.faults:
            raise self.error(self.faults)

    def error(self, faults: Sequence[Fault]) -> OptionError:
        """The error that reports ``faults`` with their lines, in the order of the file."""
        return OptionError(sorted(faults, key=lambda f: self._line(f.where)), self.places)

    def _line(self, where: str) -> int:
        while where and where not in self.places:
            where = where.rpartition(".")[0]
        number = self.places.get(where, "").rpartition(":")[2]
        return int(number) if number.isdigit() else 0


def freeze(value: Any) -> Any:
    """A read-only copy: mappings become ``FrozenDict``, lists stay lists."""
    if isinstance(value, Mapping):
        return FrozenDict({key: freeze(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return [freeze(item) for item in value]
    return value


def thaw(value: Any) -> Any:
    """A deep copy in plain dictionaries and lists, which data workers can pickle."""
    if isinstance(value, Mapping):
        return {key: thaw(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [thaw(item) for item in value]
    return value


def read_options(path: str | Path, overrides: Sequence[str] = ()) -> OptionFile:
    """The option file at ``path``, with ``overrides`` in the form ``a:b=value`` applied.

    Raises:
        OptionError: no such file, not YAML, not a section of keys, or a malformed override.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MAX_BYTES + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"{path}: cannot be read as a text file: {error}") from error
    if len(text) > MAX_BYTES:
        raise OptionError(f"{path}: is no option file: it has more than {MAX_BYTES:,} characters.")
    data, loader = _parse(text, str(path))
    if not isinstance(data, dict):
        raise OptionError(f"{path}: must be a YAML file of 'key: value' lines.")
    data = thaw(data)  # aliases share what an override must change in one place only
    for override in overrides:
        _override(data, override, loader.places)
    return OptionFile(path, text, freeze(data), loader.places, tuple(loader.faults))


class _Loader(yaml.SafeLoader):
    """The safe loader, which notes lines and faults on the way instead of stopping at the first."""

    def __init__(self, text: str, name: str) -> None:
        super().__init__(text)
        self.source = name
        self.places: dict[str, str] = {}
        self.faults: list[Fault] = []

    def refuse_excess(self, root: yaml.Node) -> None:
        """Refuse what has no end, is nested too deeply or holds too much.

        Raises:
            OptionError: ``root`` is such.
        """
        sizes: dict[int, tuple[int, int]] = {}

        def measure(node: yaml.Node, above: tuple[int, ...]) -> tuple[int, int]:
            """Values in ``node``, itself included, and levels below it."""
            line = node.start_mark.line + 1
            too = f"{self.source}:{line}: is no part of an option file:"
            if id(node) in above:
                raise OptionError(f"{self.source}:{line}: contains itself. Remove the alias.")
            if id(node) not in sizes:
                inner = [measure(child, (*above, id(node))) for child in _children(node)]
                values = 1 + sum(number for number, _ in inner)
                sizes[id(node)] = values, 1 + max((depth for _, depth in inner), default=0)
            values, depth = sizes[id(node)]
            if values > MAX_VALUES:
                raise OptionError(f"{too} it holds more than {MAX_VALUES:,} values.")
            if depth > MAX_DEPTH:
                raise OptionError(f"{too} it is nested more than {MAX_DEPTH} levels deep.")
            return sizes[id(node)]

        measure(root, ())

    def note(self, node: yaml.Node, path: str = "") -> None:
        """Record the line of every key below ``node``, each key given twice, and what is no key."""
        if isinstance(node, yaml.MappingNode):
            keys: set[str] = set()
            node.value = [(self._text_key(key, path), value) for key, value in node.value]
            for key_node, value_node in node.value:
                key = key_node.value
                inner = _below(path, key)
                if key in keys and key != "<<":
                    line = key_node.start_mark.line + 1
                    self.faults.append(
                        Fault(inner, f"is given twice, again in line {line}. Keep one.")
                    )
                keys.add(key)
                self.places.setdefault(inner, f"{self.source}:{key_node.start_mark.line + 1}")
                self.note(value_node, inner)
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.note(item, f"{path}.{index}")

    def _text_key(self, node: yaml.Node, path: str) -> yaml.ScalarNode:
        """A key as text, so that a check can go on; all that the programs know is text.

        ``1``, ``true`` (and ``on``, ``no``), ``null`` and lists are keys for YAML, too.
        """
        if isinstance(node, yaml.ScalarNode) and node.tag in _KEY_TAGS:
            return node
        compound = "a mapping" if isinstance(node, yaml.MappingNode) else "a list"
        key = str(node.value) if isinstance(node, yaml.ScalarNode) else compound
        kind = node.tag.rpartition(":")[2]
        message = f"a key must be text, YAML takes this one as '{kind}'. Write a name or quote it."
        self.places.setdefault(_below(path, key), f"{self.source}:{node.start_mark.line + 1}")
        self.faults.append(Fault(_below(path, key), message))
        return yaml.ScalarNode(_STR, key, node.start_mark, node.end_mark)

    def refuse_tag(self, node: yaml.Node) -> None:
        """Constructor of every tag that plain YAML does not have."""
        tag = node.tag.replace("tag:yaml.org,2002:", "!!")
        where = f"{self.source}:{node.start_mark.line + 1}"
        message = f"the tag '{tag}' is refused: an option file holds values, never code. Remove it."
        self.faults.append(Fault("", f"{where}: {message}"))


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _text(loader: _Loader, node: yaml.ScalarNode) -> str:
    """Text; ``~/`` in front is the user's home, as in a shell."""
    text = str(loader.construct_scalar(node))
    return str(Path(text).expanduser()) if text.startswith("~/") else text


_Loader.add_constructor(_STR, _text)
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))
_Loader.add_constructor(None, _Loader.refuse_tag)


def parse_value(text: str) -> Any:
    """One YAML value, as in an option file; never executed.

    Raises:
        OptionError: not YAML, or a tag that would run code.
    """
    value, loader = _parse(text, "--force_yml")
    if loader.faults:
        raise OptionError(loader.faults)
    return value


def _parse(text: str, name: str) -> tuple[Any, _Loader]:
    try:
        loader = _Loader(text, name)
        node = loader.get_single_node()
        if node is None:
            return None, loader
        loader.refuse_excess(node)
        loader.note(node)
        return loader.construct_document(node), loader
    except RecursionError as error:
        raise OptionError(f"{name}: is no option file: it is nested too deeply.") from error
    except (yaml.YAMLError, ValueError) as error:
        raise OptionError(f"{name}: is not YAML: {' '.join(str(error).split())}") from error


def _override(data: dict[str, Any], text: str, places: dict[str, str]) -> None:
    keys_text, equals, value = text.partition("=")
    keys = [key.strip() for key in keys_text.split(":")]
    if not equals or not all(keys):
        raise OptionError(f"--force_yml {text}: must have the form key:sub=value.")
    if any("." in key for key in keys) and keys_text.strip() not in data:
        colons = keys_text.strip().replace(".", ":")
        raise OptionError(f"--force_yml {text}: keys are parted by colons. Write {colons}={value}.")
    section: Any = data
    for depth, key in enumerate(keys[:-1]):
        section = section.setdefault(key, {})
        if not isinstance(section, dict):
            inner = ":".join(keys[: depth + 1])
            raise OptionError(f"--force_yml {text}: '{inner}' is a value, not a section of keys.")
    section[keys[-1]] = parse_value(value)
    places[".".join(keys)] = f"--force_yml {text}"
