# SPDX-License-Identifier: MIT OR Apache-2.0
"""Sounds that are no speech, for training: pieces of music, drums, engines, wind, noise, clicks, tones, alarms.

Music is chance notes of chance instruments, rendered by fluidsynth with FluidR3 (MIT) where that is installed; a plain
additive synthesizer stands in for it elsewhere.
"""

import struct
import subprocess
import tempfile
from pathlib import Path

import numpy as np

RATE = 16000
FONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")


def coloured(n: int, r: np.random.Generator, steep: float = 1.5) -> np.ndarray:
    """Noise of RMS 1 that falls by 0 to 6 * `steep` dB an octave."""
    f = np.fft.rfftfreq(n, 1 / RATE).clip(30)
    w = np.fft.irfft(np.fft.rfft(r.normal(size=n)) * f ** -r.uniform(0, steep), n)
    return w / w.std()


def smooth(n: int, r: np.random.Generator, hertz: float) -> np.ndarray:
    """A wandering line between 0 and 1 that turns some `hertz` times a second."""
    points = max(2, int(n / RATE * hertz) + 2)
    return np.interp(np.linspace(0, points - 1, n), np.arange(points), r.random(points))


def midi(r: np.random.Generator, seconds: float) -> bytes:
    """A standard MIDI file: one to three instruments and perhaps drums, notes of one key by chance."""
    events: list[tuple[int, bytes]] = []
    tick = lambda s: int(s * 960)  # noqa: E731
    key = r.choice([[0, 2, 4, 5, 7, 9, 11], [0, 2, 3, 5, 7, 8, 10]][r.integers(2)], 7, replace=False) + r.integers(12)
    beat = r.uniform(0.25, 0.7)
    for ch in range(r.integers(0, 4)):
        # instruments without voices (52 to 54, 85, 91 of General MIDI)
        program = int(r.choice([p for p in range(112) if p not in (52, 53, 54, 85, 91)]))
        events.append((0, bytes([0xC0 | ch, program])))
        t, octave, long = 0.0, r.integers(3, 7), beat * r.choice([0.25, 0.5, 1, 2])
        while t < seconds:
            for _ in range(r.integers(1, 4 if long >= beat else 2)):
                note, on = int(np.clip(12 * octave + r.choice(key), 24, 100)), int(r.integers(50, 120))
                events.append((tick(t), bytes([0x90 | ch, note, on])))
                events.append((tick(t + long * 0.95), bytes([0x80 | ch, note, 0])))
            t += long * r.choice([1, 1, 1, 2])
    if not events or r.random() < 0.5:
        for note, every, chance in ((36, 2, 0.8), (38, 2, 0.7), (42, 0.5, 0.8), (46, 1, 0.2), (49, 4, 0.3), (45, 1, 0.2)):
            t = r.integers(0, 2) * beat
            while t < seconds:
                if r.random() < chance:
                    events.append((tick(t), bytes([0x99, note, int(r.integers(60, 127))])))
                    events.append((tick(t + 0.1), bytes([0x89, note, 0])))
                t += every * beat
    track, last = b"", 0
    for at, event in sorted(events, key=lambda e: e[0]):
        gap, number = at - last, b""
        while True:
            number = bytes([gap & 0x7F | (0x80 if number else 0)]) + number
            gap >>= 7
            if not gap:
                break
        track, last = track + number + event, at
    track += b"\x00\xff\x2f\x00"
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, 480) + b"MTrk" + struct.pack(">I", len(track)) + track


