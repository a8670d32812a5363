# SPDX-License-Identifier: MIT OR Apache-2.0
"""Speech2Landmarks: log-mel rows and encoder tokens -> normalised landmarks, with FiLM emotion conditioning and an explicit
state.

state = [8 x 80 feature rows of the two frames before | GRU state | level: running offset, weight | frames without voice, how
far the mouth is shut for it]
An all-zero state is the start; T frames at once and one by one give the same numbers. Zero features mean silence.
"""

import torch
import torch.nn.functional as F
from torch import nn

from models.cell import step
from models.features.model import LOOK_AHEAD

BANDS, ROWS, PAST, HIDDEN, CODE = 80, 4, 8, 192, 16
TOKENS, HEARD = 192, 128  # numbers of a frame's encoder tokens, and what is made of them
LEVEL0, ACTIVE, RANGE, FLOOR, SCALE = 0.7, 4.6, 5.0, 8.0, 3.0
# What stays this much below the level (natural logarithm of power: 13 dB) is no voice; a shut mouth opens for what is so much
# louder. So many frames after a voice the mouth shuts, within two frames: a recurrent net alone may go on for seconds, whatever
# it was trained on. Unseen, it does go on, since people open the mouth before they speak on, and forgets after a second.
VOICE, MORE, PAUSE, SHUTTING, FORGET = 3.0, 1.0, 9.5, 0.5, 25.0
STATE = PAST * BANDS + HIDDEN + 4
FRAME = 640  # samples of a video frame
# samples of look-ahead of each net, by the name of its stage
AHEAD = {"speech2landmarks": LOOK_AHEAD, "speech2landmarks-low": 1280, "speech2landmarks-minimal": 320}
# A recurrent net follows late, by up to a third of a frame on people whom training has not seen, and by a whole one where it hears
# little ahead: its answer is taken so many frames onwards along its own way.
HASTE = {"speech2landmarks": 0.2, "speech2landmarks-low": 0.2, "speech2landmarks-minimal": 0.5}


