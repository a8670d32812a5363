# SPDX-License-Identifier: MIT OR Apache-2.0
"""How the mouth behaves where no voice is: after speech that is cut off anywhere, and to sounds that are not speech.

Run: python -m models.speech2landmarks.cuts --data DATA --pack models/packs/lite [--build BUILD] [--count 20]

`count` cuts in each of ten voices (the two that are bundled, espeak-ng, festival, flite, development clips), at places where
the voice sounds, followed by seconds of digital silence, comfort noise or a room. The opening is the distance of the inner
lips of the pack's mean face, in inter-ocular distances. Prints a Markdown table, one column a net. `--build` takes the nets from a
folder of stages instead of the pack's. Needs no training data but the clips.
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from models.features import model as features
from models.speech2landmarks.dataset import wave
from models.speech2landmarks.model import AHEAD

RATE, FRAME = features.RATE, features.FRAME
SPEECH = Path(__file__).resolve().parents[2] / "tests" / "data"
# seconds that follow a cut, and after which the mouth should be shut
TAIL, SHUT = 5.0, 0.5
# every tenth cut is followed by each of these levels of noise, in dB, the others by digital silence
ROOMS = {3: -62.0, 6: -52.0, 9: -42.0}
TEXT = {
    "en": "People who have never been to the harbour believe that nothing happens there before noon. "
    "But every morning at five, a small boat brings bread, papers and a bag of mail. How far would you go for that?",
    "de": "Am Montag haben wir lange auf den Bus gewartet, aber er kam nicht. Also gingen wir zu Fuß über die Brücke "
    "und kauften unterwegs Obst, Brot und eine warme Suppe. Was hättest du an unserer Stelle gemacht?",
    "es": "Mi abuela vivía en una casa blanca cerca del mar. Por la tarde abría las ventanas y escuchaba la radio, "
    "mientras nosotros jugábamos en el patio con una pelota vieja. ¿Te acuerdas todavía de aquellos veranos?",
}


def say(command: list[str], text: str = "") -> np.ndarray:
    """What a synthesizer writes to the file OUT."""
    with tempfile.TemporaryDirectory() as d:
        out = f"{d}/out.wav"
        run = [out if c == "OUT" else c for c in command]
        subprocess.run(run, input=text.encode(), check=True, capture_output=True)
        return wave(Path(out), level=False)


def voices(data: Path) -> dict[str, np.ndarray]:
    """Ten voices, 16 kHz."""
    espeak = lambda voice, lang: say(["espeak-ng", "-v", voice, "-w", "OUT", TEXT[lang]])  # noqa: E731
    flite = lambda voice: say(["flite", "-voice", voice, "-t", TEXT["en"], "-o", "OUT"])  # noqa: E731
    found = {k: wave(SPEECH / f"speech-{k}.wav", level=False) for k in ("af_heart", "am_michael")}
    found |= {"espeak-en": espeak("en-us", "en"), "espeak-de": espeak("de+f3", "de"), "espeak-es": espeak("es+m3", "es")}
    found["festival-kal"] = say(["text2wave", "-o", "OUT"], "".join(TEXT["en"].splitlines()))
    found |= {"flite-slt": flite("slt"), "flite-rms": flite("rms")}
    return found | {k: wave(data / "clips" / f"{k}.flac", level=False)[: 12 * RATE] for k in ("o013", "r006")}


def places(w: np.ndarray, count: int, r: np.random.Generator) -> list[int]:
    """Samples where the voice sounds, from 0.8 s on; the last is the end of the recording."""
    level = np.sqrt((w[: len(w) // 320 * 320].reshape(-1, 320) ** 2).mean(1))
    loud = np.flatnonzero(level > 0.15 * np.sqrt((level**2).mean()))
    loud = loud[loud > 40]
    return [int(i * 320 + r.integers(320)) for i in r.choice(loud, count - 1, replace=False)] + [len(w)]


def cuts(data: Path, count: int, seed: int) -> list[tuple[str, np.ndarray, int]]:
    """Name, sound and the sample of the cut."""
    r, found = np.random.default_rng(seed), []
    for name, w in voices(data).items():
        for i, at in enumerate(places(w, count, r)):
            tail = np.zeros(int(TAIL * RATE), np.float32)
            if i % 10 in ROOMS:
                tail += r.normal(0, 10 ** (ROOMS[i % 10] / 20), len(tail)).astype(np.float32)
            found.append((f"{name} {at / RATE:.2f} {ROOMS.get(i % 10, 'silence')}", np.concatenate([w[:at], tail]), at))
    return found


def decaying(n: int, seconds: float) -> np.ndarray:
    return np.exp(-np.arange(n) / (seconds * RATE))


def sounds(seed: int, seconds: float = 12.0) -> dict[str, np.ndarray]:
    """Sounds that are not speech: a drum kit, chords, a melody, bursts of noise, steady noise."""
    r, n = np.random.default_rng(seed), int(seconds * RATE)
    t = np.arange(n) / RATE
    out = {}
    x = np.zeros(n)
    for k in range(int(seconds * 4)):
        at, long = int(k * RATE / 4), RATE // 4
        hit = r.normal(size=long) * decaying(long, (0.02, 0.06)[k % 2]) * (0.3, 0.6)[k % 2]
        if k % 4 == 0:
            hit += np.sin(2 * np.pi * 55 * t[:long] * (1 + decaying(long, 0.03))) * decaying(long, 0.1)
        x[at : at + long] += hit[: n - at]
    out["drums"] = x
    x = np.zeros(n)
    for k in range(int(seconds)):
        at, long = k * RATE, RATE
        for note in r.choice([0, 2, 4, 5, 7, 9, 11], 3, replace=False):
            f = 220 * 2 ** (note / 12)
            x[at : at + long] += sum(np.sin(2 * np.pi * f * m * t[:long]) / m for m in range(1, 7)) * decaying(long, 0.5)
    out["chords"] = x
    x = np.zeros(n)
    for k in range(int(seconds * 4)):
        at, long = int(k * RATE / 4), RATE // 4
        f = 330 * 2 ** (r.integers(0, 13) / 12)
        tone = sum(np.sin(2 * np.pi * f * m * t[:long] + 0.3 * np.sin(2 * np.pi * 5.5 * t[:long])) / m**1.5 for m in range(1, 9))
        x[at : at + long] += tone * np.minimum(1, t[:long] / 0.03) * decaying(long, 0.2)
    out["melody"] = x
    x = r.normal(size=n)
    gate = np.repeat(r.random(int(seconds * 5) + 1) < 0.4, RATE // 5)[:n]
    out["noise bursts"] = x * gate
    out["steady noise"] = r.normal(size=n)
    return {k: (0.1 * v / v.std()).astype(np.float32) for k, v in out.items()}


class Listener:
    """Features of sounds by a pack's front end; what many sounds share is heard once."""

    def __init__(self, pack: Path) -> None:
        self.front = torch.jit.load(str(pack / "features.pt")).float().eval()
        self.known: dict[bytes, torch.Tensor] = {}

    def __call__(self, w: np.ndarray, look_ahead: int) -> torch.Tensor:
        """[n,4,128]"""
        x = features.windows(w, look_ahead, features.WINDOW)
        keys = [v.numpy().tobytes() for v in x]
        new = {k: i for i, k in enumerate(keys) if k not in self.known}
        with torch.no_grad():
            for k in range(0, len(new), 64):
                part = list(new.values())[k : k + 64]
                heard = self.front.ear(x[part].contiguous()).reshape(len(part), features.ROWS, -1)
                for i, h in zip(part, heard):
                    self.known[keys[i]] = torch.cat([self.front.mel(x[i, -features.MEL_WINDOW :]), h], 1)
        return torch.stack([self.known[k] for k in keys])


