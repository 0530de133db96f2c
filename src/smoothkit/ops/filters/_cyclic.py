"""Forward differences that wrap around, and their Fourier symbol.

Iterations pass ``out``, because asking the system for fresh memory each time costs more than the
arithmetic does.
"""

from __future__ import annotations

import numpy as np


def diff_x(u: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """u(x+1) - u(x) along the last axis; the last column looks at the first."""
    out = np.empty_like(u) if out is None else out
    np.subtract(u[..., 1:], u[..., :-1], out=out[..., :-1])
    np.subtract(u[..., 0], u[..., -1], out=out[..., -1])
    return out


def diff_y(u: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """u(y+1) - u(y) along the last axis but one; the last row looks at the first."""
    out = np.empty_like(u) if out is None else out
    np.subtract(u[..., 1:, :], u[..., :-1, :], out=out[..., :-1, :])
    np.subtract(u[..., 0, :], u[..., -1, :], out=out[..., -1, :])
    return out


def divergence(h: np.ndarray, v: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Adjoint of (diff_x, diff_y) at (h, v): h(x-1) - h(x) + v(y-1) - v(y), cyclic."""
    out = np.empty_like(h) if out is None else out
    np.add(h, v, out=out)
    np.negative(out, out=out)
    out[..., 1:] += h[..., :-1]
    out[..., 0] += h[..., -1]
    out[..., 1:, :] += v[..., :-1, :]
    out[..., 0, :] += v[..., -1, :]
    return out


def laplacian_symbol(height: int, width: int) -> np.ndarray:
    """Eigenvalues of the adjoint times (diff_x, diff_y), laid out as ``rfft2`` lays its output."""
    ky = 2 - 2 * np.cos(2 * np.pi * np.arange(height) / height)
    kx = 2 - 2 * np.cos(2 * np.pi * np.arange(width // 2 + 1) / width)
    symbol: np.ndarray = ky[:, None] + kx
    return symbol