class Level(nn.Module):
    """Causal running level of active speech; maps log-mel rows to level-free rows where 0 is silence."""

    def __init__(self) -> None:
        super().__init__()
        self.level0: float = LEVEL0
        self.active: float = ACTIVE
        self.range: float = RANGE
        self.floor: float = FLOOR
        self.scale: float = SCALE

    def forward(self, x: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """x [B,T,4,80], state [B,2] -> rows [B,T,4,80], state. Energy is the loudest of a frame's four rows."""
        energy = torch.logsumexp(x, 3).amax(2) - 4.38
        # audible but far below the level: a quiet talker; walk down
        audible = 0.25 * torch.sigmoid(2.0 * energy + 17.0)
        off, weight = state.unbind(1)
        levels = []
        for above, least in zip((energy - self.level0).unbind(1), audible.unbind(1)):
            over = above - off
            gate = torch.maximum(torch.sigmoid(2.0 * over + 2.0 * self.active), least)
            weight = torch.clamp(weight + gate, 0.0, 60.0)
            off = torch.clamp(torch.addcdiv(off, gate * over, weight + 8.0), -self.range, self.range)
            levels.append(off)
        zero = torch.stack(levels, 1) + (self.level0 - self.floor)
        return torch.relu(x - zero.view(x.shape[0], -1, 1, 1)) / self.scale, torch.stack([off, weight], 1)


class Pause(nn.Module):
    """Counts frames without voice: how much of what the net says is shown, and how much of its state is kept."""

    def __init__(self, ahead: int) -> None:
        """`ahead`: frames of look-ahead, which hear a voice end so much earlier."""
        super().__init__()
        self.floor: float = FLOOR - VOICE
        self.more: float = MORE
        self.scale: float = SCALE
        self.pause: float = PAUSE + ahead
        self.shutting: float = SHUTTING
        self.forget: float = FORGET

    def forward(self, x: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Level-free rows [B,T,4,80], state [B,2] -> share that is shown [B,T], that is kept before a frame [B,T], state."""
        loud = torch.logsumexp(x * self.scale, 3).amax(2) - 4.38
        silent, shut = state.unbind(1)
        silents, shuts = [], []
        for below in (5.0 * (self.floor - loud) + 0.5).unbind(1):
            quiet = torch.clamp(torch.add(below, shut, alpha=5.0 * self.more), 0.0, 1.0)
            silent = torch.clamp(torch.addcmul(quiet, silent, quiet), max=100.0)
            late = torch.clamp(silent - self.pause, -0.5, 0.5)
            shut = torch.clamp(torch.add(shut, late, alpha=2.0 * self.shutting), 0.0, 1.0)
            silents.append(silent)
            shuts.append(shut)
        keep = 1.0 - 0.5 * torch.clamp(torch.stack(silents, 1) - self.forget, 0.0, 1.0)
        return 1.0 - torch.stack(shuts, 1), keep, torch.stack([silent, shut], 1)


def halved(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """A convolution of stride 2 over the rows of [B,R,C] as one product: a frame has so few windows that what a convolution does
    around it takes longer."""
    return F.relu(F.linear(x.unfold(1, weight.shape[2], 2).flatten(2), weight.flatten(1), bias))


class Net(nn.Module):
    """The trained part: level-free rows, tokens, identity code and emotion -> coefficients of the basis."""

    def __init__(self, coefs: int, ids: int, phones: int = 17) -> None:
        super().__init__()
        self.c1 = nn.Conv1d(BANDS, 128, 4, 2)
        self.c2 = nn.Conv1d(128, HIDDEN, 5, 2)
        self.heard = nn.Linear(TOKENS, HEARD)
        self.ident = nn.Linear(ids, CODE)
        self.film1 = nn.Linear(7, 32, bias=False)
        self.film2 = nn.Linear(32, 2 * (HIDDEN + HEARD + CODE), bias=False)
        nn.init.normal_(self.film2.weight, 0, 0.01)
        self.rnn = nn.GRU(HIDDEN + HEARD + CODE, HIDDEN, batch_first=True)
        self.out = nn.Linear(HIDDEN, coefs)
        self.emo = nn.Linear(7, coefs, bias=False)
        self.phone = nn.Linear(HIDDEN, phones)
        self.drop = nn.Dropout(0.25)
        self.haste: float = 0.0

    def taken(
        self, rows: torch.Tensor, tokens: torch.Tensor, ident: torch.Tensor, emotion: torch.Tensor
    ) -> torch.Tensor:
        """rows [B,8+4T,80], tokens [B,T,192], ident [B,I], emotion [B,8] -> what goes into the recurrent part [B,T,336]."""
        x = halved(halved(rows, self.c1.weight, self.c1.bias), self.c2.weight, self.c2.bias)
        i = torch.tanh(self.ident(ident))
        gain, bias = torch.chunk(self.film2(F.relu(self.film1(emotion[:, 1:]))), 2, 1)  # no biases: linear in the intensity
        y = F.relu(self.heard(self.drop(tokens)))
        x = torch.cat([self.drop(x), self.drop(y), i[:, None].expand(-1, x.shape[1], -1)], 2)
        return torch.addcmul(x + bias[:, None], x, gain[:, None])

    def given(self, x: torch.Tensor) -> torch.Tensor:
        """The recurrent part's products [B,T,3H] with what goes into it."""
        return F.linear(x, self.rnn.weight_ih_l0, self.rnn.bias_ih_l0)

    def shown(self, y: torch.Tensor, given: torch.Tensor, shown: torch.Tensor) -> torch.Tensor:
        """A share [B,T] of what the net says; the rest is what one says that has heard nothing before."""
        n, width = shown.numel(), y.shape[2]
        nothing = torch.zeros_like(y).reshape(n, width)
        rest = step(given.view(n, -1), self.rnn.bias_hh_l0.expand(n, -1), nothing)
        return torch.lerp(rest.view(y.shape), y, shown[:, :, None])

    def face(self, y: torch.Tensor, emotion: torch.Tensor) -> torch.Tensor:
        """Coefficients [B,T,K] of what the net says [B,T,H]."""
        return self.out(self.drop(y)) + self.emo(emotion[:, 1:])[:, None]

    @torch.jit.unused
    def forward(
        self,
        rows: torch.Tensor,
        tokens: torch.Tensor,
        ident: torch.Tensor,
        emotion: torch.Tensor,
        h: torch.Tensor,
        shown: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Many frames at once, for training: coefficients [B,T,K], hidden [B,T,H], h [1,B,H]. `shown` [B,T] as a stage has it."""
        x = self.taken(rows, tokens, ident, emotion)
        y, h = self.rnn(x, h)
        if shown is not None:
            y = self.shown(y, self.given(x), shown)
        return self.face(y, emotion), y, h

    def frames(
        self,
        rows: torch.Tensor,
        tokens: torch.Tensor,
        ident: torch.Tensor,
        emotion: torch.Tensor,
        h: torch.Tensor,
        shown: torch.Tensor,
        keep: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Frame by frame, as a stage runs: coefficients [B,T,K], h [B,H]. `keep` [B,T]: share of h that is kept before a frame."""
        given = self.given(self.taken(rows, tokens, ident, emotion))
        said = []
        for one, kept in zip(given.unbind(1), keep.split(1, 1)):
            before = h * kept
            h = step(one, F.linear(before, self.rnn.weight_hh_l0, self.rnn.bias_hh_l0), before)
            said.append(torch.lerp(before, h, 1.0 + self.haste))
        return self.face(self.shown(torch.stack(said, 1), given, shown), emotion), h


class Speech2Landmarks(nn.Module):
    """The exported stage around Net: state packing, identity code, closed rest pose, basis, lips that never cross."""

    def __init__(self, net: Net, tables: dict[str, torch.Tensor], name: str) -> None:
        """`name`: that of the stage, which tells the look-ahead."""
        super().__init__()
        self.level, self.pause, self.net = Level(), Pause(AHEAD[name] // FRAME), net
        net.haste = HASTE[name]
        # basis [K,1434], mean [1434], ids [I,1434], rest [R+1,K], calm [81,K], basis_calm [K,1434], up, low, lips, strength, pull
        for k, v in tables.items():
            self.register_buffer(k, v)
        self.touch: float = 0.002
        self.past: int = PAST * BANDS
        self.hidden: int = HIDDEN
        self.register_buffer("one", torch.ones(1))
        self.register_buffer("seam", torch.cat([tables["up"], tables["low"]]))

    def gaps(self, identity: torch.Tensor) -> torch.Tensor:
        """Lip gaps and mouth width of a face, and a constant: inputs of the rest-pose regression."""
        up, low = torch.chunk(identity.index_select(0, self.seam), 2)
        gaps = low - up
        width = torch.linalg.vector_norm(identity[291:292] - identity[61:62], dim=[1])
        return torch.cat([gaps[:, 1], gaps[:, 2], width, self.one])

    def mouth(self, away: torch.Tensor) -> torch.Tensor:
        """Outline of the lips against the mean face [478,3], and a constant: inputs of the regression of calm.py."""
        return torch.cat([torch.clamp(away.index_select(0, self.lips)[:, :2], -0.1, 0.1).reshape(-1), self.one])

    def forward(
        self, features: torch.Tensor, identity: torch.Tensor, emotion: torch.Tensor, state: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        n = features.shape[0]
        past, h, lev, silent = torch.split(state, [self.past, self.hidden, 2, 2])
        mel, tokens = torch.split(features[None], [80, features.shape[2] - 80], 3)
        x, lev = self.level(mel, lev[None])
        shown, keep, silent = self.pause(x, silent[None])
        rows = torch.cat([past.view(1, -1, 80), x.view(1, n * 4, 80)], 1)
        flat = identity.reshape(-1)
        away = flat - self.mean
        code = torch.clamp(self.ids @ away, -3.0, 3.0)
        felt = torch.clamp(emotion, 0.0, 1.5) * self.strength
        c, h = self.net.frames(rows, tokens.reshape(1, n, -1), code[None], felt[None], h[None], shown, keep)
        own = flat + (self.mouth(away.view(478, 3)) @ self.calm) @ self.basis_calm
        face = torch.addmm(own, c[0] + self.gaps(identity) @ self.rest, self.basis).view(n, 478, 3)
        # small gaps are drawn together (an almost closed p is a closed p), and lips touch but never cross
        up, low = torch.chunk(face.index_select(1, self.seam).select(2, 1), 2, 1)
        gap = low - up
        open_ = torch.relu(gap)
        move = (torch.clamp(open_ * open_ / (open_ + self.pull), min=self.touch) - gap) / 2
        face = face.index_add(1, self.seam, F.pad(torch.cat([-move, move], 1)[:, :, None], [1, 1]))
        return face, torch.cat([rows[0, -8:].reshape(-1), h.view(-1), lev[0], silent[0]])