def opening(net: torch.nn.Module, x: torch.Tensor, face: torch.Tensor, state: int) -> np.ndarray:
    """Distance of the inner lips [n]."""
    with torch.no_grad():
        y, _ = net(x, face, torch.zeros(8), torch.zeros(state))
    return torch.linalg.vector_norm(y[:, 13] - y[:, 14], dim=1).numpy()


def late(a: np.ndarray, cut: int) -> np.ndarray:
    """The openings that belong to frames from `SHUT` after the cut on."""
    return a[int(np.ceil(cut / FRAME + SHUT * RATE / FRAME)) :]


def main() -> None:
    a = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    a.add_argument("--data", type=Path, required=True)
    a.add_argument("--pack", type=Path, required=True)
    a.add_argument("--build", type=Path)
    a.add_argument("--count", type=int, default=20)
    a.add_argument("--seed", type=int, default=0)
    a.add_argument("--worst", type=int, default=5, help="how many of the worst cuts are named")
    o = a.parse_args()
    torch.set_num_threads(1)
    face = next(iter(load_file(str(o.pack / "mean_face.safetensors")).values())).float()
    listen, found, table, named = Listener(o.pack), cuts(o.data, o.count, o.seed), {}, []
    for k, ahead in AHEAD.items():
        net = torch.jit.load(str(o.build / k / f"{k}.pt" if o.build else o.pack / f"{k}.pt"))
        state = sizes(o.pack, o.build, k)
        speaking, ends = [], []
        for name, w, at in found:
            x = opening(net, listen(w, ahead), face, state)
            speaking.append(x[: at // FRAME].mean())
            ends.append((float(late(x, at).max()), name))
        most = np.array([e[0] for e in ends])
        rows = table.setdefault("cuts; mean opening while speaking", [])
        rows.append(f"{len(ends)}; {np.mean(speaking):.3f}")
        table.setdefault("widest from 0.5 s after the cut on, mean / most", []).append(f"{most.mean():.3f} / {most.max():.3f}")
        table.setdefault("cuts with more than 0.02 / 0.03 there", []).append(
            f"{(most > 0.02).mean():.1%} / {(most > 0.03).mean():.1%}"
        )
        for s, w in sounds(o.seed).items():
            table.setdefault(f"mean opening, {s}", []).append(f"{opening(net, listen(w, ahead), face, state).mean():.4f}")
        named += [f"<!-- {k}: {v:.3f} after {n} -->" for v, n in sorted(ends, reverse=True)[: o.worst]]
    print("| | " + " | ".join(AHEAD) + " |\n|-" + "|-" * len(AHEAD) + "|")
    for k, v in table.items():
        print(f"| {k} | " + " | ".join(v) + " |")
    print("\n".join(named))


def sizes(pack: Path, build: Path | None, net: str) -> int:
    """Numbers of a net's state."""
    import tomllib

    text = (build / net / "stage.toml" if build else pack / "pack.toml").read_text()
    entry = tomllib.loads(text)
    return (entry if build else entry["stages"][net])["inputs"][3]["shape"][0]


if __name__ == "__main__":
    main()
