"""L0 and RTV against straight per-channel versions of the same formulas, as JSON."""

from __future__ import annotations

import argparse

import numpy as np
from common import interleaved, report
from scipy import ndimage, sparse
from scipy.sparse.linalg import spsolve

from smoothkit.data.samples import photograph
from smoothkit.ops.filters import l0, rtv


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    image = photograph("coffee")[: args.side, : args.side] / 255.0
    small = image.astype(np.float32)
    seconds = interleaved(
        {
            "l0 plain": lambda: plain_l0(image),
            "l0": lambda: l0(small),
            "l0 float64": lambda: l0(image),
            "rtv plain": lambda: plain_rtv(image),
            "rtv": lambda: rtv(small),
        },
        args.repeats,
    )
    report(
        what="classical filters, colour image",
        side=args.side,
        seconds=seconds,
        times_faster={
            "l0": seconds["l0 plain"] / seconds["l0"],
            "l0 float64": seconds["l0 plain"] / seconds["l0 float64"],
            "rtv": seconds["rtv plain"] / seconds["rtv"],
        },
        largest_difference={
            "l0": float(np.abs(plain_l0(image) - l0(small)).max()),
            "rtv": float(np.abs(plain_rtv(image) - rtv(small)).max()),
        },
    )


def plain_l0(image: np.ndarray, lam: float = 0.02, kappa: float = 2.0) -> np.ndarray:
    """One complex transform per channel and step."""
    height, width, channels = image.shape
    ky = 2 - 2 * np.cos(2 * np.pi * np.arange(height) / height)
    kx = 2 - 2 * np.cos(2 * np.pi * np.arange(width) / width)
    symbol = ky[:, None] + kx[None]
    spectra = [np.fft.fft2(image[..., c]) for c in range(channels)]
    smooth = image.copy()
    beta = 2 * lam
    while beta < 1e5:
        h = np.stack([np.roll(smooth[..., c], -1, 1) - smooth[..., c] for c in range(channels)], 2)
        v = np.stack([np.roll(smooth[..., c], -1, 0) - smooth[..., c] for c in range(channels)], 2)
        is_large = (h**2 + v**2).sum(2) >= lam / beta
        h[~is_large] = 0
        v[~is_large] = 0
        for c in range(channels):
            back = np.roll(h[..., c], 1, 1) - h[..., c] + np.roll(v[..., c], 1, 0) - v[..., c]
            total = (spectra[c] + beta * np.fft.fft2(back)) / (1 + beta * symbol)
            smooth[..., c] = np.fft.ifft2(total).real
        beta *= kappa
    return smooth


def plain_rtv(image: np.ndarray, lam: float = 0.01, sigma: float = 3.0) -> np.ndarray:
    """A sparse system built and solved for each channel."""
    height, width, channels = image.shape
    smooth = image.copy()
    for _ in range(4):
        wx, wy = rtv_weights(smooth, sigma)
        matrix = laplacian(lam / 2 * wx, lam / 2 * wy)
        for c in range(channels):
            smooth[..., c] = spsolve(matrix, image[..., c].ravel()).reshape(height, width)
        sigma = max(sigma / 2, 0.5)
    return smooth


def rtv_weights(image: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    fx = np.diff(image, axis=1, append=image[:, -1:])
    fy = np.diff(image, axis=0, append=image[-1:])
    pixelwise = 1 / np.maximum(np.sqrt(fx**2 + fy**2).mean(2), 0.02)
    length = round(5 * sigma) | 1
    kernel = np.exp(-((np.arange(length) - length // 2) ** 2) / (2 * sigma**2))
    kernel /= kernel.sum()
    blurred = ndimage.convolve1d(image, kernel, axis=0, mode="constant")
    blurred = ndimage.convolve1d(blurred, kernel, axis=1, mode="constant")
    gx = np.abs(np.diff(blurred, axis=1, append=blurred[:, -1:])).mean(2)
    gy = np.abs(np.diff(blurred, axis=0, append=blurred[-1:])).mean(2)
    return pixelwise / np.maximum(gx, 1e-3), pixelwise / np.maximum(gy, 1e-3)


def laplacian(wx: np.ndarray, wy: np.ndarray) -> sparse.csc_array:
    width = wx.shape[1]
    wx, wy = wx.copy(), wy.copy()
    wx[:, -1] = 0
    wy[-1] = 0
    right, down = wx.ravel(), wy.ravel()
    before = np.concatenate([[0], right[:-1]])
    above = np.concatenate([np.zeros(width), down[:-width]])
    diagonal = 1 + right + down + before + above
    offsets = [0, 1, -1, width, -width]
    bands = [diagonal, -right[:-1], -right[:-1], -down[:-width], -down[:-width]]
    return sparse.diags_array(bands, offsets=offsets).tocsc()


if __name__ == "__main__":
    main()
