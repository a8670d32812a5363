# SPDX-License-Identifier: MIT OR Apache-2.0
"""Geometry of the lite generator: which landmarks steer the picture, and how they move it.

Everything here is analytic: no weights, no state. Landmarks are [B, 478, 2 or 3] tensors in picture units ([0,1],
x right, y down); S are the landmarks of the photo, D the driving ones. The renderer in Rust computes the same; parity
is held by golden tensors (see golden.py). Imported by the painters, the trainer and the compositor; not run by itself.
"""

from __future__ import annotations

import torch
import torch.nn as nn
import torch.nn.functional as F

# fmt: off
LIP_OUTER_UPPER = [185, 40, 39, 37, 0, 267, 269, 270, 409]
LIP_OUTER_LOWER = [146, 91, 181, 84, 17, 314, 405, 321, 375]
LIP_INNER_UPPER = [191, 80, 81, 82, 13, 312, 311, 310, 415]
LIP_INNER_LOWER = [95, 88, 178, 87, 14, 317, 402, 318, 324]
OUTER = [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185]
INNER = [78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191]
EYE_R = [33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246]
EYE_L = [263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466]
BROWS = [70, 63, 105, 66, 107, 46, 53, 52, 65, 55, 300, 293, 334, 296, 336, 276, 283, 282, 295, 285]
NOSE = [168, 6, 197, 195, 5, 4, 1, 19, 94, 2, 98, 327, 48, 278, 64, 294, 129, 358]
OVAL = [10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149,
        150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109]
CHEEK = [50, 280, 205, 425, 36, 266, 187, 411, 207, 427, 216, 436, 101, 330, 118, 347, 57, 287, 212, 432]
CHIN = [199, 175, 18, 200, 32, 262, 83, 313, 201, 421]
FOREHEAD = [151, 9, 8, 69, 299, 104, 333, 108, 337]
PHILTRUM = [164, 167, 393, 165, 391]
LID_FOLDS = [27, 257, 28, 258, 56, 286, 23, 253, 24, 254]
IRIS = [468, 473]
# fmt: on

KPS = OUTER + INNER + EYE_R + EYE_L + BROWS + NOSE + OVAL + CHEEK + CHIN + FOREHEAD + PHILTRUM + LID_FOLDS + IRIS
"""The control points, in the order of the pack's `control-points`: 202 indices of MediaPipe's 478."""

UPPER_SIDE = set(LIP_OUTER_UPPER + LIP_INNER_UPPER)
LOWER_SIDE = set(LIP_OUTER_LOWER + LIP_INNER_LOWER + [18, 200, 199, 175, 83, 313])
SIDE = [-1.0 if k in UPPER_SIDE else (1.0 if k in LOWER_SIDE else 0.0) for k in KPS]
"""-1: point of the upper lip, +1: of the lower lip or chin, 0: neither. The mouth gate keeps the two sides apart."""

MOUTH, EYE_RIGHT, EYE_LEFT = 0, 1, 2
"""Values of `which`. EYE_LEFT is mirrored by its region, so that both eyes look alike to the painter."""

COARSE = 32
"""Flow and signed distances are computed on a 32 x 32 grid of a patch and upsampled."""


