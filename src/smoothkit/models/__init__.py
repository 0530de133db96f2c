"""The training step and its parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def build_model(opt: Mapping[str, Any], runtime: Any = None) -> Any:
    """The model that an option file's ``model_type`` names, on its device, weights loaded.

    Args:
        opt: the whole option file, in our form or a published one; left as it is.
        runtime: where this process runs; by default found from ``opt``.

    Raises:
        OptionError: unknown type or key, missing key, wrong kind of value.
        DataError: a checkpoint that cannot be used.
    """
    from smoothkit.core.options import freeze, thaw
    from smoothkit.core.registry import MODEL_REGISTRY
    from smoothkit.core.runtime import Runtime
    from smoothkit.core.signature import parameters, takes_single_opt
    from smoothkit.core.translation import translation_of

    published = translation_of(opt)
    if published is not None:
        opt = published.options
    cls = MODEL_REGISTRY.get(opt.get("model_type", "RestorationModel"))
    runtime = runtime or Runtime.of(opt)
    if takes_single_opt(cls):
        from smoothkit.core.basicsr_compat import build_basicsr_model

        return build_basicsr_model(cls, thaw(opt), runtime)
    sections = {name: thaw(opt[name]) for name in parameters(cls) if name in opt}
    return cls(freeze(opt), runtime, **sections)
