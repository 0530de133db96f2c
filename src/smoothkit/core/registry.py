"""Named classes: ours first, then BasicSR's.

A look-up imports only the modules that can hold classes of its kind: the shared package (``archs``
for networks) and the file of that kind in each system (``systems/*/arch.py``). There is no list to
edit. BasicSR is imported when a name is not among ours, and not before.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from smoothkit.core.errors import CONSTRUCTOR_ERRORS, Fault, OptionError
from smoothkit.core.options import thaw
from smoothkit.core.signature import (
    defaults,
    nearest,
    signature_faults,
    takes_single_opt,
    with_whole_numbers,
)


class Registry:
    """Classes of one kind by name.

    Args:
        kind: what a user calls them: ``network``, ``loss``, ...
        package: shared package whose modules are searched.
        module: name of the file that holds such classes in a system's folder.
        basicsr_name: BasicSR's registry of the same kind.
    """

    def __init__(self, kind: str, package: str, module: str, basicsr_name: str) -> None:
        self.kind = kind
        self._package = package
        self._module = module
        self._basicsr_name = basicsr_name
        self._classes: dict[str, Any] = {}
        self._aliases: dict[str, str] = {}
        self._presets: dict[str, Mapping[str, Any]] = {}
        self._notes: dict[str, str] = {}
        self._broken: dict[str, Exception] = {}
        self._discovered = False
        self._lock = threading.RLock()

    def register(
        self, obj: Any = None, *, aliases: Sequence[str] | Mapping[str, Mapping[str, Any]] = ()
    ) -> Any:
        """Register a class or function under its own name; usable with and without brackets.

        Args:
            obj: the class, when used as ``@REGISTRY.register`` or called directly.
            aliases: names that published option files and command lines use for it; with options
                that such a name stands for, where it does.

        Raises:
            KeyError: another class already has one of the names.
        """
        if obj is None:
            return lambda cls: self.register(cls, aliases=aliases)
        for name in (obj.__name__, *aliases):
            other = self._classes.get(self._aliases.get(name, name))
            if other is not None and other is not obj:
                raise KeyError(f"{self.kind} '{name}' is registered twice: {other} and {obj}")
        self._classes[obj.__name__] = obj
        self._aliases.update(dict.fromkeys(aliases, obj.__name__))
        if isinstance(aliases, Mapping):
            self._presets.update(aliases)
        return obj

    def note(self, name: str, text: str) -> None:
        """What to tell who asks for ``name``, which nobody has."""
        self._notes[name] = text

    def get(self, name: str, suffix: str = "basicsr") -> Any:
        """The class called ``name`` (or its alias), ours before BasicSR's.

        Raises:
            KeyError: nobody has it; the message gives the nearest name and the modules that
                failed to import.
        """
        found = self._own(name)
        if found is None:
            found = self._basicsr(name, suffix)
        if found is None:
            raise KeyError(self._missing(name))
        return found

    def __contains__(self, name: str) -> bool:
        return self._own(name) is not None or self._basicsr(name) is not None

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        self._discover()
        return iter(sorted(self._classes.items()))

    def keys(self) -> list[str]:
        """Names of our own classes, sorted, without aliases."""
        return [name for name, _ in self]

    def aliases(self, name: str) -> list[str]:
        """Other names of one of our classes."""
        self._discover()
        return sorted(alias for alias, target in self._aliases.items() if target == name)

    def broken(self) -> Mapping[str, Exception]:
        """Modules that failed to import, and why."""
        self._discover()
        return dict(self._broken)

    def faults(self, spec: Any, where: str, **signature_args: Any) -> list[Fault]:
        """What is wrong with ``{'type': NAME, **options}`` before anything is built."""
        if not isinstance(spec, Mapping):
            return [Fault(where, f"must be a section with a 'type', got {spec!r}.")]
        if "type" not in spec:
            return [Fault(where, f"needs 'type': the name of a {self.kind}.")]
        try:
            cls = self.get(spec["type"])
        except KeyError as error:
            return [Fault(f"{where}.type", error.args[0])]
        if takes_single_opt(cls):
            return []
        options = {key: value for key, value in spec.items() if key != "type"}
        return signature_faults(cls, options, where, owner=cls.__name__, **signature_args)

    def build(self, spec: Mapping[str, Any], *, where: str, **given: Any) -> Any:
        """The object that ``{'type': NAME, **options}`` describes; ``spec`` is left as it is.

        Args:
            spec: the section of an option file.
            where: its dotted path, for messages.
            **given: further constructor arguments, not from the option file.

        Raises:
            OptionError: unknown type, unknown or missing key, wrong kind of value.
        """
        faults = self.faults(spec, where, given=given)
        if faults:
            raise OptionError(faults)
        cls = self.get(spec["type"])
        options = {**self._presets.get(spec["type"], {}), **thaw(spec)}
        if takes_single_opt(cls):
            return cls(options)
        del options["type"]
        try:
            return cls(**with_whole_numbers(cls, options), **given)
        except OptionError as error:  # a constructor knows its keys, not where its section stands
            raise OptionError([_below(where, fault) for fault in error.faults]) from error
        except CONSTRUCTOR_ERRORS as error:
            raise OptionError([Fault.refused(where, cls.__name__, error)]) from error

    def resolved(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        """The section with the class's own name and every option that it is built with.

        Args:
            spec: one that ``build`` takes.
        """
        cls = self.get(spec["type"])
        options = {**self._presets.get(spec["type"], {}), **thaw(spec)}
        del options["type"]
        if not takes_single_opt(cls):
            options = {**defaults(cls), **with_whole_numbers(cls, options)}
        return {"type": cls.__name__, **options}

    def _own(self, name: str) -> Any:
        name = str(name)
        if self._aliases.get(name, name) not in self._classes:
            self._discover()
        return self._classes.get(self._aliases.get(name, name))

    def _basicsr(self, name: str, suffix: str = "basicsr") -> Any:
        from smoothkit.core.basicsr_compat import basicsr_registry

        registry = basicsr_registry(self._basicsr_name)
        if registry is None:
            return None
        for key in (str(name), f"{name}_{suffix}"):
            if key in registry:
                return registry.get(key)
        return None

    def _discover(self) -> None:
        # Other threads wait here until all are loaded; this one may come again while it loads them.
        with self._lock:
            if self._discovered:
                return
            self._discovered = True
            for module in (*_modules_of(self._package), *system_modules(self._module)):
                try:
                    importlib.import_module(module)
                except Exception as error:  # one broken system must not take the others with it
                    self._broken[module] = error

    def _missing(self, name: str) -> str:
        from smoothkit.core.basicsr_compat import basicsr_missing_hint, basicsr_registry

        theirs = basicsr_registry(self._basicsr_name)
        known = [*self._classes, *self._aliases, *(theirs.keys() if theirs else ())]
        # Names of classes resemble each other more than keys do.
        hint = self._notes.get(name) or nearest(name, known, likeness=0.8)
        parts = [f"no {self.kind} is called '{name}'. {hint}"]
        parts.append(f"Ours: {', '.join(sorted(self._classes))}.")
        parts += [
            f" {module} failed to import: {error!r}." for module, error in self._broken.items()
        ]
        parts.append(" A class of your own is found in a folder that SMOOTHKIT_SYSTEMS names.")
        return "".join(parts) + basicsr_missing_hint()


def _below(where: str, fault: Fault) -> Fault:
    is_whole = f"{fault.where}.".startswith(f"{where}.")
    path = fault.where if is_whole else ".".join(filter(None, (where, fault.where)))
    return replace(fault, where=path)


def _modules_of(package: str) -> list[str]:
    folder = importlib.import_module(package).__path__
    return sorted(f"{package}.{info.name}" for info in pkgutil.iter_modules(folder))


def system_modules(name: str) -> list[str]:
    """Import names of the file ``name``.py in each system that has one, sorted by system."""
    systems = importlib.import_module("smoothkit.systems")
    folders = (f"smoothkit.systems.{info.name}" for info in pkgutil.iter_modules(systems.__path__))
    return sorted(
        f"{folder}.{name}"
        for folder in folders
        if importlib.util.find_spec(folder) and _has_module(folder, name)
    )


def _has_module(folder: str, name: str) -> bool:
    spec = importlib.util.find_spec(folder)
    locations = (spec.submodule_search_locations if spec else None) or []
    return any(info.name == name for info in pkgutil.iter_modules(list(locations)))


ARCH_REGISTRY = Registry("network", "smoothkit.archs", "arch", "ARCH_REGISTRY")
MODEL_REGISTRY = Registry("model", "smoothkit.models", "model", "MODEL_REGISTRY")
LOSS_REGISTRY = Registry("loss", "smoothkit.losses", "loss", "LOSS_REGISTRY")
DATASET_REGISTRY = Registry("data set", "smoothkit.data", "data", "DATASET_REGISTRY")
METRIC_REGISTRY = Registry("metric", "smoothkit.metrics", "metric", "METRIC_REGISTRY")