class Geo(nn.Module):
    """Backward flow, head falloff, regions and signed distances; all coordinates in picture units."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kp", torch.tensor(KPS))
        self.register_buffer("side", torch.tensor(SIDE))
        self.register_buffer("mid_upper", torch.tensor([78] + LIP_INNER_UPPER + [308]))
        self.register_buffer("mid_lower", torch.tensor([78] + LIP_INNER_LOWER + [308]))
        self.register_buffer("lips", torch.tensor([OUTER, INNER]))
        self.register_buffer("lids", torch.tensor([EYE_R, EYE_L]))
        weight = torch.ones(len(KPS))
        for i, k in enumerate(KPS):
            if k in IRIS:  # gaze moves the iris inside of the lids, it must not drag them
                weight[i] = 0.35
        self.register_buffer("weight", weight)

    def flow(self, x: torch.Tensor, S: torch.Tensor, D: torch.Tensor) -> torch.Tensor:
        """Moving-least-squares similarity, from driving points x [B,M,2] to source points [B,M,2].

        A gate along the line between the lips hides the points of the other lip, else an opening mouth would stretch
        one lip over the gap.
        """
        d = D[:, self.kp, :2]
        q = S[:, self.kp, :2]
        corner_l, corner_r = D[:, 78, :2], D[:, 308, :2]
        ax = corner_r - corner_l
        W = ax.norm(p=2, dim=-1, keepdim=True).clamp(min=1e-3)
        ax = ax / W
        nx = torch.stack([-ax[:, 1], ax[:, 0]], -1)
        c = (corner_l + corner_r) / 2
        up, lo = D[:, self.mid_upper, :2], D[:, self.mid_lower, :2]
        m = (up + lo) / 2
        mid_u = ((m - c[:, None]) * ax[:, None]).sum(-1)
        mid_v = ((m - c[:, None]) * nx[:, None]).sum(-1)
        half = ((lo - up) * nx[:, None]).sum(-1).clamp(min=0) / 2
        u = ((x - c[:, None]) * ax[:, None]).sum(-1)
        v = ((x - c[:, None]) * nx[:, None]).sum(-1)
        sw = torch.softmax(-(((u[:, :, None] - mid_u[:, None]) / (0.07 * W[:, None])) ** 2), -1)
        v0 = (sw * mid_v[:, None]).sum(-1)
        h0 = (sw * half[:, None]).sum(-1) + 0.006
        g = (0.5 + (v - v0) / (2 * h0)).clamp(0, 1)
        sx = ((1.12 - (u.abs() / (0.5 * W))) / 0.2).clamp(0, 1)
        gate_lower, gate_upper = 1 - sx * (1 - g), 1 - sx * g
        gate = torch.where(
            self.side > 0,
            gate_lower[:, :, None],
            torch.where(self.side < 0, gate_upper[:, :, None], torch.ones_like(gate_lower)[:, :, None]),
        )
        r2 = (x[:, :, None, 0] - d[:, None, :, 0]) ** 2 + (x[:, :, None, 1] - d[:, None, :, 1]) ** 2
        w = gate * self.weight / (r2 + 6e-5) ** 2
        w = w / w.sum(-1, keepdim=True)
        pd, pq = torch.bmm(w, d), torch.bmm(w, q)
        moments = torch.bmm(
            w, torch.stack([(d * d).sum(-1), (d * q).sum(-1), d[..., 0] * q[..., 1] - d[..., 1] * q[..., 0]], -1)
        )
        lam = 2e-5  # pulls towards a pure translation where all near points coincide
        var = moments[..., 0] - (pd * pd).sum(-1) + lam
        a = (moments[..., 1] - (pd * pq).sum(-1) + lam) / var
        b = (moments[..., 2] - (pd[..., 0] * pq[..., 1] - pd[..., 1] * pq[..., 0])) / var
        e = x - pd
        return torch.stack([a * e[..., 0] - b * e[..., 1] + pq[..., 0], b * e[..., 0] + a * e[..., 1] + pq[..., 1]], -1)

    def headw(self, x: torch.Tensor, S: torch.Tensor, D: torch.Tensor) -> torch.Tensor:
        """How far a point moves with the head [B,M]: 1 on face and hair, falling to 0 on the background."""
        top, bottom, left, right = D[:, 10, :2], D[:, 152, :2], D[:, 234, :2], D[:, 454, :2]
        H = (top - bottom).norm(p=2, dim=-1, keepdim=True)
        up = (top - bottom) / H
        c = (top + bottom) / 2
        side = torch.stack([-up[:, 1], up[:, 0]], -1)
        W = torch.maximum((left - right).norm(p=2, dim=-1, keepdim=True), 0.7 * H)
        y = ((x - c[:, None]) * up[:, None]).sum(-1) / H
        z = ((x - c[:, None]) * side[:, None]).sum(-1) / W
        yy = torch.where(y > 0, y / 0.95, y / 0.56)
        r = ((z / 0.75) ** 2 + yy**2).sqrt()
        return (1 - (r - 1.0) / 0.75).clamp(0, 1)

    def roi(self, D: torch.Tensor, which: int) -> torch.Tensor:
        """The region of mouth or eye as an affine map [B,2,3]: patch coordinates in [-1,1] -> picture units."""
        ex = D[:, 263, :2] - D[:, 33, :2]
        ang = torch.atan2(ex[:, 1], ex[:, 0])
        H = (D[:, 168, :2] - D[:, 2, :2]).norm(p=2, dim=-1)
        W = torch.maximum(ex.norm(p=2, dim=-1), 1.35 * H)  # the nose still measures the face when the head is turned
        if which == 0:
            c = (D[:, 13, :2] + D[:, 14, :2]) * 0.35 + D[:, 2, :2] * 0.1 + D[:, 152, :2] * 0.2
            h = 0.54 * W
            sx = h
        elif which == 1:
            c = (D[:, 33, :2] + D[:, 133, :2]) / 2
            h = 0.36 * W
            sx = h
        else:
            c = (D[:, 263, :2] + D[:, 362, :2]) / 2
            h = 0.36 * W
            sx = -h
        ca, sa = torch.cos(ang), torch.sin(ang)
        return torch.stack(
            [torch.stack([ca * sx, -sa * h, c[:, 0]], -1), torch.stack([sa * sx, ca * h, c[:, 1]], -1)], 1
        )

    def sdf(self, x: torch.Tensor, P: torch.Tensor) -> torch.Tensor:
        """Signed distance [B,M] of points x [B,M,2] to polygons P [B,N,2], positive inside, in units of P."""
        A, B = P, torch.roll(P, -1, 1)
        e = B - A
        px = x[:, :, None, 0] - A[:, None, :, 0]
        py = x[:, :, None, 1] - A[:, None, :, 1]
        ex, ey = e[:, None, :, 0], e[:, None, :, 1]
        t = ((px * ex + py * ey) / (ex * ex + ey * ey + 1e-9)).clamp(0, 1)
        d = ((px - t * ex) ** 2 + (py - t * ey) ** 2).amin(-1)
        crosses = (A[:, None, :, 1] <= x[:, :, None, 1]) != (B[:, None, :, 1] <= x[:, :, None, 1])
        xi = A[:, None, :, 0] + ex * (x[:, :, None, 1] - A[:, None, :, 1]) / torch.where(
            ey.abs() < 1e-9, torch.full_like(ey, 1e-9), ey
        )
        inside = ((crosses & (x[:, :, None, 0] < xi)).sum(-1) % 2).to(x.dtype) * 2 - 1
        return inside * (d + 1e-12).sqrt()

    def shape_maps(self, L: torch.Tensor, which: int, h: int) -> torch.Tensor:
        """Soft shapes [B,3,h,h] of landmarks L given in patch coordinates.

        Mouth: tanh(25 inner), tanh(4 inner), tanh(25 outer lip distance). Eye: tanh(25 lid), tanh(4 lid), iris blob.
        """
        n = L.shape[0]
        g = grid(COARSE).to(L).expand(n, -1, -1)
        if which == MOUTH:
            first, second = self.sdf(g, L[:, self.lips[1], :2]), self.sdf(g, L[:, self.lips[0], :2])
        else:
            first = self.sdf(g, L[:, self.lids[which - 1], :2])
            iris = L[:, 468 if which == EYE_RIGHT else 473, :2]
            second = torch.exp(-((g - iris[:, None]) ** 2).sum(-1) / 0.04)
        m = torch.stack([first, second], 1).view(n, 2, COARSE, COARSE)
        m = F.interpolate(m, size=(h, h), mode="bilinear", align_corners=False)
        last = torch.tanh(m[:, 1:2] * 25) if which == MOUTH else m[:, 1:2]
        return torch.cat([torch.tanh(m[:, :1] * 25), torch.tanh(m[:, :1] * 4), last], 1)


def grid(n: int) -> torch.Tensor:
    """Centres of the n x n cells of [-1,1]^2 as [1, n*n, 2] points (x, y), row by row."""
    c = (torch.arange(n) + 0.5) / n * 2 - 1
    return torch.stack(torch.meshgrid(c, c, indexing="ij")[::-1], -1).reshape(1, -1, 2)


def affine(T: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    """Points g [B,M,2] through the affine maps T [B,2,3]."""
    return g @ T[:, :, :2].transpose(1, 2) + T[:, None, :, 2]


def affine_inverse(T: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Points x [B,M,2] through the inverse of T [B,2,3]."""
    A = T[:, :, :2]
    det = A[:, 0, 0] * A[:, 1, 1] - A[:, 0, 1] * A[:, 1, 0]
    inv = torch.stack([torch.stack([A[:, 1, 1], -A[:, 0, 1]], -1), torch.stack([-A[:, 1, 0], A[:, 0, 0]], -1)], 1)
    return (x - T[:, None, :, 2]) @ (inv / det[:, None, None]).transpose(1, 2)


