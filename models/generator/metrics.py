# SPDX-License-Identifier: MIT OR Apache-2.0
"""PSNR, SSIM and sharpness of whole pictures, mouth and eyes; pictures are [1,3,512,512] in 0..1."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from .geometry import EYE_L, EYE_R, OUTER

GREY = torch.tensor([0.299, 0.587, 0.114])[None, :, None, None]
LAPLACE = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])[None, None]


def ssim(a: torch.Tensor, b: torch.Tensor) -> float:
    k = torch.exp(-((torch.arange(11) - 5.0) ** 2) / (2 * 1.5**2))
    k = k / k.sum()
    k = (k[:, None] * k[None])[None, None]
    a, b = (a * GREY).sum(1, keepdim=True), (b * GREY).sum(1, keepdim=True)
    ma, mb = F.conv2d(a, k), F.conv2d(b, k)
    va, vb, ab = F.conv2d(a * a, k) - ma**2, F.conv2d(b * b, k) - mb**2, F.conv2d(a * b, k) - ma * mb
    return (((2 * ma * mb + 1e-4) * (2 * ab + 9e-4)) / ((ma**2 + mb**2 + 1e-4) * (va + vb + 9e-4))).mean().item()


def psnr(mse: float) -> float:
    return float(-10 * np.log10(max(mse, 1e-10)))


def laplacian(x: torch.Tensor, padding: int = 0) -> torch.Tensor:
    """Of the luma [n,1,h,w]."""
    return F.conv2d((x * GREY).sum(1, keepdim=True), LAPLACE, padding=padding)


def detail(x: torch.Tensor) -> float:
    """Variance of the Laplacian of the luma."""
    return laplacian(x).var().item()


def region(D: torch.Tensor, index: list[int], pad: float, n: int = 512) -> tuple[slice, slice]:
    p = D[0, index, :2] * n
    x0, y0 = p.min(0)[0].tolist()
    x1, y1 = p.max(0)[0].tolist()
    w = (x1 - x0) * pad
    cut = lambda v: int(max(0, min(n, v)))
    return slice(cut(y0 - w), cut(y1 + w)), slice(cut(x0 - w), cut(x1 + w))


def measure(out: torch.Tensor, truth: torch.Tensor, D: torch.Tensor) -> dict[str, float]:
    """As the prototype measured them (same regions), so that the tables compare."""
    e = (out - truth) ** 2
    r = {"psnr": psnr(e.mean().item()), "ssim": ssim(out, truth)}
    y, x = region(D, OUTER, 0.12)
    r["mouth psnr"] = psnr(e[:, :, y, x].mean().item())
    big = (y.stop - y.start) > 14 and (x.stop - x.start) > 14
    r["mouth ssim"] = ssim(out[:, :, y, x], truth[:, :, y, x]) if big else float("nan")
    r["mouth sharp"] = detail(out[:, :, y, x]) / detail(truth[:, :, y, x])
    err, sharp = [], []
    for eye in (EYE_R, EYE_L):
        y, x = region(D, eye, 0.3)
        err.append(e[:, :, y, x].mean().item())
        sharp.append(detail(out[:, :, y, x]) / detail(truth[:, :, y, x]))
    r["eye psnr"], r["eye sharp"] = psnr(float(np.mean(err))), float(np.mean(sharp))
    return r


def restlessness(out: torch.Tensor, truth: torch.Tensor, photo: torch.Tensor) -> tuple[float, float] | None:
    """Temporal deviation, in grey levels, of the drawn and of the true frames [n,3,512,512] where the truth stands still.

    Nothing where less than a twentieth of the picture does.
    """
    still = (truth.std(0).mean(0) < 2.5 / 255) & ((truth - photo).abs().amax((0, 1)) < 12 / 255)
    if still.float().mean() <= 0.05:
        return None
    return tuple(float(x.std(0).mean(0)[still].mean() * 255) for x in (out, truth))
