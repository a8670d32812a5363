"""Speech2Landmarks: log-mel rows and encoder tokens -> normalised landmarks, with FiLM emotion conditioning and an explicit
state.

state = [8 x 80 feature rows of the two frames before | GRU state | level: running offset, weight | frames without voice].
An all-zero state is the start; T frames at once and one by one give the same numbers. Zero features mean silence.
"""

import torch
import torch.nn.functional as F
from torch import nn

BANDS, ROWS, PAST, HIDDEN, CODE = 80, 4, 8, 192, 16
TOKENS, HEARD = 192, 128  # numbers of a frame's encoder tokens, and what is made of them
LEVEL0, ACTIVE, RANGE, FLOOR, SCALE = 0.7, 4.6, 5.0, 8.0, 3.0
# What lies this much below the level (natural logarithm of power: 26 dB) is no voice; after so many frames without one, more
# than the closure of a consonant or the gap between two words takes, the net forgets this share of what it was saying with
# each frame. A recurrent net alone may go on for seconds, whatever it was trained on.
VOICE, PAUSE, FORGET = 6.0, 8.0, 0.5
STATE = PAST * BANDS + HIDDEN + 3
LOW_AHEAD = 1280  # samples of look-ahead of the low-latency net


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
        off, weight = state[:, 0], state[:, 1]
        levels = []
        for i in range(x.shape[1]):
            over = energy[:, i] - (self.level0 + off)
            gate = torch.sigmoid(2.0 * (over + self.active))
            # audible but far below the level: a quiet talker; walk down
            gate = torch.maximum(gate, 0.25 * torch.sigmoid(2.0 * (energy[:, i] + 8.5)))
            weight = torch.clamp(weight + gate, 0.0, 60.0)
            off = torch.clamp(off + gate * over / (weight + 8.0), -self.range, self.range)
            levels.append(off)
        level = torch.stack(levels, 1) + self.level0
        return torch.relu(x - level[:, :, None, None] + self.floor) / self.scale, torch.stack([off, weight], 1)


class Pause(nn.Module):
    """How much of the hidden state is kept: all while there is voice, less and less where it stays away."""

    def __init__(self) -> None:
        super().__init__()
        self.floor: float = FLOOR - VOICE
        self.scale: float = SCALE
        self.pause: float = PAUSE
        self.forget: float = FORGET

    def forward(self, x: torch.Tensor, silent: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Level-free rows [B,T,4,80], frames without voice before them [B] -> share that is kept [B,T], frames [B]."""
        loud = (torch.logsumexp(x * self.scale, 3) - 4.38).amax(2)
        quiet = torch.sigmoid(2.0 * (self.floor - loud))
        keep = []
        for i in range(x.shape[1]):
            silent = torch.clamp((silent + 1.0) * quiet[:, i], max=100.0)
            keep.append(1.0 - self.forget * torch.clamp((silent - self.pause) / 2.0, 0.0, 1.0))
        return torch.stack(keep, 1), silent


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

    def forward(
        self,
        rows: torch.Tensor,
        tokens: torch.Tensor,
        ident: torch.Tensor,
        emotion: torch.Tensor,
        h: torch.Tensor,
        keep: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """rows [B,8+4T,80], tokens [B,T,192], ident [B,I], emotion [B,8], h [1,B,H], the share of h that is kept before
        each frame [B,T] (all) -> coefficients [B,T,K], hidden [B,T,H], h.
        """
        x = F.relu(self.c2(F.relu(self.c1(rows.transpose(1, 2))))).transpose(1, 2)
        i = torch.tanh(self.ident(ident))
        e = emotion[:, 1:]
        gain, bias = torch.chunk(self.film2(F.relu(self.film1(e))), 2, 1)  # no biases: linear in the intensity
        y = F.relu(self.heard(self.drop(tokens)))
        x = torch.cat([self.drop(x), self.drop(y), i[:, None].expand(-1, x.shape[1], -1)], 2)
        x = x * (1 + gain[:, None]) + bias[:, None]
        if keep is None:
            y, h = self.rnn(x, h)
        else:
            said = []
            for n in range(x.shape[1]):
                y, h = self.rnn(x[:, n : n + 1], h * keep[:, n : n + 1])
                said.append(y)
            y = torch.cat(said, 1)
        return self.out(self.drop(y)) + self.emo(e)[:, None], y, h


class Speech2Landmarks(nn.Module):
    """The exported stage around Net: state packing, identity code, closed rest pose, basis, lips that never cross."""

    def __init__(self, net: Net, tables: dict[str, torch.Tensor]) -> None:
        super().__init__()
        self.level, self.pause, self.net = Level(), Pause(), net
        # basis [K,1434], mean [1434], ids [I,1434], rest [R+1,K0], basis_rest [K0,1434], calm [81,K],
        # basis_calm [K,1434], up, low, lips, strength, pull
        for k, v in tables.items():
            self.register_buffer(k, v)
        self.touch: float = 0.002
        self.past: int = PAST * BANDS

    def gaps(self, identity: torch.Tensor) -> torch.Tensor:
        """Lip gaps and mouth width of a face, and a constant: inputs of the rest-pose regression."""
        g = identity[self.low] - identity[self.up]
        return torch.cat(
            [g[:, 1], g[:, 2], torch.linalg.vector_norm(identity[291:292] - identity[61:62], dim=1), torch.ones(1)]
        )

    def mouth(self, identity: torch.Tensor) -> torch.Tensor:
        """Outline of the lips against the mean face, and a constant: inputs of the regression of calm.py."""
        away = identity - self.mean.reshape(478, 3)
        return torch.cat([torch.clamp(away[self.lips][:, :2], -0.1, 0.1).reshape(-1), torch.ones(1)])

    def forward(
        self, features: torch.Tensor, identity: torch.Tensor, emotion: torch.Tensor, state: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        n = features.shape[0]
        past, h, lev, silent = state[: self.past], state[self.past : -3], state[-3:-1], state[-1:]
        x, lev = self.level(features[None, :, :, :80], lev[None])
        keep, silent = self.pause(x, silent)
        tokens = features[:, :, 80:].reshape(1, n, -1)
        rows = torch.cat([past.reshape(1, -1, 80), x.reshape(1, n * 4, 80)], 1)
        flat = identity.reshape(-1)
        code = torch.clamp(self.ids @ (flat - self.mean), -3.0, 3.0)
        felt = (torch.clamp(emotion, 0.0, 1.5) * self.strength)[None]
        c, _, h = self.net(rows, tokens, code[None], felt, h.reshape(1, 1, -1), keep)
        base = flat + (self.gaps(identity) @ self.rest) @ self.basis_rest
        base = base + (self.mouth(identity) @ self.calm) @ self.basis_calm
        face = (base + c[0] @ self.basis).reshape(n, 478, 3)
        # small gaps are drawn together (an almost closed p is a closed p), and lips touch but never cross
        up, low = face.index_select(1, self.up), face.index_select(1, self.low)
        gap = low[:, :, 1] - up[:, :, 1]
        open_ = torch.relu(gap)
        move = (torch.clamp(open_ * open_ / (open_ + self.pull), min=self.touch) - gap) / 2
        move = torch.stack([torch.zeros_like(move), move, torch.zeros_like(move)], 2)
        face = face.index_add(1, self.up, -move).index_add(1, self.low, move)
        return face, torch.cat([rows[0, -8:].reshape(-1), h.reshape(-1), lev[0], silent])