def to_map(points: torch.Tensor, n: int) -> torch.Tensor:
    """[B, n*n, 2] points to a [B, 2, n, n] map."""
    return points.transpose(1, 2).reshape(points.shape[0], 2, n, n)


def resize(m: torch.Tensor, n: int) -> torch.Tensor:
    return F.interpolate(m, size=(n, n), mode="bilinear", align_corners=False)


def sample(image: torch.Tensor, xy: torch.Tensor) -> torch.Tensor:
    """image [B,C,H,W] at a map xy [B,2,n,m] of picture units."""
    return F.grid_sample(
        image, xy.permute(0, 2, 3, 1) * 2 - 1, mode="bilinear", padding_mode="border", align_corners=False
    )


def sample_sharp(image: torch.Tensor, xy: torch.Tensor) -> torch.Tensor:
    """The same with Catmull-Rom weights, as the renderer draws the photo: a warp by fractions of a pixel stays sharp."""
    B, C, H, W = image.shape
    flat, out = image.reshape(B, C, H * W), image.new_zeros(B, C, xy.shape[2] * xy.shape[3])
    taps = []
    for v, n in ((xy[:, 0].flatten(1), W), (xy[:, 1].flatten(1), H)):
        v = (v * n - 0.5).clamp(0, n - 1)
        first = v.floor()
        t, t2, t3 = v - first, (v - first) ** 2, (v - first) ** 3
        weights = (t2 - 0.5 * (t + t3), 1 - 2.5 * t2 + 1.5 * t3, 0.5 * t + 2 * t2 - 1.5 * t3, 0.5 * (t3 - t2))
        taps.append([((first.long() + k - 1).clamp(0, n - 1), w) for k, w in enumerate(weights)])
    for row, wy in taps[1]:
        for column, wx in taps[0]:
            at = (row * W + column)[:, None].expand(-1, C, -1)
            out += flat.gather(2, at) * (wx * wy)[:, None]
    return out.view(B, C, *xy.shape[2:])


