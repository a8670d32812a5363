# SPDX-License-Identifier: MIT OR Apache-2.0
"""The mesh network of a pack: MediaPipe's face mesh with attention, which also tracks the training clips.

Its heads see lips, eyes and irises closer than the mesh does: here they are put together as MediaPipe's graph does it
(landmarks refinement), so that a photo's face means the same as the faces that the other networks learned from. The newer
478-point network without these heads reads every tenth shut mouth as open, and mouths a fortieth too wide.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn as nn

from models.data import fold

SIZE = 192
"""Side of the input, pixels."""
POINTS = 468
"""Of the mesh; ten of the irises follow."""

LIPS = [
    *(61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409),
    *(78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415),
    *(76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306, 184, 74, 73, 72, 11, 302, 303, 304, 408),
    *(62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292, 183, 42, 41, 38, 12, 268, 271, 272, 407),
]
"""Points of the mesh that each point of a head stands for. Eyes: rings from the lids outwards, then the brow."""
EYE_RIGHT = [
    *(33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173),
    *(130, 25, 110, 24, 23, 22, 26, 112, 243, 247, 30, 29, 27, 28, 56, 190),
    *(226, 31, 228, 229, 230, 231, 232, 233, 244, 113, 225, 224, 223, 222, 221, 189),
    *(35, 124, 46, 53, 52, 65, 143, 111, 117, 118, 119, 120, 121, 128, 245),
    *(156, 70, 63, 105, 66, 107, 55, 193),
]
EYE_LEFT = [
    *(263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398),
    *(359, 255, 339, 254, 253, 252, 256, 341, 463, 467, 260, 259, 257, 258, 286, 414),
    *(446, 261, 448, 449, 450, 451, 452, 453, 464, 342, 445, 444, 443, 442, 441, 413),
    *(265, 353, 276, 283, 282, 295, 372, 340, 346, 347, 348, 349, 350, 357, 465),
    *(383, 300, 293, 334, 296, 336, 285, 417),
]
LIDS = 16
"""Of the points of an eye, those of the lids: an iris is as deep as they are on the mean."""


class Mesh(nn.Module):
    """forward(image [1,3,192,192]) -> (points [478,3] in pixels of the image, logit of a face's presence [1])"""

    def __init__(self, attention: torch.jit.ScriptModule) -> None:
        super().__init__()
        self.attention = attention
        # Where each point of the mesh is among those of the mesh and of the heads behind it.
        best = torch.arange(POINTS)
        heads = torch.tensor(LIPS + EYE_RIGHT + EYE_LEFT)
        best[heads] = POINTS + torch.arange(len(heads))
        self.register_buffer("best", best)
        self.register_buffer("lids", torch.tensor([EYE_RIGHT[:LIDS], EYE_LEFT[:LIDS]]))

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mesh, lips, right, left, iris_right, iris_left, presence = self.attention(image)
        points = mesh.view(-1, 3)
        flat = torch.cat([points[:, :2], lips.view(-1, 2), right.view(-1, 2), left.view(-1, 2)])[self.best]
        flat = torch.cat([flat, iris_right.view(-1, 2), iris_left.view(-1, 2)])
        depth = points[:, 2]
        deep = depth[self.lids].mean(1, keepdim=True).expand(2, 5).reshape(-1)
        return torch.cat([flat, torch.cat([depth, deep])[:, None]], 1), presence.view(1)


def single(module: torch.jit.ScriptModule) -> torch.jit.ScriptModule:
    """The same with all its traced numbers in single precision, which libtorch takes them for only where it optimizes."""
    graph = module.graph
    for node in list(graph.findAllNodes("prim::Constant")):
        value = node.output().toIValue()
        if isinstance(value, torch.Tensor) and value.dtype == torch.float64:
            new = graph.create("prim::Constant", 1)
            new.t_("value", value.float())
            new.insertBefore(node)
            node.output().replaceAllUsesWith(new.output())
    return module


@torch.no_grad()
def build(block: Path) -> torch.jit.ScriptModule:
    """The stage, from the block face_mesh_attention_478.pt: the heads of lips and eyes, which have the same layers, as one."""
    image = torch.zeros(1, 3, SIZE, SIZE)
    whole = single(torch.jit.freeze(torch.jit.script(Mesh(torch.jit.load(str(block))).eval())))
    whole = fold.fold(whole, list(image.shape))
    # Where a head has cut its part out of the map, what lies outside of it is masked.
    parts = [n for n in whole.graph.nodes if n.target is torch.ops.aten.grid_sampler.default]
    whole = fold.fuse(whole, [next(iter(n.users)) for n in parts])
    return torch.jit.freeze(torch.jit.trace(whole, image).eval())
