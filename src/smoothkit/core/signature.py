"""A constructor's signature as the schema of its option section."""

from __future__ import annotations

import difflib
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from smoothkit.core.errors import Fault, OptionError

T = TypeVar("T")

_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "a section of keys",
}


def parameters(target: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Named parameters of a class's constructor or of a function, without ``self``."""
    signature = inspect.signature(target)
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {name: p for name, p in signature.parameters.items() if p.kind not in kinds}


def defaults(target: Callable[..., Any]) -> dict[str, Any]:
    """The values that the options of a class have where an option file does not give them."""
    empty = inspect.Parameter.empty
    return {k: p.default for k, p in parameters(target).items() if p.default is not empty}


def takes_single_opt(target: Callable[..., Any]) -> bool:
    """True for classes in BasicSR's manner, whose only argument is the ``opt`` dictionary."""
    return list(parameters(target)) == ["opt"]


def unread_keys(cls: type, keys: Iterable[str]) -> list[str]:
    """Those of ``keys`` that a class taking one ``opt`` cannot read: its source never names them.

    Empty where the source is not to be had.
    """
    # Python's own bases have no source to look at, and read no options.
    bases = [base for base in cls.__mro__ if base.__module__ not in ("builtins", "typing")]
    try:
        source = "".join(inspect.getsource(base) for base in bases)
    except (OSError, TypeError):
        return []
    named = set(re.findall(r"""['"](\w+)['"]""", source))
    return [key for key in keys if key not in named]


def nearest(name: str, known: Iterable[str], *, likeness: float = 0.6) -> str:
    """``Did you mean 'x'? `` for the closest known name, or nothing.

    Args:
        name: as given.
        known: names that there are.
        likeness: at least, 1 for equal ones.
    """
    names = [str(k) for k in known]
    close = difflib.get_close_matches(str(name)[:100], names, n=1, cutoff=likeness)
    short = str(name).lower()
    close = close or [k for k in names if short and k.lower().startswith(short)]
    return f"Did you mean '{close[0]}'? " if close else ""


def unknown(name: str, known: Iterable[str], owner: str, where: str) -> Fault:
    """The fault of a key that ``owner`` does not take."""
    known = sorted(known)
    allowed = ", ".join(known) if known else "none"
    message = f"{owner} takes no such option. {nearest(name, known)}Allowed: {allowed}."
    return Fault(where, message, is_unknown_key=True)


def signature_faults(
    target: Callable[..., Any],
    options: Mapping[str, Any],
    where: str,
    *,
    owner: str | None = None,
    given: Iterable[str] = (),
    extra: Iterable[str] = (),
) -> list[Fault]:
    """What keeps ``options`` from being the keyword arguments of ``target``.

    Args:
        target: class or function.
        options: the section, without ``type``.
        where: dotted path of the section.
        owner: name used in messages.
        given: parameters that the caller supplies itself; not allowed in the section.
        extra: further keys that the caller takes out of the section.
    """
    owner = owner or target.__name__
    params = {k: p for k, p in parameters(target).items() if k not in set(given)}
    known = set(params) | set(extra)
    hints = type_hints(target)
    faults = []
    for key, value in options.items():
        path = f"{where}.{key}" if where else str(key)
        if key not in known:
            faults.append(unknown(key, known, owner, path))
        elif key in params:
            faults += value_faults(value, _kind(params[key], hints), path)
    for key, param in params.items():
        if param.default is inspect.Parameter.empty and key not in options:
            faults.append(
                Fault(where, f"{owner} needs '{key}', which is missing. Add '{key}: ...' here.")
            )
    return faults


def value_faults(value: Any, kind: Any, where: str) -> list[Fault]:
    """The fault of a value of the wrong kind, or none."""
    if _matches(value, kind):
        return []
    return [Fault(where, f"must be {describe_kind(kind)}, got {_shown(value)}.")]


def read_section(target: Callable[..., T], options: Mapping[str, Any], where: str) -> T:
    """What ``target`` makes of a section inside the options of a class.

    Raises:
        OptionError: unknown or missing key, a value of the wrong kind or out of range.
    """
    faults = signature_faults(target, options, where, owner=where)
    if faults:
        raise OptionError(faults)
    try:
        return target(**with_whole_numbers(target, options))
    except ValueError as error:
        raise OptionError([Fault(where, str(error))]) from error


def with_whole_numbers(target: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """``options`` with 5e3 as 5000 where ``target`` wants a whole number."""
    hints = type_hints(target)
    return {
        key: int(value)
        if isinstance(value, float) and _wants_whole(hints.get(key, Any)) and value.is_integer()
        else value
        for key, value in options.items()
    }


def _wants_whole(kind: Any) -> bool:
    kinds = typing.get_args(kind) or (kind,)
    return int in kinds and float not in kinds


def describe_kind(kind: Any) -> str:
    """An annotation in the words of an option file."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any or kind is inspect.Parameter.empty:
        return "anything"
    if kind is None or kind is type(None):
        return "~ (none)"
    if origin is typing.Literal:
        return "one of " + ", ".join(_shown(a) for a in args)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(describe_kind(a) for a in args)
    if origin in (list, tuple, Sequence) and args:
        items = [describe_kind(a) for a in args if a is not ...]
        return f"a list of ({', '.join(dict.fromkeys(items))})"
    base = _container(origin or kind)
    return _KINDS.get(base, getattr(base, "__name__", str(base)))


def type_hints(target: Callable[..., Any]) -> dict[str, Any]:
    """Annotations of a constructor's or function's parameters; empty where they do not resolve."""
    function = target.__init__ if inspect.isclass(target) else target
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError, AttributeError):
        return {}


def _kind(param: inspect.Parameter, hints: Mapping[str, Any]) -> Any:
    """The annotation, else what the default's kind allows (BasicSR annotates nothing)."""
    if param.name in hints:
        return hints[param.name]
    default = param.default
    if isinstance(default, bool):
        return bool | None
    if isinstance(default, int | float):
        return float | list | None
    return Any


def _container(kind: Any) -> Any:
    if inspect.isclass(kind) and issubclass(kind, Mapping):
        return dict
    if inspect.isclass(kind) and issubclass(kind, Sequence) and kind is not str:
        return list
    return kind


def _matches(value: Any, kind: Any) -> bool:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any or kind is inspect.Parameter.empty:
        return True
    if kind is None or kind is type(None):
        return value is None
    if origin is typing.Literal:
        return any(value == a and isinstance(value, bool) == isinstance(a, bool) for a in args)
    if origin in (typing.Union, types.UnionType):
        return any(_matches(value, a) for a in args)
    base = _container(origin or kind)
    if base is bool:
        return isinstance(value, bool)
    if base is int:  # BasicSR's files write whole numbers as 5e3
        is_whole = isinstance(value, float) and value.is_integer()
        return is_whole or (isinstance(value, int) and not isinstance(value, bool))
    if base is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if base is list:
        return _matches_list(value, args)
    if base is dict:
        return isinstance(value, Mapping)
    return isinstance(value, base) if inspect.isclass(base) else True


def _matches_list(value: Any, args: tuple[Any, ...]) -> bool:
    if not isinstance(value, Sequence) or isinstance(value, str):
        return False
    if len(args) > 1 and args[-1] is not ...:
        return len(value) == len(args) and all(
            _matches(item, arg) for item, arg in zip(value, args, strict=True)
        )
    return not args or all(_matches(item, args[0]) for item in value)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "~"
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}... ({len(text):,} characters)"