def cut(image: torch.Tensor, T: torch.Tensor, n: int) -> torch.Tensor:
    """The region T [B,2,3] of an image as a patch [B,C,n,n]."""
    return sample(image, to_map(affine(T, grid(n).to(T).expand(T.shape[0], -1, -1)), n))


def flow_in(geo: Geo, S: torch.Tensor, D: torch.Tensor, which: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Region of D, its regions in S, and the analytic flow on the coarse grid [B, COARSE^2, 2] in source picture
    units.
    """
    T = geo.roi(D, which)
    g = grid(COARSE).to(D).expand(D.shape[0], -1, -1)
    return T, geo.roi(S, which), geo.flow(affine(T, g), S, D)


def maps_in(
    geo: Geo, S: torch.Tensor, D: torch.Tensor, T: torch.Tensor, Ts: torch.Tensor, fl: torch.Tensor, which: int, h: int
) -> torch.Tensor:
    """The painter's 11 map channels [B,11,h,h]: driving shapes 3, source shapes warped 3, source shapes 3, where
    from 2.
    """
    md = geo.shape_maps(affine_inverse(T, D[:, :, :2]), which, h)
    ms = geo.shape_maps(affine_inverse(Ts, S[:, :, :2]), which, h)
    fh = resize(to_map(affine_inverse(Ts, fl), COARSE), h)
    msw = F.grid_sample(ms, fh.permute(0, 2, 3, 1), mode="bilinear", padding_mode="border", align_corners=False)
    return torch.cat([md, msw, ms, fh], 1)


def window(n: int) -> torch.Tensor:
    """[1,1,n,n]: 1 inside of a patch, falling to 0 at its border, so that a painted patch leaves no seam."""
    w = torch.linspace(-1, 1, n).abs()
    w = ((1 - w) / 0.18).clamp(0, 1)
    return (w[:, None] * w[None, :])[None, None]