def music(r: np.random.Generator, seconds: float) -> np.ndarray:
    n = int(seconds * RATE)
    if FONT.exists():
        with tempfile.TemporaryDirectory() as d:
            Path(d, "a.mid").write_bytes(midi(r, seconds))
            run = ["fluidsynth", "-niq", "-r", str(RATE), "-g", "0.5", "-T", "raw", "-O", "s16", "-E", "little"]
            subprocess.run([*run, "-F", f"{d}/a.raw", str(FONT), f"{d}/a.mid"], check=True, capture_output=True)
            w = np.fromfile(f"{d}/a.raw", np.int16).reshape(-1, 2).mean(1)[:n]
            w = np.pad(w, (0, n - len(w)))
            return w / (w.std() + 1e-9)
    w, t, at = np.zeros(n), np.arange(n) / RATE, 0
    while at < n:
        long = min(n - at, int(r.uniform(0.1, 0.8) * RATE))
        f, fall = 110 * 2 ** (r.integers(0, 36) / 12), r.uniform(0.05, 0.6)
        w[at : at + long] += sum(np.sin(2 * np.pi * f * m * t[:long]) / m for m in range(1, 8)) * np.exp(-t[:long] / fall)
        at += long
    return w / (w.std() + 1e-9)


def drums(r: np.random.Generator, n: int) -> np.ndarray:
    w, beat = np.zeros(n), r.uniform(0.1, 0.4)
    kinds = [(r.uniform(0.005, 0.15), r.uniform(40, 250), r.random(), r.uniform(0.2, 1)) for _ in range(4)]
    for k in range(int(n / RATE / beat)):
        fall, pitch, tone, loud = kinds[r.integers(4)]
        at = int(k * beat * RATE)
        t = np.arange(min(n - at, int(6 * fall * RATE))) / RATE
        hit = (1 - tone) * r.normal(size=len(t)) + 2 * tone * np.sin(2 * np.pi * pitch * t * (1 + np.exp(-t / 0.03)))
        w[at : at + len(t)] += loud * hit * np.exp(-t / fall)
    return w


def noise(r: np.random.Generator, seconds: float) -> np.ndarray:
    """A sound of RMS 1."""
    n = int(seconds * RATE)
    t = np.arange(n) / RATE
    kind = r.choice(["music", "drums", "steady", "bursts", "wind", "engine", "tones", "clicks"], p=[0.4, 0.15, 0.1, 0.1, 0.07, 0.06, 0.06, 0.06])
    if kind == "music":
        w = music(r, seconds)
    elif kind == "drums":
        w = drums(r, n)
    elif kind == "steady":
        w = coloured(n, r)
    elif kind == "bursts":
        long = int(r.uniform(0.05, 0.6) * RATE)
        w = coloured(n, r) * np.repeat(r.random(n // long + 1) < r.uniform(0.2, 0.7), long)[:n]
    elif kind == "wind":
        w = coloured(n, r, 2.0) * smooth(n, r, r.uniform(1, 6)) ** 2
    elif kind == "engine":
        f = r.uniform(25, 120) * (1 + 0.5 * smooth(n, r, 0.5))
        w = sum(np.sin(2 * np.pi * np.cumsum(f) / RATE * m + r.uniform(0, 6)) * r.random() / m for m in range(1, 25))
        w = w + coloured(n, r) * r.uniform(0.05, 1)
    elif kind == "tones":
        f = np.repeat(r.uniform(200, 3000, 40), int(r.uniform(0.08, 0.5) * RATE))
        f = np.resize(f, n)
        w = np.sin(2 * np.pi * np.cumsum(f) / RATE) + 0.2 * np.sign(np.sin(2 * np.pi * np.cumsum(f) / RATE))
        w = w * np.resize(np.repeat(r.random(12) < 0.7, int(r.uniform(0.1, 0.4) * RATE)), n)
    else:
        w = coloured(n, r) * 0.02
        for at in r.integers(0, n - 400, int(seconds * r.uniform(1, 12))):
            long = int(r.integers(20, 400))
            w[at : at + long] += r.normal(size=long) * np.exp(-np.arange(long) / (long / 4)) * r.uniform(0.2, 1)
    if r.random() < 0.2:
        w = w / (w.std() + 1e-9) + coloured(n, r) * r.uniform(0.03, 0.5)
    return (w / (w.std() + 1e-9)).astype(np.float32)
