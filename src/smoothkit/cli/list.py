"""List what option files can name: networks, models, losses, data sets, metrics."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterator
from typing import Any

KINDS = ("archs", "models", "losses", "datasets", "metrics")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("kind", nargs="?", choices=KINDS, help="only these")
    parser.add_argument("--markdown", action="store_true", help="as the page docs/options.md")


def run(args: argparse.Namespace) -> int:
    """Print the lists."""
    kinds = [args.kind] if args.kind else list(KINDS)
    if args.markdown:
        from smoothkit.cli.reference_page import page

        print(page(), end="")
        return 0
    for kind in kinds:
        print("\n".join(listing(kind)))
    return 0


def listing(kind: str) -> Iterator[str]:
    """Lines for one kind: name, aliases, a sentence, constructor options."""
    registry = registry_of(kind)
    yield f"{kind}:"
    for name, cls in registry:
        aliases = registry.aliases(name)
        yield f"  {name}" + (f"  (also {', '.join(aliases)})" if aliases else "")
        yield f"      {summary(cls)}"
        yield f"      options: {', '.join(options_of(cls)) or 'none'}"
    for module, error in registry.broken().items():
        yield f"  {module} failed to import: {error!r}"


def registry_of(kind: str) -> Any:
    """The registry that lists ``kind``."""
    from smoothkit.core import registry

    names = dict(zip(KINDS, ("ARCH", "MODEL", "LOSS", "DATASET", "METRIC"), strict=True))
    return getattr(registry, f"{names[kind]}_REGISTRY")


def summary(cls: Any) -> str:
    """The first sentence of a class's or function's docstring."""
    return " ".join((inspect.getdoc(cls) or "").split("\n\n")[0].split())


def options_of(cls: Any) -> list[str]:
    """``name=default`` of every option, ``name`` for those that must be given."""
    from smoothkit.core.signature import parameters
    from smoothkit.metrics import image_parameters

    given = {"opt", "runtime", *image_parameters(cls)}
    return [
        name if p.default is inspect.Parameter.empty else f"{name}={p.default!r}"
        for name, p in parameters(cls).items()
        if name not in given
    ]
