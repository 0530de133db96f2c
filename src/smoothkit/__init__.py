"""One pipeline for image smoothing, matting and super-resolution research systems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smoothkit.models.load import load_model

__version__ = "0.1.0"
__all__ = ["__version__", "load_model"]


def __getattr__(name: str) -> Any:
    # Asked for by name only: importing the package stays light.
    if name == "load_model":
        from smoothkit.models.load import load_model

        return load_model
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
